"""Builds a plan from sub-plans, which say what to do about each difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..comparison.differences import Difference
from ..schema.model import Schema
from .blockers import Blockers
from .dependencies import provided_by, required_by
from .plan import Condition, Note, Plan, Refusal, Repair


@dataclass
class PlanBuilder:
    """Collects the parts of a plan for the schema `actual`. `potential_causes` are reported only if they block something."""

    actual: Schema
    repairs: list[Repair] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    potential_causes: list[Refusal | Note] = field(default_factory=list)
    blockers: Blockers = field(default_factory=Blockers)

    def add_potential_cause(self, cause: Refusal | Note, conditions: frozenset[Condition]) -> None:
        """Record that `conditions` can't be met because of `cause`, which is reported if anything requires them."""
        self.blockers = self.blockers.block(cause, conditions)
        if cause not in self.potential_causes:
            self.potential_causes.append(cause)

    def refuse(self, refusal: Refusal, items: Iterable[Difference]) -> None:
        """Refuse the differences `items`: what requires them is blocked."""
        self.refusals.append(refusal)
        for item in items:
            self.blockers = self.blockers.block(refusal, provided_by(item))

    def merge(self, sub_plan: Plan, items: Sequence[Difference] = ()) -> None:
        """Add a sub-plan for the differences `items`. Its repairs require and provide what these do."""
        for refusal in sub_plan.refusals:
            self.refuse(refusal, items)
        requires = frozenset().union(*(required_by(item, self.actual) for item in items))
        provides = frozenset().union(*(provided_by(item) for item in items))
        self.repairs += [
            replace(repair, requires=repair.requires | requires, provides=repair.provides | provides)
            for repair in sub_plan.repairs
        ]
        self.notes += sub_plan.notes

    def merge_with_blockers(self, plan: Plan, blockers: Blockers) -> None:
        """Add a sub-plan over all tables, and take the blockers that result from it."""
        self.merge(plan)
        self.blockers = blockers

    def remove_blocked(self) -> None:
        """Remove the repairs that are blocked, and those that require them in turn; record all their causes."""
        causes: list[list[Refusal | Note]] = [[] for _ in self.repairs]
        found_more = True
        while found_more:
            found_more = False
            for repair, known in zip(self.repairs, causes, strict=True):
                if new := [cause for cause in self.blockers.blocked_by(repair.requires) if cause not in known]:
                    self.blockers = self.blockers.block_dependents(new, repair.objects, repair.provides)
                    known.extend(new)
                    found_more = True
        self.repairs = [repair for repair, known in zip(self.repairs, causes, strict=True) if not known]

    def build(self) -> Plan:
        """Return the plan: its repairs in the order of their phases, or none where a refusal is fatal."""
        repairs = sorted(self.repairs, key=lambda repair: repair.phase)
        if any(refusal.fatal for refusal in self.refusals):
            repairs = []
        with_dependents = self.blockers.with_dependents
        causes = [cause for cause in map(with_dependents, self.potential_causes) if cause.blocked]
        refusals = [*map(with_dependents, self.refusals), *(cause for cause in causes if isinstance(cause, Refusal))]
        notes = [*map(with_dependents, self.notes), *(cause for cause in causes if isinstance(cause, Note))]
        return Plan(tuple(repairs), tuple(refusals), tuple(notes))
