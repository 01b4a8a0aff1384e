"""Which actual object is the declared one: the one of the same signature, whatever its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ..schema.model import Constraint, ConstraintKind, Index, Table, is_helper_name

KEYS = frozenset(kind for kind in ConstraintKind if kind.is_key)

_Named = TypeVar("_Named", Index, Constraint)


def match(declared: Iterable[_Named], actual: Iterable[_Named]) -> dict[str, _Named]:
    """Give each declared object the actual one of its signature, by the declared name; its own name goes first."""
    declared, rest = list(declared), {a.name: a for a in actual}
    result = {d.name: rest.pop(d.name) for d in declared if d.name in rest and rest[d.name].signature == d.signature}
    if len(result) == len(declared):
        return result
    for each in declared:
        candidates = [a for a in rest.values() if a.signature == each.signature]
        if candidates and each.name not in result:
            # One that we built ourselves, in a run that was interrupted, before anybody else's.
            chosen = min(candidates, key=lambda a: (not is_helper_name(a.name), a.name))
            result[each.name] = rest.pop(chosen.name)
    return result


@dataclass(frozen=True)
class Matches:
    """The actual objects that the declared ones of a table are, by the declared names."""

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
        """The names of the actual constraints that are declared ones: where these are named otherwise, they are renamed."""
        return {actual.name for each in (self.keys, self.foreign_keys, self.checks) for actual in each.values()}


def _matching_indexes(declared: Table, actual: Table) -> dict[str, Index]:
    usable = [index for index in actual.indexes if index.constraint is None and index.valid]
    return match([index for index in declared.indexes if index.constraint is None], usable)


def _matching_keys(declared: Table, actual: Table) -> dict[str, Constraint]:
    keys = {constraint.name: constraint for constraint in declared.constraints_of(KEYS)}
    matched = match(keys.values(), actual.constraints_of(KEYS))
    # Deferrability belongs to the signature of a key: it can't be altered in place.
    return {name: match for name, match in matched.items() if match.deferrability == keys[name].deferrability}


def _matching_validated_first(declared: Table, actual: Table, kind: ConstraintKind) -> dict[str, Constraint]:
    constraints = declared.constraints_of([kind])
    usable = [c for c in actual.constraints_of([kind]) if c.enforced]
    matched = match(constraints, [c for c in usable if c.validated])
    rest = [c for c in constraints if c.name not in matched]
    return matched | match(rest, [c for c in usable if not c.validated])
