"""Names that an index, or a key, is to have, and that something else has.

All relations of a schema share their names, so that one may be held on another table, or by no index at all. Where its
holder gets its own name by the same plan, it steps aside before anything else is named: under a helper name the next run
knows it for what it is, so it can be cut off there, and chains and circles of any length come apart. Whatever else holds
a name keeps it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...comparison.differences import Difference, Kind
from ...schema.model import Constraint, Index, Relation, helper_name, identifier
from ..builder import Draft
from ..dependencies import free, given_by
from ..plan import Lock, Phase, Refusal, Repair, Step

_OF_INDEXES = (Kind.INDEX_NAME, Kind.INDEX_MISSING, Kind.INDEX_DEFINITION)
_OF_KEYS = (Kind.CONSTRAINT_NAME, Kind.CONSTRAINT_MISSING, Kind.CONSTRAINT_DEFINITION)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A name that a difference wants for an index, who has it, and whether that one is renamed by the same plan."""

    item: Difference
    name: str
    holder: Relation
    mover: Difference | None


def settle_names(draft: Draft, items: Sequence[Difference]) -> list[Difference]:
    """Refuse the names that are somebody else's, let those step aside that move, and return what is left to plan."""
    movers = {item.found.name: item for item in items if _wants_index_name(item) and _is_renamed(item)}
    wishes = [wish for item in items for wish in _wishes(item, draft.actual.holders, movers)]
    stuck = [wish for wish in wishes if _is_held_up(draft, wish) or _refuse(draft, wish)]
    while held := [wish for wish in wishes if wish not in stuck and _is_held_up(draft, wish)]:
        stuck += held
    hopeless = {id(wish.item) for wish in stuck if not _can_do_without(wish)}
    parked = _park(draft, [wish for wish in wishes if wish not in stuck and id(wish.item) not in hopeless])
    lacking = {wish.name for wish in stuck}
    return [_after_parking(_without(item, lacking), parked) for item in items if id(item) not in hopeless]


def _can_do_without(wish: _Wish) -> bool:
    """Whether it is an index that a missing table can be made without: a table without one serves, none at all doesn't."""
    item = wish.item
    return item.kind is Kind.TABLE_MISSING and item.wanted.index(wish.name).constraint is None


def _without(item: Difference, lacking: Collection[str]) -> Difference:
    if item.kind is not Kind.TABLE_MISSING:
        return item
    indexes = tuple(index for index in item.wanted.indexes if index.name not in lacking)
    return replace(item, wanted=replace(item.wanted, indexes=indexes))


def _is_renamed(item: Difference) -> bool:
    return item.kind in (Kind.INDEX_NAME, Kind.CONSTRAINT_NAME)


def _wants_index_name(item: Difference) -> bool:
    return item.kind in _OF_INDEXES or (item.kind in _OF_KEYS and item.wanted.kind in "pux")


def _wishes(item: Difference, holders: Mapping[str, Relation], movers: Mapping[str, Difference]) -> Iterator[_Wish]:
    names: list[str] = []
    if item.kind is Kind.TABLE_MISSING:
        names = [index.name for index in item.wanted.indexes]
    elif _wants_index_name(item):
        names = [item.name]
    for name in names:
        if name in holders:
            yield _Wish(item, name, holders[name], movers.get(name))


def _refuse(draft: Draft, wish: _Wish) -> bool:
    """Refuse a name that won't become free, and return whether it is one."""
    item, holder = wish.item, wish.item.holder
    if wish.mover is not None or _is_to_be_used(item, wish.name):
        return False
    in_the_way = getattr(holder, "name", None) == wish.name and wish.holder.table == item.table
    if in_the_way and (item.kind in _OF_KEYS or not (holder.constraint or holder.needed_by)):
        return False  # the repair replaces it
    refusal = _held_by_needed(wish) if in_the_way else _name_taken(wish)
    if _can_do_without(wish):
        draft.refuse(refusal)
        return True
    draft.refuse(refusal, item)
    if item.kind is Kind.TABLE_MISSING:
        draft.undone.wait(refusal, (item.table, item.table))
    return True


def _is_to_be_used(item: Difference, name: str) -> bool:
    """Whether what has the name is the very index that is declared to be the key's."""
    return item.kind in _OF_KEYS and item.found is not None and item.found.name == name


def _is_held_up(draft: Draft, wish: _Wish) -> bool:
    item = wish.item
    name, gives = (wish.name, frozenset()) if _can_do_without(wish) else (item.name, given_by(item))
    return draft.undone.holds_up_places([(item.table, name)], frozenset({free(wish.name)}), gives)


def _name_taken(wish: _Wish) -> Refusal:
    of = f" of the table {wish.holder.table}" if wish.holder.table else ""
    return Refusal(
        "name-taken",
        wish.item.table,
        wish.name,
        f"expected an index or constraint of this name, found that {wish.holder.described}{of} holds it.",
        f"Rename or drop that one ({identifier(wish.holder.schema, wish.name)}), then run migrate again.",
    )


def _held_by_needed(wish: _Wish) -> Refusal:
    item, constraint = wish.item, wish.item.holder.constraint
    if constraint:
        found = f"the index of the constraint {constraint} ({item.holder.text}), which no model declares"
        table = identifier(wish.holder.schema, item.table)
        rename = f"ALTER TABLE {table} RENAME CONSTRAINT {identifier(constraint)} TO …"
    else:
        found = f"another ({item.holder.text}), without which there can't be: {item.holder.needed_by}"
        rename = f"ALTER INDEX {identifier(wish.holder.schema, item.name)} RENAME TO …"
    return Refusal(
        "name-taken",
        item.table,
        item.name,
        f"expected the index {item.expected}, found {found}.",
        f"Rename or drop it ({rename}), then run migrate again.",
    )


# Stepping aside


def _park(draft: Draft, wishes: Sequence[_Wish]) -> dict[str, str]:
    """Plan that indexes step aside whose name is wanted before they have their own; return their helper names."""
    parked = {}
    for wish in wishes:
        mover = wish.mover
        if mover is None or wish.name in parked or not _must_step_aside(mover, wish.item):
            continue
        parked[wish.name] = helper_name("new", mover.table, mover.name)
        draft.repairs.append(_stepping_aside(mover, parked[wish.name], wish.holder.schema))
    return parked


def _must_step_aside(mover: Difference, item: Difference) -> bool:
    """Whether the name must be free earlier than the mover's own turn comes: a table's are given together, keys' last."""
    later = mover.kind is Kind.CONSTRAINT_NAME and item.kind in _OF_INDEXES
    return mover.table != item.table or later


def _stepping_aside(mover: Difference, helper: str, schema: str) -> Repair:
    before = mover.found.name
    sql = f"ALTER INDEX {identifier(schema, before)} RENAME TO {identifier(helper)}"
    reason = f"rename {before} to {helper}, since another is to have its name"
    step = Step((sql,), mover.table, Lock.SHARE_UPDATE_EXCLUSIVE, reason, relations=(identifier(schema, mover.table),))
    return Repair(Phase.NAMES, mover.table, (mover.name,), (step,), gives=frozenset({free(before)}))


def _after_parking(item: Difference, parked: Mapping[str, str]) -> Difference:
    """Return the difference as it is once the parked ones have stepped aside."""
    if _is_index_or_key(item.found) and item.found.name in parked:
        item = replace(item, found=_renamed(item.found, parked[item.found.name]))
    if _is_index_or_key(item.holder) and item.holder.name in parked:
        kind = Kind.INDEX_MISSING if item.kind is Kind.INDEX_DEFINITION else item.kind
        item = replace(item, kind=kind, holder=None)
    return item


def _is_index_or_key(found: Any) -> bool:
    return isinstance(found, Index) or (isinstance(found, Constraint) and found.index is not None)


def _renamed(found: Any, name: str) -> Any:
    index = getattr(found, "index", None)
    return replace(found, name=name) if index is None else replace(found, name=name, index=replace(index, name=name))
