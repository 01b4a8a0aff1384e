"""Repairs that can't be finished now, and the repairs that are blocked by them."""

from collections.abc import Iterable, Iterator

from ..planning.blockers import Undone
from ..planning.plan import Plan, Refusal, Repair
from .refusals import STATEMENT_FAILED


class RepairAbandoned(Exception):
    """A repair can't be finished now. What it has done so far stays, and the next run starts from there."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))


def unblocked(repairs: Iterable[Repair], blockers: Undone) -> Iterator[Repair]:
    """Yield the repairs that nothing blocks. Those that are blocked block, in turn, what requires them.

    It is asked when a repair's turn comes: what came before it may have been added to `blockers` meanwhile.
    """
    for repair in repairs:
        if not blockers.holds_up(repair):
            yield repair


class AbandonedRepairs:
    """The repairs that one reconciliation has abandoned, with their refusals; a plan is made anew in each of its rounds."""

    def __init__(self) -> None:
        self._refusals: list[tuple[Repair, Refusal]] = []

    def add(self, repair: Repair, refusal: Refusal) -> None:
        self._refusals.append((repair, refusal))

    def retry_failed_statements(self) -> None:
        """Forget those that failed as statements: what was repaired after them may have been what they required."""
        self._refusals = [(repair, refusal) for repair, refusal in self._refusals if refusal.code != STATEMENT_FAILED]

    def blockers(self) -> Undone:
        """Return what is not provided, since its repairs were abandoned."""
        blockers = Undone()
        for repair, refusal in self._refusals:
            blockers.lack(refusal, repair.gives)
        return blockers

    def remaining(self, plan: Plan) -> tuple[Repair, ...]:
        """Return the plan's repairs that can still be tried: neither abandoned, nor blocked by one that was."""
        return self._sort(plan)[0]

    def refusals(self, plan: Plan) -> tuple[Refusal, ...]:
        """Return why each was abandoned, with what is therefore blocked of the plan."""
        _, blockers = self._sort(plan)
        return tuple(blockers.told(refusal) for _, refusal in self._refusals)

    def _sort(self, plan: Plan) -> tuple[tuple[Repair, ...], Undone]:
        blockers = self.blockers()
        remaining = [repair for repair in plan.repairs if not self._includes(repair)]
        return tuple(unblocked(remaining, blockers)), blockers

    def _includes(self, repair: Repair) -> bool:
        """Whether one of these objects was to be repaired by a repair that was abandoned."""
        return any(
            other.table == repair.table and not set(other.names).isdisjoint(repair.names) for other, _ in self._refusals
        )
