"""Puts a plan together of what is decided for each difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..comparison.differences import Difference
from ..schema.model import Schema
from .blockers import Blockers
from .dependencies import provided_by, required_by
from .plan import Condition, Note, Plan, Refusal, Repair


@dataclass
class PlanBuilder:
    """The one place where a plan is put together, for the schema `actual`.

    `potential_causes` are reported only where they block something.
    """

    actual: Schema
    repairs: list[Repair] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    potential_causes: list[Refusal | Note] = field(default_factory=list)
    blockers: Blockers = field(default_factory=Blockers)

    def expect_blocked(self, cause: Refusal | Note, conditions: frozenset[Condition]) -> None:
        """Know why `conditions` can't be had, in case that anything requires them."""
        self.blockers = self.blockers.block(cause, conditions)
        if cause not in self.potential_causes:
            self.potential_causes.append(cause)

    def refuse(self, refusal: Refusal, items: Iterable[Difference]) -> None:
        """Refuse the differences `items`: what requires them is blocked."""
        self.refusals.append(refusal)
        for item in items:
            self.blockers = self.blockers.block(refusal, provided_by(item))

    def merge(self, sub_plan: Plan, items: Sequence[Difference] = ()) -> None:
        """Take over what was decided for `items`, with what these require and provide."""
        for refusal in sub_plan.refusals:
            self.refuse(refusal, items)
        requires = frozenset().union(*(required_by(item, self.actual) for item in items))
        provides = frozenset().union(*(provided_by(item) for item in items))
        self.repairs += [
            replace(repair, requires=repair.requires | requires, provides=repair.provides | provides)
            for repair in sub_plan.repairs
        ]
        self.notes += sub_plan.notes

    def take_over(self, plan: Plan, blockers: Blockers) -> None:
        """Take over what was decided over all tables, with what is blocked by that."""
        self.merge(plan)
        self.blockers = blockers

    def leave_out_blocked(self) -> None:
        """Leave out the repairs that are blocked, and those that require them in turn, with all their causes."""
        causes: list[list[Refusal | Note]] = [[] for _ in self.repairs]
        blocked_more = True
        while blocked_more:
            blocked_more = False
            for repair, known in zip(self.repairs, causes, strict=True):
                if new := [cause for cause in self.blockers.blocked_by(repair.requires) if cause not in known]:
                    self.blockers = self.blockers.block_dependents(new, repair.objects, repair.provides)
                    known.extend(new)
                    blocked_more = True
        self.repairs = [repair for repair, known in zip(self.repairs, causes, strict=True) if not known]

    def finished(self) -> Plan:
        in_order = sorted(self.repairs, key=lambda repair: repair.phase)
        if any(refusal.fatal for refusal in self.refusals):
            in_order = []
        complete = self.blockers.with_dependents
        causes = [cause for cause in map(complete, self.potential_causes) if cause.blocked]
        refusals = [*map(complete, self.refusals), *(cause for cause in causes if isinstance(cause, Refusal))]
        notes = [*map(complete, self.notes), *(cause for cause in causes if isinstance(cause, Note))]
        return Plan(tuple(in_order), tuple(refusals), tuple(notes))
