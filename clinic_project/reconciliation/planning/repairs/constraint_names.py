"""Names of a table's constraints. All kinds share them, from PostgreSQL 18 on NOT NULL as well, so any may have another's.

https://www.postgresql.org/docs/current/catalog-pg-constraint.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ...comparison.differences import (
    ColumnDifference,
    ConstraintDifference,
    Difference,
    Kind,
    MatchedConstraint,
    MissingConstraint,
    WrongConstraint,
)
from ...schema.model import HelperRole, Table, helper_name
from .. import refusals
from ..plan import Lock, Phase, Plan, Refusal, Repair, Step, plan_of
from .renames import rename_constraint, renames
from .replica_identity import handed_over
from .steps import alterations, drop_constraint

_RENAMING = (Kind.COLUMN_NOT_NULL_NAME, Kind.CONSTRAINT_NAME)


@dataclass(frozen=True, slots=True)
class _NameRequest:
    """A difference, the name that its constraint has now, if it is there, and the one that it is to have."""

    item: Difference
    before: str
    after: str

    @classmethod
    def of(cls, item: Difference) -> "_NameRequest | None":
        if isinstance(item, ColumnDifference) and item.kind is Kind.COLUMN_NOT_NULL_NAME:
            return cls(item, item.actual.not_null_name or "", item.declared.not_null_name or "")
        if isinstance(item, MatchedConstraint) and item.kind is Kind.CONSTRAINT_NAME:
            return cls(item, item.actual.name, item.name)
        if isinstance(item, MissingConstraint | WrongConstraint):
            return cls(item, "", item.name)
        return None

    @property
    def is_renaming(self) -> bool:
        return self.item.kind in _RENAMING


def _requests(items: Sequence[Difference]) -> list[_NameRequest]:
    return [request for item in items if (request := _NameRequest.of(item)) is not None]


# Temporary renames


@dataclass(frozen=True, slots=True)
class TemporaryRenames:
    """What is planned to free names, and the table and its differences as they are then."""

    plan: Plan
    table: Table
    items: list[Difference]


def rename_temporarily(table: Table, items: Sequence[Difference]) -> TemporaryRenames:
    """Rename wrong foreign keys and checks, to be dropped later, where another than what replaces them is to have the name.

    Cut off there, the next run knows them by their helper names.
    """
    before_and_after = {
        name: helper_name(HelperRole.OLD, table.name, name)
        for name in dict.fromkeys(_names_to_free(table, _requests(items)))
    }
    if not before_and_after:
        return TemporaryRenames(Plan(), table, list(items))
    statements = tuple(rename_constraint(table, before, after) for before, after in before_and_after.items())
    reason = f"rename {', '.join(before_and_after)} temporarily, since others are to have these names"
    step = Step(statements, table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))
    constraints = tuple(replace(c, name=before_and_after.get(c.name, c.name)) for c in table.constraints)
    return TemporaryRenames(
        plan_of(Repair(Phase.NAMES, table.name, tuple(before_and_after), (step,))),
        replace(table, constraints=constraints),
        [_after_renames(item, before_and_after) for item in items],
    )


def _names_to_free(table: Table, requests: Sequence[_NameRequest]) -> Iterator[str]:
    renamed = {request.before for request in requests if request.is_renaming}
    dropped = {name for request in requests if (name := _replaced_name(request.item)) is not None}
    for request in requests:
        owner = table.constraint(request.after)
        if owner is None or owner.kind.is_key or owner.name in renamed:
            continue
        replaced = _replaced_name(request.item)
        # One that has the name is dropped, even if another contradicts the declared one and is dropped as well.
        has_its_kind = isinstance(request.item, ConstraintDifference) and owner.kind is request.item.declared.kind
        if replaced != owner.name and (owner.name in dropped or (replaced is not None and has_its_kind)):
            yield owner.name


def _replaced_name(item: Difference) -> str | None:
    """Return the name of the foreign key or check that the repair drops, if it does."""
    if not isinstance(item, MissingConstraint | WrongConstraint) or item.conflicting is None:
        return None
    conflicting = item.conflicting
    replaces = conflicting.kind is item.declared.kind and conflicting.kind.can_be_not_valid
    return conflicting.name if replaces else None


def _after_renames(item: Difference, before_and_after: Mapping[str, str]) -> Difference:
    if not isinstance(item, ConstraintDifference) or item.conflicting is None:
        return item
    after = before_and_after.get(item.conflicting.name)
    if after is None:
        return item
    if _replaced_name(item) is not None:
        return replace(item, conflicting=replace(item.conflicting, name=after))
    return _without_conflict(item)


def _without_conflict(item: ConstraintDifference) -> Difference:
    if not isinstance(item, WrongConstraint):
        return replace(item, conflicting=None)
    texts = item.name, item.declared_text, item.actual_text
    if item.actual is not None:
        return MatchedConstraint(item.table, Kind.CONSTRAINT_NAME, *texts, item.declared, None, item.actual)
    return MissingConstraint(item.table, Kind.CONSTRAINT_MISSING, *texts, item.declared, None, item.usable_index)


# Names that can't be had


def refused_names(table: Table, items: Sequence[Difference]) -> list[tuple[Refusal, Difference]]:
    """Refuse the names that another constraint of the table keeps."""
    possible = [request for request in _requests(items) if request.is_renaming]
    refused: list[_NameRequest] = []
    while taken := [request for request in possible if _is_taken(table, request, possible)]:
        refused += taken
        possible = [request for request in possible if request not in taken]
    return [(_name_taken(table, request), request.item) for request in refused]


def _is_taken(table: Table, request: _NameRequest, renamed: Sequence[_NameRequest]) -> bool:
    # The name of one that is to make room, or that was renamed temporarily, becomes free.
    makes_room = isinstance(request.item, ConstraintDifference) and request.item.conflicting is not None
    if makes_room or table.constraint_name_owner(request.before) is None:
        return False
    owned = table.constraint_name_owner(request.after) is not None
    return owned and all(other.before != request.after for other in renamed)


def _name_taken(table: Table, request: _NameRequest) -> Refusal:
    item = request.item
    what = "its NOT NULL" if item.kind is Kind.COLUMN_NOT_NULL_NAME else item.declared_text
    return refusals.constraint_name_taken(table, item, what, request.after)


# Names that are given


def rename_constraints(table: Table, items: Sequence[Difference]) -> Plan:
    """Give right constraints their declared names, all of a table's at once. Wrong keys of these names are dropped."""
    pairs = [(request.before, request.after) for request in _requests(items)]
    befores = {before for before, _ in pairs}
    replacing = [
        item
        for item in items
        if isinstance(item, ConstraintDifference)
        and item.conflicting is not None
        and item.conflicting.name not in befores
    ]
    drops = [drop_constraint(item.conflicting.name) for item in replacing if item.conflicting is not None]
    statements = (
        *alterations(table, drops),
        *renames(table, pairs, (), partial(rename_constraint, table)),
        *alterations(table, handed_over(replacing)),
    )
    reason = "rename " + ", ".join(f"{before} to {after}" for before, after in pairs)
    step = Step(statements, table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))
    return plan_of(Repair(Phase.KEYS, table.name, tuple(item.name for item in items), (step,)))
