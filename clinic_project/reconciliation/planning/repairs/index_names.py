"""Names of declared indexes and keys that something else owns.

All relations of a schema share one set of names, so the owner may be an index of another table, or no index at all. If the
same plan renames the owner, it gets a helper name before any object gets its declared name: that frees the name in chains
and circles of any length, and the next run recognises the owner if this one is interrupted. Otherwise the name is refused,
unless its owner is the wrong index that the repair replaces.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from ...comparison.differences import (
    ConstraintDifference,
    Difference,
    IndexDifference,
    Kind,
    MatchedConstraint,
    MatchedIndex,
    MissingConstraint,
    MissingTable,
    WrongConstraint,
)
from ...schema.model import (
    Constraint,
    HelperRole,
    Index,
    ObjectReference,
    Relation,
    Schema,
    helper_name,
    relation_key,
    table_sql_name,
)
from .. import refusals
from ..blockers import Blockers
from ..dependencies import name_is_free, provided_by
from ..plan import Condition, Lock, Phase, Plan, Refusal, Repair, Step
from .renames import rename_index

#: A difference by which an index, or a key with its own, gets another name.
_Renamed = MatchedIndex | MatchedConstraint


@dataclass(frozen=True, slots=True, eq=False)
class _NameRequest:
    """A difference, the name that it requests for an index, the owner of that name in the table's schema, and the difference
    that renames the owner, if there is one.
    """

    item: Difference
    name: str
    owner: Relation
    renamed: _Renamed | None

    @property
    def key(self) -> str:
        """The name, unlike the same name in another schema."""
        return relation_key(self.item.table, self.name)

    @property
    def can_be_left_out(self) -> bool:
        """Whether it is for an index without which a missing table can be created. It can't be without a key."""
        if not isinstance(self.item, MissingTable):
            return False
        index = self.item.declared.index(self.name)
        return index is not None and index.constraint is None

    @property
    def requires(self) -> frozenset[Condition]:
        return frozenset({name_is_free(self.item.table, self.name)})

    def block(self, blockers: Blockers) -> Blockers:
        """Record that it is blocked by the causes that prevent the name from becoming free."""
        causes = blockers.blocked_by(self.requires)
        if self.can_be_left_out:
            return blockers.block_dependents(causes, [ObjectReference(self.item.table, self.name)])
        reference = ObjectReference(self.item.table, self.item.name)
        return blockers.block_dependents(causes, [reference], provided_by(self.item))


@dataclass(frozen=True, slots=True)
class SettledNames:
    """The differences that can still be planned, as they are after the renames of `plan`; `plan` has the refusals, too."""

    items: list[Difference]
    plan: Plan
    blockers: Blockers


def settle_index_names(items: Sequence[Difference], actual: Schema, blockers: Blockers) -> SettledNames:
    """Refuse the names that won't become free, and rename the owners temporarily that the plan renames anyway."""
    requests = _requests(items, actual.name_owners)
    refused: list[Refusal] = []
    denied: list[_NameRequest] = []
    for request in requests:
        if not blockers.blocked_by(request.requires) and (refusal := _refusal(request)) is not None:
            refused.append(refusal)
            denied.append(request)
            blockers = _block_refused(blockers, request, refusal)
    while blocked := [r for r in requests if r not in denied and blockers.blocked_by(r.requires)]:
        for request in blocked:
            blockers = request.block(blockers)
        denied += blocked
    unplannable = {id(request.item) for request in denied if not request.can_be_left_out}
    renames = _temporary_renames([r for r in requests if r not in denied and id(r.item) not in unplannable])
    helpers = {before: helper for before, (_, helper) in renames.items()}
    names_left_out = {request.key for request in denied}
    plannable = [_without_indexes(item, names_left_out) for item in items if id(item) not in unplannable]
    return SettledNames(
        [_after_renames(item, helpers) for item in plannable],
        Plan(tuple(_temporary_rename(request, helper) for request, helper in renames.values()), tuple(refused)),
        blockers,
    )


def _block_refused(blockers: Blockers, request: _NameRequest, refusal: Refusal) -> Blockers:
    if request.can_be_left_out:
        return blockers
    blockers = blockers.block(refusal, provided_by(request.item))
    if isinstance(request.item, MissingTable):
        blockers = blockers.block_dependents([refusal], [ObjectReference(request.item.table, request.item.table)])
    return blockers


# Requests


def _requests(items: Sequence[Difference], owners: Mapping[str, Relation]) -> list[_NameRequest]:
    renamed = {relation_key(item.table, item.actual.name): item for item in items if _is_renamed(item)}
    return [
        _NameRequest(item, name, owners[key], renamed.get(key))
        for item in items
        for name in _declared_names(item)
        if (key := relation_key(item.table, name)) in owners
    ]


def _is_renamed(item: Difference) -> TypeGuard[_Renamed]:
    if isinstance(item, MatchedIndex):
        return item.kind is Kind.INDEX_NAME
    return isinstance(item, MatchedConstraint) and item.kind is Kind.CONSTRAINT_NAME and item.declared.kind.is_key


def _declared_names(item: Difference) -> Iterator[str]:
    """Yield the names that it requests for indexes."""
    if isinstance(item, MissingTable):
        yield from (index.name for index in item.declared.indexes)
    elif _is_renamed(item) or _creates_index(item):
        yield item.name


def _creates_index(item: Difference) -> bool:
    # An INVALID index is rebuilt under its own name.
    if isinstance(item, MissingConstraint | WrongConstraint):
        return item.declared.kind.is_key
    return item.kind in (Kind.INDEX_MISSING, Kind.INDEX_DEFINITION)


# Refused names


def _refusal(request: _NameRequest) -> Refusal | None:
    """Return the refusal for a name that won't become free; None where it will."""
    item = request.item
    if request.renamed is not None or _is_usable_index(item, request.name):
        return None
    if not _is_conflicting(request):
        return refusals.index_name_taken(item.table, request.name, request.owner)
    if isinstance(item, IndexDifference) and _is_in_use(item.conflicting):
        return refusals.index_in_use(item, request.owner.schema)
    return None  # the repair replaces it


def _is_usable_index(item: Difference, name: str) -> bool:
    """Whether the name is that of the index which the key uses."""
    if isinstance(item, WrongConstraint | MatchedConstraint) and item.actual is not None and item.actual.name == name:
        return True
    usable = item.usable_index if isinstance(item, MissingConstraint | WrongConstraint) else None
    return usable is not None and usable.name == name


def _is_conflicting(request: _NameRequest) -> bool:
    item = request.item
    conflicting = item.conflicting if isinstance(item, IndexDifference | ConstraintDifference) else None
    return conflicting is not None and conflicting.name == request.name and request.owner.table == item.table


def _is_in_use(index: Index | None) -> bool:
    return index is not None and bool(index.constraint or index.needed_by)


def _without_indexes(item: Difference, names: set[str]) -> Difference:
    if not isinstance(item, MissingTable):
        return item
    indexes = tuple(i for i in item.declared.indexes if relation_key(item.table, i.name) not in names)
    return replace(item, declared=replace(item.declared, indexes=indexes))


# Temporary renames


def _temporary_renames(requests: Sequence[_NameRequest]) -> dict[str, tuple[_NameRequest, str]]:
    """Return the indexes whose names are requested before they are renamed: by these names, a request and a helper name."""
    renames: dict[str, tuple[_NameRequest, str]] = {}
    for request in requests:
        renamed = request.renamed
        if renamed is not None and request.key not in renames and _is_renamed_too_late(renamed, request.item):
            renames[request.key] = request, helper_name(HelperRole.NEW, renamed.table, renamed.name)
    return renames


def _is_renamed_too_late(renamed: _Renamed, item: Difference) -> bool:
    """Whether the name must be free before its owner is renamed: a table's indexes are renamed together, its keys later."""
    is_key_of_index = isinstance(renamed, MatchedConstraint) and isinstance(item, IndexDifference)
    return renamed.table != item.table or is_key_of_index


def _temporary_rename(request: _NameRequest, helper: str) -> Repair:
    renamed, schema = request.renamed, request.owner.schema
    assert renamed is not None  # only then has it a helper name  # noqa: S101
    before = renamed.actual.name
    step = Step(
        (rename_index(schema, before, helper),),
        renamed.table,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        f"rename {before} to {helper} temporarily, to free the name for a declared index",
        relations=(table_sql_name(schema, renamed.table),),
    )
    provides = frozenset({name_is_free(renamed.table, before)})
    return Repair(Phase.NAMES, renamed.table, (renamed.name,), (step,), provides=provides)


def _after_renames(item: Difference, helpers: Mapping[str, str]) -> Difference:
    """Return the difference as it is once the indexes have their helper names."""
    item = _with_helper_names(item, helpers)
    if isinstance(item, IndexDifference | ConstraintDifference) and _has_helper_name(item, helpers):
        return item.without_conflict()
    return item


def _with_helper_names(item: Difference, helpers: Mapping[str, str]) -> Difference:
    if isinstance(item, MatchedIndex):
        return replace(item, actual=_renamed_index(item.table, item.actual, helpers))
    if isinstance(item, MatchedConstraint) and item.actual.index is not None:
        index = _renamed_index(item.table, item.actual.index, helpers)
        return replace(item, actual=replace(item.actual, name=index.name, index=index))
    if isinstance(item, MissingConstraint) and item.usable_index is not None:
        return replace(item, usable_index=_renamed_index(item.table, item.usable_index, helpers))
    return item


def _renamed_index(table: str, index: Index, helpers: Mapping[str, str]) -> Index:
    return replace(index, name=helpers.get(relation_key(table, index.name), index.name))


def _has_helper_name(item: IndexDifference | ConstraintDifference, helpers: Mapping[str, str]) -> bool:
    """Whether the conflicting index, or key, has one now."""
    conflicting = item.conflicting
    if conflicting is None or (isinstance(conflicting, Constraint) and conflicting.index is None):
        return False
    return relation_key(item.table, conflicting.name) in helpers
