"""Names of a table's constraints: each is one constraint's, of any kind, and since PostgreSQL 18 a NOT NULL's as well.

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
from .renames import rename_constraint, rename_statements
from .replica_identity import replica_identity_clauses
from .steps import alterations, drop_constraint

_RENAMING_KINDS = (Kind.COLUMN_NOT_NULL_NAME, Kind.CONSTRAINT_NAME)


@dataclass(frozen=True, slots=True)
class _NameRequest:
    """A difference, the present name of its constraint, "" if it doesn't exist, and the declared name."""

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
        return self.item.kind in _RENAMING_KINDS


def _requests(items: Sequence[Difference]) -> list[_NameRequest]:
    return [request for item in items if (request := _NameRequest.of(item)) is not None]


# Temporary renames


@dataclass(frozen=True, slots=True)
class TemporaryRenames:
    """The plan that frees names, and the table and its differences as they are after it."""

    plan: Plan
    table: Table
    items: list[Difference]


def rename_temporarily(table: Table, items: Sequence[Difference]) -> TemporaryRenames:
    """Rename wrong foreign keys and checks whose names are requested before they are dropped.

    That is so where the constraint of the declared name isn't the one that replaces them. By their helper names, the next
    run recognises them if this one is interrupted.
    """
    before_and_after = {
        name: helper_name(HelperRole.OLD, table.name, name)
        for name in dict.fromkeys(_names_to_free(table, _requests(items)))
    }
    if not before_and_after:
        return TemporaryRenames(Plan(), table, list(items))
    statements = tuple(rename_constraint(table, before, after) for before, after in before_and_after.items())
    reason = f"rename {', '.join(before_and_after)} temporarily, to free the name for a declared constraint"
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
        # The owner of the name is dropped, even if the declared constraint replaces another one as well.
        has_its_kind = isinstance(request.item, ConstraintDifference) and owner.kind is request.item.declared.kind
        if replaced != owner.name and (owner.name in dropped or (replaced is not None and has_its_kind)):
            yield owner.name


def _replaced_name(item: Difference) -> str | None:
    """Return the name of the foreign key or check that the repair replaces, if it does."""
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
    return item.without_conflict()


# Refused names


def refused_names(table: Table, items: Sequence[Difference]) -> list[tuple[Refusal, Difference]]:
    """Refuse the names that another constraint of the table has, and keeps."""
    possible = [request for request in _requests(items) if request.is_renaming]
    refused: list[_NameRequest] = []
    while taken := [request for request in possible if _is_taken(table, request, possible)]:
        refused += taken
        possible = [request for request in possible if request not in taken]
    return [(_name_taken(table, request), request.item) for request in refused]


def _is_taken(table: Table, request: _NameRequest, renamed: Sequence[_NameRequest]) -> bool:
    # A conflicting constraint is replaced; one that was renamed temporarily no longer has the name `before`.
    is_replaced = isinstance(request.item, ConstraintDifference) and request.item.conflicting is not None
    if is_replaced or table.constraint_name_owner(request.before) is None:
        return False
    owned = table.constraint_name_owner(request.after) is not None
    return owned and all(other.before != request.after for other in renamed)


def _name_taken(table: Table, request: _NameRequest) -> Refusal:
    item = request.item
    what = "its NOT NULL" if item.kind is Kind.COLUMN_NOT_NULL_NAME else item.declared_text
    return refusals.constraint_name_taken(table, item, what, request.after)


# Declared names


def rename_constraints(table: Table, items: Sequence[Difference]) -> Plan:
    """Rename right constraints to their declared names, all of a table at once. Wrong keys of these names are dropped."""
    pairs = [(request.before, request.after) for request in _requests(items)]
    renamed = {before for before, _ in pairs}
    replacing = [
        item
        for item in items
        if isinstance(item, ConstraintDifference)
        and item.conflicting is not None
        and item.conflicting.name not in renamed
    ]
    drops = [drop_constraint(item.conflicting.name) for item in replacing if item.conflicting is not None]
    statements = (
        *alterations(table, drops),
        *rename_statements(table, pairs, (), partial(rename_constraint, table)),
        *alterations(table, replica_identity_clauses(replacing)),
    )
    reason = "rename " + ", ".join(f"{before} to {after}" for before, after in pairs)
    step = Step(statements, table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))
    return plan_of(Repair(Phase.KEYS, table.name, tuple(item.name for item in items), (step,)))
