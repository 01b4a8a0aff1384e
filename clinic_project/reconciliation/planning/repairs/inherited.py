"""Columns and constraints that a table inherits: PostgreSQL alters them only together with the table that they come from."""

from collections.abc import Sequence

from ...comparison.differences import (
    ColumnDifference,
    Difference,
    Kind,
    MatchedConstraint,
    MissingColumn,
    WrongConstraint,
)
from ...schema.model import Table

#: Only all partitions of a table together have an identity, or none.
_IDENTITIES = (Kind.KEY_WITHOUT_GENERATOR, Kind.KEY_ALWAYS_GENERATED, Kind.KEY_NOT_ALWAYS_GENERATED)


def inherited_differences(table: Table, items: Sequence[Difference]) -> list[Difference]:
    """Return those of a table's differences that can't be settled in it, since what has to be altered is inherited.

    https://www.postgresql.org/docs/current/ddl-inherit.html
    """
    return [item for item in items if _is_inherited(table, item)] if table.parents else []


def _is_inherited(table: Table, item: Difference) -> bool:
    if isinstance(item, MissingColumn):
        # It may be one that has to be renamed; and a partition has no columns of its own.
        return table.is_partition or any(table.columns[name].inherited for name in item.candidates)
    if isinstance(item, ColumnDifference):
        return _is_column_inherited(table, item)
    if isinstance(item, WrongConstraint):
        return item.conflicting.inherited
    return isinstance(item, MatchedConstraint) and item.kind is Kind.CONSTRAINT_NAME and item.actual.inherited


def _is_column_inherited(table: Table, item: ColumnDifference) -> bool:
    if item.kind is Kind.COLUMN_TYPE:
        return item.actual.inherited
    if item.kind is Kind.COLUMN_NOT_NULL:
        return item.actual.not_null_inherited
    return table.is_partition and item.kind in _IDENTITIES
