"""Right objects under wrong names: renamed together, so that names can also be swapped."""

from collections.abc import Callable, Sequence

from ...schema.model import Table, helper_name, identifier

Rename = Callable[[str, str], str]


def constraint_renamed(table: Table, before: str, after: str) -> str:
    return f"ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(before)} TO {identifier(after)}"


def renames(table: Table, pairs: Sequence[tuple[str, str]], holders: Sequence[str], rename: Rename) -> tuple[str, ...]:
    """Return the statements that give the first name of each pair the second.

    `holders` are wrong objects that hold a wanted name: they step aside, to a helper name of role "old". A name that
    another of the pairs has is given once that one has got its own; in a circle, one waits under a helper name.
    """
    pending = dict(pairs)
    statements = [rename(name, helper_name("old", table.name, name)) for name in holders if name not in pending]
    while pending:
        first = next((first for first, second in pending.items() if second not in pending), None)
        if first is not None:
            statements.append(rename(first, pending.pop(first)))
            continue
        first, second = pending.popitem()
        helper = helper_name("new", table.name, second)
        statements.append(rename(first, helper))
        pending[helper] = second
    return tuple(statements)
