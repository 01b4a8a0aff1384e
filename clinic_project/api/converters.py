"""Ids in paths."""

#: Every key of the deployed tables is a 4-byte integer.
MAX_ID = 2**31 - 1
#: No row has it.
NO_ID = 0


class RowIdConverter:
    """A row's id. Anything else is taken for an id that no row has.

    So a caller without credentials gets 401 whatever the path says, and one with them the 404 of a foreign row.
    """

    regex = "[^/]+"

    def to_python(self, value: str) -> int:
        if value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= MAX_ID:
            return int(value)
        return NO_ID

    def to_url(self, value: int) -> str:
        return str(value)
