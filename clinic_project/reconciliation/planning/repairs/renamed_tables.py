"""Missing tables that may only have been renamed, or moved: an undeclared table has what that leaves."""

from collections import defaultdict
from collections.abc import Iterator

from ...comparison.differences import MissingTable
from ...schema.model import Constraint, ConstraintKind, Schema, Table, identifier, relation_name
from .. import refusals
from ..plan import Refusal
from .renames import rename_index


def refusal_if_renamed(item: MissingTable, declared: Schema, actual: Schema) -> Refusal | None:
    """Return the refusal to create the table, if it may exist under another name, or in another schema.

    RENAME leaves the names of a table's indexes, and the foreign keys that point to it; SET SCHEMA leaves the latter.
    """
    if item.declared.schema != actual.name:
        return None  # of another schema, only its declared tables are read
    return _by_primary_key(item, declared, actual) or _by_foreign_key(item, declared, actual)


def _by_primary_key(item: MissingTable, declared: Schema, actual: Schema) -> Refusal | None:
    key = item.declared.primary_key
    owner = actual.name_owners.get(key.name) if key is not None else None
    if key is None or owner is None or owner.table is None or owner.table in declared.tables:
        return None
    undo = f"{rename_index(actual.name, key.name, refusals.free_name(key.name))} gives that index another name"
    return refusals.renamed_table(item.table, actual.name, owner.table, f"has its index {key.name}", undo)


def _by_foreign_key(item: MissingTable, declared: Schema, actual: Schema) -> Refusal | None:
    moved: dict[str, list[tuple[Table, Constraint]]] = defaultdict(list)
    for table, key in _keys_to(item.table, declared, actual):
        assert key.target is not None  # foreign keys have one  # noqa: S101
        schema, target = key.target
        if target in declared.tables:
            continue
        if schema == actual.name:
            undo = f"ALTER TABLE {table.sql_name} DROP CONSTRAINT {identifier(key.name)} drops that"
            found = f"is where the foreign key {table.name}.{key.name} points to"
            return refusals.renamed_table(item.table, actual.name, target, found, undo)
        if relation_name(target) == item.table:
            moved[schema].append((table, key))
    return next((refusals.moved_table(item.table, actual.name, *found) for found in moved.items()), None)


def _keys_to(name: str, declared: Schema, actual: Schema) -> Iterator[tuple[Table, Constraint]]:
    """Yield the existing foreign keys of the columns by which tables are declared to point to the table `name`."""
    for table in declared.tables.values():
        expected = {key.columns for key in table.constraints if key.target and key.target[1] == name}
        existing = actual.tables.get(table.name)
        if existing is not None and expected:
            keys = existing.constraints_of([ConstraintKind.FOREIGN_KEY])
            yield from ((existing, key) for key in keys if key.columns in expected)
