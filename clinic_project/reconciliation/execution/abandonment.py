"""Repairs that can't be finished now, and the repairs that are blocked by them."""

from collections.abc import Iterable, Iterator, Sequence

from ..planning import refusals
from ..planning.blockers import Blockers
from ..planning.plan import Plan, Refusal, RefusalCode, Repair, Step
from .sessions import Session


class RepairAbandoned(Exception):
    """A repair can't be finished now. What it has done so far stays, and the next run starts from there."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))


def locked(step: Step, budget: float, lock_holders: Sequence[Session]) -> RepairAbandoned:
    """The step didn't get its locks within `budget` seconds."""
    holders = "; ".join(str(session) for session in lock_holders) or "no session any more"
    return RepairAbandoned(refusals.locked(step, budget, holders))


class UnblockedRepairs:
    """Iterates over the repairs that nothing blocks. Those that are blocked block, in turn, what requires them.

    Whether one is blocked is asked when its turn comes: those before it may have been refused meanwhile.
    """

    def __init__(self, repairs: Iterable[Repair], blockers: Blockers) -> None:
        self.repairs = repairs
        self.blockers = blockers

    def __iter__(self) -> Iterator[Repair]:
        for repair in self.repairs:
            if causes := self.blockers.blocked_by(repair.requires):
                self.blockers = self.blockers.block_dependents(causes, repair.objects, repair.provides)
            else:
                yield repair

    def refuse(self, repair: Repair, refusal: Refusal) -> None:
        self.blockers = self.blockers.block(refusal, repair.provides)


class AbandonedRepairs:
    """The repairs that one reconciliation has abandoned, with their refusals; a plan is made anew in each of its rounds."""

    def __init__(self) -> None:
        self._refusals: list[tuple[Repair, Refusal]] = []

    def add(self, repair: Repair, refusal: Refusal) -> None:
        self._refusals.append((repair, refusal))

    def retry_failed_statements(self) -> None:
        """Forget those that failed as statements: what was repaired after them may have been what they required."""
        self._refusals = [
            (repair, refusal) for repair, refusal in self._refusals if refusal.code is not RefusalCode.STATEMENT_FAILED
        ]

    def blockers(self) -> Blockers:
        """Return what is not provided, since its repairs were abandoned."""
        blockers = Blockers()
        for repair, refusal in self._refusals:
            blockers = blockers.block(refusal, repair.provides)
        return blockers

    def remaining(self, plan: Plan) -> tuple[Repair, ...]:
        """Return the plan's repairs that can still be tried: neither abandoned, nor blocked by one that was."""
        return self._sort(plan)[0]

    def refusals(self, plan: Plan) -> tuple[Refusal, ...]:
        """Return why each was abandoned, with what is therefore blocked of the plan."""
        _, blockers = self._sort(plan)
        return tuple(blockers.with_dependents(refusal) for _, refusal in self._refusals)

    def _sort(self, plan: Plan) -> tuple[tuple[Repair, ...], Blockers]:
        remaining = [repair for repair in plan.repairs if not self._includes(repair)]
        unblocked = UnblockedRepairs(remaining, self.blockers())
        return tuple(unblocked), unblocked.blockers

    def _includes(self, repair: Repair) -> bool:
        """Whether one of these objects was to be repaired by a repair that was abandoned."""
        return any(
            other.table == repair.table and not set(other.names).isdisjoint(repair.names) for other, _ in self._refusals
        )
