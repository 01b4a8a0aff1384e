"""Ids of rows, as they are written in paths, query strings and forms."""

#: Every key of the deployed tables is a 4-byte integer.
MAX_ID = 2**31 - 1
#: No row has it.
NO_ID = 0


def parse_row_id(text: str) -> int | None:
    """Return the id that `text` is in digits, from 1 to MAX_ID; None for anything else."""
    # int() refuses thousands of digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_ID):
        return None
    return int(text)


class RowIdConverter:
    """A row's id in a path. Anything else becomes an id that no row has.

    So a caller without credentials gets 401 whatever the path says, and one with credentials 404.
    """

    regex = "[^/]+"

    def to_python(self, value: str) -> int:
        return parse_row_id(value) or NO_ID

    def to_url(self, value: int) -> str:
        return str(value)


class SequenceConverter(RowIdConverter):
    """A position in a path, 0 or more. Anything else becomes one that nothing has, as for a row's id."""

    def to_python(self, value: str) -> int:
        return 0 if value == "0" else parse_row_id(value) or -1
