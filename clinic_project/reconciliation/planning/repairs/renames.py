"""Right objects under wrong names: renamed together, so that names can also be swapped."""

from collections.abc import Callable, Sequence

from ...schema.model import HelperRole, Table, helper_name, identifier

Rename = Callable[[str, str], str]


def rename_constraint(table: Table, before: str, after: str) -> str:
    return f"ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(before)} TO {identifier(after)}"


def rename_index(schema: str, before: str, after: str) -> str:
    return f"ALTER INDEX {identifier(schema, before)} RENAME TO {identifier(after)}"


def renames(
    table: Table, pairs: Sequence[tuple[str, str]], conflicting: Sequence[str], rename: Rename
) -> tuple[str, ...]:
    """Return the statements that give the first name of each pair the second.

    `conflicting` are wrong objects that have a declared name: they get a helper name of role OLD. A name that another of
    the pairs has is given once that one has got its own; in a circle, one gets a temporary helper name.
    """
    pending = dict(pairs)
    statements = [
        rename(name, helper_name(HelperRole.OLD, table.name, name)) for name in conflicting if name not in pending
    ]
    while pending:
        first = next((first for first, second in pending.items() if second not in pending), None)
        if first is not None:
            statements.append(rename(first, pending.pop(first)))
            continue
        first, second = pending.popitem()
        temporary = helper_name(HelperRole.NEW, table.name, second)
        statements.append(rename(first, temporary))
        pending[temporary] = second
    return tuple(statements)
