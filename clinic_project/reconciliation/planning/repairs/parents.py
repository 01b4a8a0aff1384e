"""Parent tables that aren't declared: which conditions of the foreign keys that point to them can't be met."""

from collections.abc import Iterator

from ...comparison.differences import Differences
from ...schema.model import Schema
from .. import refusals
from ..dependencies import has_key, table_exists
from ..plan import Condition, ConditionKind, Note, NoteCode, Refusal


def unmet_parent_conditions(differences: Differences) -> Iterator[tuple[Refusal | Note, Condition]]:
    """Yield each condition that can't be met, after its root cause."""
    declared = differences.declared
    for parent, columns in sorted(_parents(declared)):
        if parent in declared.rejected and parent not in differences.actual.tables:
            continue  # refused by itself
        yield from _unmet_conditions(differences.actual, parent, columns)


def _parents(declared: Schema) -> set[tuple[str, tuple[str, ...]]]:
    keys = [key for table in declared.tables.values() for key in table.constraints]
    return {(k.target[1], k.target_columns) for k in keys if k.target and k.target[1] not in declared.tables}


def _unmet_conditions(
    actual: Schema, parent: str, columns: tuple[str, ...]
) -> Iterator[tuple[Refusal | Note, Condition]]:
    table, name_owner = actual.tables.get(parent), actual.name_owners.get(parent)
    if table is None:
        elsewhere = actual.table_elsewhere(parent, columns)
        if elsewhere is not None:
            yield refusals.found_elsewhere(parent, actual.name, elsewhere), table_exists(parent)
        elif name_owner is not None:
            yield refusals.not_a_table(parent, name_owner), table_exists(parent)
        else:
            yield _missing_parent(parent), table_exists(parent)
        return
    if not table.logged:
        yield refusals.unlogged(table), Condition(ConditionKind.TABLE_IS_LOGGED, parent)
    if not has_key(table, columns):
        unique = Condition(ConditionKind.COLUMNS_ARE_UNIQUE, parent, columns)
        yield refusals.parent_without_key(table, columns), unique


def _missing_parent(parent: str) -> Note:
    text = "expected a table, found none. It isn't one of the reconciled tables: create it, then run migrate again."
    return Note(NoteCode.MISSING_PARENT, parent, parent, text)
