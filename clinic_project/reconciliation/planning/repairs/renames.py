"""Statements that rename objects: several of a table together, so that names can be swapped."""

from collections.abc import Callable, Sequence

from ...schema.model import HelperRole, Table, helper_name, identifier

Rename = Callable[[str, str], str]


def rename_constraint(table: Table, before: str, after: str) -> str:
    return f"ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(before)} TO {identifier(after)}"


def rename_index(schema: str, before: str, after: str) -> str:
    return f"ALTER INDEX {identifier(schema, before)} RENAME TO {identifier(after)}"


def rename_statements(
    table: Table, pairs: Sequence[tuple[str, str]], conflicting: Sequence[str], rename: Rename
) -> tuple[str, ...]:
    """Return the statements that rename the first of each pair to the second.

    1. Wrong objects that have a declared name (`conflicting`) get a helper name of role OLD.
    2. An object is renamed once its new name is free.
    3. Where each new name is still in use, the objects swap names: one of them gets a temporary helper name first.
    """
    pending = dict(pairs)
    statements = [
        rename(name, helper_name(HelperRole.OLD, table.name, name)) for name in conflicting if name not in pending
    ]
    while pending:
        before = next((before for before, after in pending.items() if after not in pending), None)
        if before is not None:
            statements.append(rename(before, pending.pop(before)))
            continue
        before, after = pending.popitem()
        temporary = helper_name(HelperRole.NEW, table.name, after)
        statements.append(rename(before, temporary))
        pending[temporary] = after
    return tuple(statements)
