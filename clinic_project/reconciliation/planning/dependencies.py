"""The conditions that settling a difference requires, and those that it provides."""

from collections.abc import Iterator

from ..comparison.differences import (
    ColumnDifference,
    ConstraintDifference,
    Difference,
    FunctionDifference,
    IndexDifference,
    Kind,
    MatchedConstraint,
    MatchedIndex,
    RejectedFunction,
    RejectedTable,
    TriggerDifference,
)
from ..schema.model import Constraint, ConstraintKind, Index, Schema, Table, relation_key, unquoted
from .plan import Condition, ConditionKind

_TABLE_CONDITIONS = {
    Kind.TABLE_MISSING: ConditionKind.TABLE_EXISTS,
    Kind.TABLE_NOT_A_TABLE: ConditionKind.TABLE_EXISTS,
    Kind.TABLE_REJECTED: ConditionKind.TABLE_EXISTS,
    Kind.TABLE_UNLOGGED: ConditionKind.TABLE_IS_LOGGED,
}
_COLUMN_CONDITIONS = {
    Kind.COLUMN_MISSING: (ConditionKind.COLUMN_EXISTS, ConditionKind.COLUMN_IS_NOT_NULL),
    Kind.COLUMN_TYPE: (ConditionKind.COLUMN_EXISTS,),
    Kind.COLUMN_NULLABLE: (ConditionKind.COLUMN_IS_NOT_NULL,),
    Kind.COLUMN_NOT_NULL_UNVALIDATED: (ConditionKind.COLUMN_IS_NOT_NULL,),
}
_KEY_CREATING_KINDS = (Kind.CONSTRAINT_MISSING, Kind.CONSTRAINT_DEFINITION, Kind.KEY_INDEX_INVALID)


def provided_by(item: Difference) -> frozenset[Condition]:
    """Return the conditions that are met once the difference is settled."""
    if isinstance(item, RejectedTable) and item.exists:
        return frozenset()
    if item.kind in _TABLE_CONDITIONS:
        return frozenset({Condition(_TABLE_CONDITIONS[item.kind], item.table)})
    if item.kind in _COLUMN_CONDITIONS:
        return frozenset(Condition(kind, item.table, (item.name,)) for kind in _COLUMN_CONDITIONS[item.kind])
    if isinstance(item, FunctionDifference | RejectedFunction):
        return frozenset() if item.can_be_called else frozenset({function_exists(item.name)})
    return frozenset(_provided_by_constraint(item) if isinstance(item, ConstraintDifference) else _freed_by(item))


def _provided_by_constraint(item: ConstraintDifference) -> Iterator[Condition]:
    if item.kind in _KEY_CREATING_KINDS and item.declared.kind.can_be_referenced:
        yield Condition(ConditionKind.COLUMNS_ARE_UNIQUE, item.table, item.declared.columns)
        yield from _outside_primary_key(item)
    elif item.kind is Kind.CONSTRAINT_UNVALIDATED:
        yield Condition(ConditionKind.CONSTRAINT_IS_VALIDATED, item.table, (item.name,))
    else:
        yield from _freed_by(item)


def _freed_by(item: Difference) -> Iterator[Condition]:
    if isinstance(item, MatchedIndex) and item.kind is Kind.INDEX_NAME:
        yield name_is_free(item.table, item.actual.name)
    if isinstance(item, MatchedConstraint) and item.kind is Kind.CONSTRAINT_NAME and item.actual.index is not None:
        yield name_is_free(item.table, item.actual.name)


def _outside_primary_key(item: ConstraintDifference) -> Iterator[Condition]:
    """Yield that the columns of the primary key that is replaced are outside of it: only then may they be NULL."""
    if item.conflicting is not None and item.conflicting.kind is ConstraintKind.PRIMARY_KEY:
        for column in item.conflicting.columns:
            yield Condition(ConditionKind.COLUMN_IS_OUTSIDE_PRIMARY_KEY, item.table, (column,))


def required_by(item: Difference, actual: Schema) -> frozenset[Condition]:
    """Return the conditions that must be met before the difference can be settled."""
    if isinstance(item, ColumnDifference) and item.kind not in (Kind.COLUMN_TYPE, Kind.COLUMN_NOT_NULL_NAME):
        return _required_by_column(item)
    if isinstance(item, IndexDifference) and item.kind is not Kind.INDEX_PARAMETERS:
        return _required_by_index(item)
    if isinstance(item, ConstraintDifference) and item.kind is not Kind.CONSTRAINT_DEFERRABILITY:
        return _required_by_constraint(item, actual)
    if isinstance(item, TriggerDifference) and item.kind in (Kind.TRIGGER_MISSING, Kind.TRIGGER_DEFINITION):
        return frozenset({function_exists(item.declared.function), *columns_exist(item.table, item.declared.columns)})
    return frozenset()


def _required_by_column(item: ColumnDifference) -> frozenset[Condition]:
    kinds = [ConditionKind.COLUMN_EXISTS]
    if item.kind is Kind.KEY_WITHOUT_GENERATOR:
        kinds.append(ConditionKind.COLUMN_IS_NOT_NULL)
    if item.kind is Kind.COLUMN_NOT_NULL:
        kinds.append(ConditionKind.COLUMN_IS_OUTSIDE_PRIMARY_KEY)
    return frozenset(Condition(kind, item.table, (item.name,)) for kind in kinds)


def _required_by_index(item: IndexDifference) -> frozenset[Condition]:
    columns = () if item.kind is Kind.INDEX_NAME else item.declared.columns
    return frozenset({name_is_free(item.table, item.name), *columns_exist(item.table, columns)})


def _required_by_constraint(item: ConstraintDifference, actual: Schema) -> frozenset[Condition]:
    required = frozenset() if item.declared.index is None else frozenset({name_is_free(item.table, item.name)})
    if item.kind is Kind.CONSTRAINT_NAME:
        return required
    required |= required_for_constraint(item.table, item.declared, actual)
    if item.declared.target is not None:
        # Validating it reads the parent's rows, and takes hidden ones for missing.
        required |= {rows_are_visible(item.declared.target[1])}
    if item.kind is Kind.CONSTRAINT_DEFINITION:
        # Until then, the constraint that it replaces rejects wrong rows.
        required |= {Condition(ConditionKind.CONSTRAINT_IS_VALIDATED, item.table, (item.name,))}
    return required


def required_for_constraint(table: str, declared: Constraint, actual: Schema) -> frozenset[Condition]:
    """Return the conditions that must be met before the constraint `declared` can be added to `table`."""
    required = set(columns_exist(table, declared.columns))
    if declared.kind is ConstraintKind.PRIMARY_KEY:
        required |= {Condition(ConditionKind.COLUMN_IS_NOT_NULL, table, (column,)) for column in declared.columns}
    if declared.target is not None:
        required.update(_required_of_parent(table, declared, declared.target[1], actual))
    return frozenset(required)


def _required_of_parent(table: str, declared: Constraint, parent: str, actual: Schema) -> Iterator[Condition]:
    yield from columns_exist(parent, declared.target_columns)
    if not has_key(actual.tables.get(parent), declared.target_columns):
        yield Condition(ConditionKind.COLUMNS_ARE_UNIQUE, parent, declared.target_columns)
    if parent != table:
        yield table_exists(parent)
        # Only an UNLOGGED table can reference an UNLOGGED one.
        if table not in actual.tables or actual.tables[table].logged:
            yield Condition(ConditionKind.TABLE_IS_LOGGED, parent)


def has_key(table: Table | None, columns: tuple[str, ...]) -> bool:
    """Whether a foreign key may point to the columns: https://www.postgresql.org/docs/current/ddl-constraints.html"""
    return table is not None and any(
        index.valid
        and index.unique
        and index.predicate is None
        and not _is_deferrable(table, index)
        and {unquoted(key) for key in index.keys} == set(columns)
        for index in table.indexes
    )


def _is_deferrable(table: Table, index: Index) -> bool:
    constraint = table.constraint(index.constraint) if index.constraint is not None else None
    return constraint is not None and constraint.deferrable


# Conditions by name


def rows_are_visible(table: str) -> Condition:
    return Condition(ConditionKind.ROWS_ARE_VISIBLE, table)


def table_exists(table: str) -> Condition:
    return Condition(ConditionKind.TABLE_EXISTS, table)


def function_exists(key: str) -> Condition:
    return Condition(ConditionKind.FUNCTION_EXISTS, "", (key,))


def columns_exist(table: str, columns: tuple[str, ...]) -> Iterator[Condition]:
    return (Condition(ConditionKind.COLUMN_EXISTS, table, (column,)) for column in columns)


def name_is_free(table: str, name: str) -> Condition:
    """Return the condition that no relation of the table's schema has the name, as a new index requires."""
    return Condition(ConditionKind.NAME_IS_FREE, "", (relation_key(table, name),))
