"""A plan being written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..comparison.differences import Difference
from ..schema.model import Schema
from .blockers import Undone
from .dependencies import given_by, needed_by
from .plan import Note, Plan, Refusal, Repair


@dataclass
class Draft:
    """A plan being written, for the real schema `actual`.

    `created` are the tables that it makes. `fills` are the values that NULLs get, by table and column, as far as there are
    any. `roots` are told only where something waits for them.
    """

    actual: Schema
    repairs: list[Repair] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    roots: list[Refusal | Note] = field(default_factory=list)
    created: frozenset[str] = frozenset()
    fills: dict[str, dict[str, str]] = field(default_factory=dict)
    undone: Undone = field(default_factory=Undone)

    def refuse(self, refusal: Refusal, *items: Difference) -> None:
        """Refuse the differences `items`: what stands on them has to wait."""
        self.refusals.append(refusal)
        for item in items:
            self.undone.lack(refusal, given_by(item))

    def part(self) -> "Draft":
        """Return a draft for some of the differences by themselves, to be taken over."""
        return Draft(self.actual, created=self.created, fills=self.fills)

    def take(self, other: "Draft", items: Sequence[Difference]) -> None:
        """Take over what was planned by itself for `items`, knowing what it stands on and what stands on it."""
        for refusal in other.refusals:
            self.refuse(refusal, *items)
        needs = frozenset().union(*(needed_by(item, self.actual) for item in items))
        gives = frozenset().union(*(given_by(item) for item in items))
        self.repairs += [replace(r, needs=r.needs | needs, gives=r.gives | gives) for r in other.repairs]
        self.notes += other.notes

    def put_aside_what_waits(self) -> None:
        while aside := [repair for repair in self.repairs if self.undone.holds_up(repair)]:
            self.repairs = [repair for repair in self.repairs if repair not in aside]

    def finished(self) -> Plan:
        in_order = sorted(self.repairs, key=lambda repair: repair.phase)
        if any(refusal.fatal for refusal in self.refusals):
            in_order = []
        roots = [root for root in self.roots if self.undone.told(root).waiting]
        refusals = [*self.refusals, *(root for root in roots if isinstance(root, Refusal))]
        notes = [*self.notes, *(root for root in roots if isinstance(root, Note))]
        told = self.undone.told
        return Plan(tuple(in_order), tuple(told(root) for root in refusals), tuple(told(root) for root in notes))
