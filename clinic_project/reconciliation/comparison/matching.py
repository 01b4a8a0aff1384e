"""Which real object is the declared one: the one that means the same, whatever its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ..schema.model import Constraint, Index, Table, is_helper_name

_Named = TypeVar("_Named", Index, Constraint)


def match(declared: Iterable[_Named], real: Iterable[_Named]) -> dict[str, _Named]:
    """Give each declared object the real one of its meaning, by the declared one's name; its own name goes first."""
    declared, rest = list(declared), {r.name: r for r in real}
    result = {w.name: rest.pop(w.name) for w in declared if w.name in rest and rest[w.name].meaning == w.meaning}
    if len(result) == len(declared):
        return result
    for wanted in declared:
        candidates = [r for r in rest.values() if r.meaning == wanted.meaning]
        if candidates and wanted.name not in result:
            # One that we built ourselves, in a run that was interrupted, before a stranger's.
            chosen = min(candidates, key=lambda r: (not is_helper_name(r.name), r.name))
            result[wanted.name] = rest.pop(chosen.name)
    return result


def of_kinds(table: Table, kinds: str) -> list[Constraint]:
    return [constraint for constraint in table.constraints if constraint.kind in kinds]


@dataclass(frozen=True)
class Matches:
    """The real objects that the declared ones of a table are, by the declared names."""

    indexes: Mapping[str, Index]
    keys: Mapping[str, Constraint]
    foreign_keys: Mapping[str, Constraint]
    checks: Mapping[str, Constraint]

    @classmethod
    def of(cls, wanted: Table, found: Table) -> "Matches":
        return cls(
            _matching_indexes(wanted, found),
            _matching_keys(wanted, found),
            _matching_rules(wanted, found, "f"),
            _matching_rules(wanted, found, "c"),
        )

    @cached_property
    def claimed_indexes(self) -> set[str]:
        return {index.name for index in self.indexes.values()}

    @cached_property
    def claimed_constraints(self) -> set[str]:
        """The names of the real constraints that are declared ones: if they are wrong, they are given up for others."""
        return {real.name for each in (self.keys, self.foreign_keys, self.checks) for real in each.values()}


def _matching_indexes(wanted: Table, found: Table) -> dict[str, Index]:
    usable = [index for index in found.indexes if index.constraint is None and index.valid]
    return match([index for index in wanted.indexes if index.constraint is None], usable)


def _matching_keys(wanted: Table, found: Table) -> dict[str, Constraint]:
    declared = {constraint.name: constraint for constraint in of_kinds(wanted, "pux")}
    matched = match(declared.values(), of_kinds(found, "pux"))
    # Deferrability belongs to the meaning here: it can't be altered in place.
    return {name: real for name, real in matched.items() if real.timing == declared[name].timing}


def _matching_rules(wanted: Table, found: Table, kind: str) -> dict[str, Constraint]:
    declared = of_kinds(wanted, kind)
    # Validated ones go first: `match` takes what it can get from the front of equal names.
    usable = [c for c in of_kinds(found, kind) if c.enforced]
    matched = match(declared, [c for c in usable if c.validated])
    rest = [c for c in declared if c.name not in matched]
    return matched | match(rest, [c for c in usable if not c.validated])
