"""A table's replica identity: the index by which logical replication tells subscribers which row was changed.

Without that index the table has no replica identity, and every UPDATE and DELETE of a published table fails. So the index
that replaces it becomes the replica identity in the transaction that renames it, if it can be one; else it is refused.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY
"""

from collections.abc import Iterable, Sequence

from ...comparison.differences import (
    ConstraintDifference,
    Difference,
    IndexDifference,
    Kind,
    Leftover,
    MatchedConstraint,
    MatchedIndex,
)
from ...schema.model import Constraint, ConstraintKind, Index, Table, identifier
from ..plan import Phase, Repair
from .steps import alter_table

#: Differences whose repair drops the conflicting object, unless the same plan renames it.
_DROPPING_KINDS = (
    Kind.INDEX_NAME,
    Kind.INDEX_INVALID,
    Kind.INDEX_DEFINITION,
    Kind.CONSTRAINT_NAME,
    Kind.CONSTRAINT_DEFINITION,
)


def identify_rows_by_key(table: Table) -> Repair:
    """Make the primary key the replica identity, before any backfill, which would fail."""
    step = alter_table(table, "make the primary key the replica identity", "REPLICA IDENTITY DEFAULT")
    return Repair(Phase.COLUMNS, table.name, (table.name,), (step,))


def replica_identity_losses(table: Table, items: Sequence[Difference]) -> list[Difference]:
    """Return the differences whose repair would leave the table without a replica identity."""
    return [item for item in items if _is_lost(table, item, items)]


def replica_identity_clauses(items: Iterable[IndexDifference | ConstraintDifference]) -> list[str]:
    """Return the clauses of ALTER TABLE that make declared indexes the replica identity, where they replace the one that is.

    They are for after the renaming: they have the declared names.
    """
    replacing = [item for item in items if _is_replica_identity(item.conflicting)]
    return [f"REPLICA IDENTITY USING INDEX {identifier(item.name)}" for item in replacing]


def _is_lost(table: Table, item: Difference, items: Sequence[Difference]) -> bool:
    if isinstance(item, Leftover):
        return _is_replica_identity(item.actual)
    if not isinstance(item, IndexDifference | ConstraintDifference) or item.kind not in _DROPPING_KINDS:
        return False
    conflicting = item.conflicting
    if conflicting is None or not _is_replica_identity(conflicting):
        return False
    return not _is_renamed(conflicting, items) and not _can_be_replica_identity(table, item.declared)


def _is_replica_identity(conflicting: Index | Constraint | None) -> bool:
    index = conflicting.index if isinstance(conflicting, Constraint) else conflicting
    return index is not None and index.replica_identity


def _is_renamed(conflicting: Index | Constraint, items: Sequence[Difference]) -> bool:
    return any(
        isinstance(item, MatchedIndex | MatchedConstraint)
        and item.kind in (Kind.INDEX_NAME, Kind.CONSTRAINT_NAME)
        and item.actual.name == conflicting.name
        for item in items
    )


def _can_be_replica_identity(table: Table, declared: Index | Constraint) -> bool:
    """Whether it is unique, not deferrable, not partial, and on columns that are NOT NULL."""
    index = declared.index if isinstance(declared, Constraint) else declared
    if index is None or not index.unique or index.predicate is not None:
        return False
    if isinstance(declared, Constraint) and (declared.deferrable or declared.kind is ConstraintKind.EXCLUSION):
        return False
    mandatory = {identifier(column.name) for column in table.columns.values() if column.not_null}
    return all(key in mandatory or identifier(key) in mandatory for key in index.keys)
