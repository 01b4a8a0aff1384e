"""A table's replica identity: the index by which logical replication tells subscribers which row was changed.

Where the index goes, the table has none, and every UPDATE and DELETE of a published table fails. So its successor takes
it over in the transaction in which it takes the name, if it can be one; else nothing is replaced.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY
"""

from collections.abc import Iterable, Sequence

from ...comparison.differences import Difference, Kind
from ...schema.model import Constraint, Index, Table, identifier
from ..builder import Draft
from ..plan import Refusal

#: Differences whose holder makes room by being dropped, if it isn't renamed by the same plan.
_DROPPING = (
    Kind.INDEX_NAME,
    Kind.INDEX_INVALID,
    Kind.INDEX_DEFINITION,
    Kind.CONSTRAINT_NAME,
    Kind.CONSTRAINT_DEFINITION,
)


def refuse_losses(draft: Draft, table: Table, items: Sequence[Difference]) -> list[Difference]:
    """Refuse what would leave the table without a replica identity, and return the other differences."""
    losses = [item for item in items if _is_lost(table, item, items)]
    for item in losses:
        draft.refuse(_needed_for_replication(table, item), item)
    return [item for item in items if item not in losses]


def handed_over(table: Table, items: Iterable[Difference]) -> list[str]:
    """Return the clauses of ALTER TABLE by which the indexes of `items` take over from the ones that they replace."""
    heirs = [item for item in items if _is_identity(item.holder)]
    return [f"REPLICA IDENTITY USING INDEX {identifier(item.name)}" for item in heirs]


def _is_lost(table: Table, item: Difference, items: Sequence[Difference]) -> bool:
    if item.kind is Kind.LEFTOVER:
        return _is_identity(item.found)
    if item.kind not in _DROPPING or not _is_identity(item.holder):
        return False
    return not _moves(item.holder, items) and not _can_be_identity(table, item.wanted)


def _is_identity(found: object) -> bool:
    index = found.index if isinstance(found, Constraint) else found
    return isinstance(index, Index) and index.replica_identity


def _moves(holder: Index | Constraint, items: Sequence[Difference]) -> bool:
    renamed = [item.found.name for item in items if item.kind in (Kind.INDEX_NAME, Kind.CONSTRAINT_NAME)]
    return holder.name in renamed


def _can_be_identity(table: Table, wanted: Index | Constraint) -> bool:
    """Whether it is unique at once, for all rows, and of columns that are NOT NULL."""
    index = wanted.index if isinstance(wanted, Constraint) else wanted
    if index is None or not index.unique or index.predicate is not None:
        return False
    if isinstance(wanted, Constraint) and (wanted.deferrable or wanted.kind == "x"):
        return False
    mandatory = {identifier(column.name) for column in table.columns.values() if column.not_null}
    return all(key in mandatory or identifier(key) in mandatory for key in index.keys)


def _needed_for_replication(table: Table, item: Difference) -> Refusal:
    return Refusal(
        "replica-identity",
        table.name,
        item.name,
        f"expected {item.expected}, found {item.actual}, which is the table's replica identity. What is declared can't be"
        " that, and without one a publisher refuses to UPDATE and DELETE.",
        f"Let another be (ALTER TABLE {table.sql_name} REPLICA IDENTITY DEFAULT takes the primary key), then run migrate"
        " again.",
    )
