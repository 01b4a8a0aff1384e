"""Matches each declared object with an actual one of the same signature, whatever its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ..schema.model import Constraint, ConstraintKind, Index, Table, Trigger, is_helper_name

KEY_KINDS = frozenset(kind for kind in ConstraintKind if kind.is_key)

_Named = TypeVar("_Named", Index, Constraint, Trigger)


def match(declared: Iterable[_Named], actual: Iterable[_Named]) -> dict[str, _Named]:
    """Return, by declared name, the actual objects of the same signatures: those of the same names where there are any."""
    declared, unmatched = list(declared), {a.name: a for a in actual}
    matched = {
        d.name: unmatched.pop(d.name)
        for d in declared
        if d.name in unmatched and unmatched[d.name].signature == d.signature
    }
    if len(matched) == len(declared):
        return matched
    for each in declared:
        candidates = [a for a in unmatched.values() if a.signature == each.signature]
        if candidates and each.name not in matched:
            # An object that an interrupted run built is preferred.
            chosen = min(candidates, key=lambda a: (not is_helper_name(a.name), a.name))
            matched[each.name] = unmatched.pop(chosen.name)
    return matched


@dataclass(frozen=True)
class Matches:
    """The actual objects of a table that match declared ones, by the declared names."""

    indexes: Mapping[str, Index]
    keys: Mapping[str, Constraint]
    foreign_keys: Mapping[str, Constraint]
    checks: Mapping[str, Constraint]

    @classmethod
    def of(cls, declared: Table, actual: Table) -> "Matches":
        return cls(
            _matching_indexes(declared, actual),
            _matching_keys(declared, actual),
            _matching_validated_first(declared, actual, ConstraintKind.FOREIGN_KEY),
            _matching_validated_first(declared, actual, ConstraintKind.CHECK),
        )

    @cached_property
    def claimed_indexes(self) -> set[str]:
        return {index.name for index in self.indexes.values()}

    @cached_property
    def claimed_constraints(self) -> set[str]:
        """The names of the actual constraints that match declared ones: those of wrong names are renamed."""
        return {actual.name for each in (self.keys, self.foreign_keys, self.checks) for actual in each.values()}


def _matching_indexes(declared: Table, actual: Table) -> dict[str, Index]:
    usable = [index for index in actual.indexes if index.constraint is None and index.valid]
    return match([index for index in declared.indexes if index.constraint is None], usable)


def _matching_keys(declared: Table, actual: Table) -> dict[str, Constraint]:
    keys = {constraint.name: constraint for constraint in declared.constraints_of(KEY_KINDS)}
    matched = match(keys.values(), actual.constraints_of(KEY_KINDS))
    # A key's deferrability must match as well: it can't be altered.
    return {name: key for name, key in matched.items() if key.deferrability == keys[name].deferrability}


def _matching_validated_first(declared: Table, actual: Table, kind: ConstraintKind) -> dict[str, Constraint]:
    constraints = declared.constraints_of([kind])
    usable = [c for c in actual.constraints_of([kind]) if c.enforced]
    matched = match(constraints, [c for c in usable if c.validated])
    unmatched = [c for c in constraints if c.name not in matched]
    return matched | match(unmatched, [c for c in usable if not c.validated])
