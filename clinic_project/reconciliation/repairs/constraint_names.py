"""Names of a table's constraints. Keys, rules and, from PostgreSQL 18 on, NOT NULLs share them, so any may have another's.

https://www.postgresql.org/docs/current/catalog-pg-constraint.html
"""

from collections.abc import Sequence
from functools import partial

from ..differences import Difference, Kind
from ..draft import Draft
from ..plan import Lock, Phase, Refusal, Repair, Step
from ..schema import Table, identifier
from .naming import constraint_renamed, renames
from .replication import handed_over

_OF_CONSTRAINTS = (Kind.COLUMN_NOT_NULL_NAME, Kind.CONSTRAINT_NAME)


def refuse_taken_names(draft: Draft, table: Table, items: Sequence[Difference]) -> list[Difference]:
    """Refuse the names that a constraint of the table keeps, and return the other differences."""
    free = [item for item in items if item.kind in _OF_CONSTRAINTS]
    stuck: list[Difference] = []
    while taken := [item for item in free if _is_taken(table, item, free)]:
        stuck += taken
        free = [item for item in free if item not in taken]
    for item in stuck:
        draft.refuse(_name_taken(table, item), item)
    return [item for item in items if item not in stuck]


def _is_taken(table: Table, item: Difference, renamed: Sequence[Difference]) -> bool:
    before, after = _names(item)
    # Of one that is to make room, or that has stepped aside, the name becomes free.
    if item.holder is not None or table.holder_of_constraint_name(before) is None:
        return False
    return table.holder_of_constraint_name(after) is not None and all(_names(other)[0] != after for other in renamed)


def _names(item: Difference) -> tuple[str, str]:
    if item.kind is Kind.COLUMN_NOT_NULL_NAME:
        return item.found.not_null_name, item.wanted.not_null_name
    return item.found.name, item.name


def _name_taken(table: Table, item: Difference) -> Refusal:
    _, name = _names(item)
    what = "its NOT NULL" if item.kind is Kind.COLUMN_NOT_NULL_NAME else item.expected
    return Refusal(
        "name-taken",
        table.name,
        item.name,
        f"expected {what}, {item.actual}, to be named {name}, found that another constraint of this table"
        f" ({table.holder_of_constraint_name(name)}) has that name.",
        f"Rename that one (ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(name)} TO …), then run migrate"
        " again.",
    )


def rename_constraints(draft: Draft, table: Table, items: Sequence[Difference]) -> None:
    """Give right constraints their declared names, all of a table's at once. Wrong keys of these names go."""
    pairs = [_names(item) for item in items]
    befores = {before for before, _ in pairs}
    heirs = [item for item in items if item.holder is not None and item.holder.name not in befores]
    drops = [f"DROP CONSTRAINT {identifier(item.holder.name)}" for item in heirs]
    statements = (
        *_alter(table, drops),
        *renames(table, pairs, (), partial(constraint_renamed, table)),
        *_alter(table, handed_over(table, heirs)),
    )
    reason = "rename " + ", ".join(f"{before} to {after}" for before, after in pairs)
    step = Step(statements, table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))
    draft.repairs.append(Repair(Phase.KEYS, table.name, tuple(item.name for item in items), (step,)))


def _alter(table: Table, clauses: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"ALTER TABLE {table.sql_name} {clause}" for clause in clauses)
