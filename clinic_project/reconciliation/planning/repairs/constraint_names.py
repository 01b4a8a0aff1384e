"""Names of a table's constraints. Keys, rules and, from PostgreSQL 18 on, NOT NULLs share them, so any may have another's.

https://www.postgresql.org/docs/current/catalog-pg-constraint.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ...comparison.differences import Difference, Kind
from ...schema.model import Constraint, Table, helper_name, identifier
from ..builder import Draft
from ..plan import Lock, Phase, Refusal, Repair, Step
from .renames import constraint_renamed, renames
from .replica_identity import handed_over

_OF_CONSTRAINTS = (Kind.COLUMN_NOT_NULL_NAME, Kind.CONSTRAINT_NAME)
_MAKING = (Kind.CONSTRAINT_MISSING, Kind.CONSTRAINT_DEFINITION)

#: Of pg_constraint.contype, foreign keys and checks: no index of a key goes with their names.
_RULES = "fc"


def let_step_aside(draft: Draft, table: Table, items: Sequence[Difference]) -> tuple[Table, list[Difference]]:
    """Let wrong constraints step aside, to be dropped later, where another than what replaces them wants their names.

    Returns the table and the differences as they are then. Cut off there, the next run knows them by their helper names.
    """
    aside = {name: helper_name("old", table.name, name) for name in dict.fromkeys(_in_others_way(table, items))}
    if not aside:
        return table, list(items)
    statements = tuple(constraint_renamed(table, before, after) for before, after in aside.items())
    reason = f"let {', '.join(aside)} step aside, since others are to have these names"
    step = Step(statements, table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))
    draft.repairs.append(Repair(Phase.NAMES, table.name, tuple(aside), (step,)))
    constraints = tuple(replace(c, name=aside.get(c.name, c.name)) for c in table.constraints)
    return replace(table, constraints=constraints), [_after_it_stepped_aside(item, aside) for item in items]


def _in_others_way(table: Table, items: Sequence[Difference]) -> Iterator[str]:
    wishes = [(item, _names(item)[1]) for item in items if item.kind in (*_OF_CONSTRAINTS, *_MAKING)]
    moving = {_names(item)[0] for item in items if item.kind in _OF_CONSTRAINTS}
    going = {item.holder.name for item in items if item.kind in _MAKING and _replaces(item)}
    for item, name in wishes:
        found = table.constraint(name)
        if found is None or found.kind not in _RULES or name in moving:
            continue
        is_its_own = _replaces(item) and item.holder.name == name
        # One that has the name goes, even if another contradicts the declared one and goes as well.
        if not is_its_own and (name in going or (_replaces(item) and found.kind == item.wanted.kind)):
            yield name


def _replaces(item: Difference) -> bool:
    """Whether the repair drops the rule that is in the way."""
    holder = item.holder
    return isinstance(holder, Constraint) and holder.kind in _RULES and holder.kind == getattr(item.wanted, "kind", "")


def _after_it_stepped_aside(item: Difference, aside: Mapping[str, str]) -> Difference:
    if not isinstance(item.holder, Constraint) or item.holder.name not in aside:
        return item
    if _replaces(item):
        return replace(item, holder=replace(item.holder, name=aside[item.holder.name]))
    kind = Kind.CONSTRAINT_NAME if isinstance(item.found, Constraint) else Kind.CONSTRAINT_MISSING
    return replace(item, kind=kind, holder=None)


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
    """Return the name that a constraint has, if it is there, and the one that it is to have."""
    if item.kind is Kind.COLUMN_NOT_NULL_NAME:
        return item.found.not_null_name, item.wanted.not_null_name
    return getattr(item.found, "name", ""), item.name


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
