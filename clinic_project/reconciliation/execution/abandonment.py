"""Repairs that couldn't be finished, and the repairs that these block."""

from collections.abc import Iterable, Iterator, Sequence

from ..planning import refusals
from ..planning.blockers import Blockers
from ..planning.plan import Plan, Refusal, RefusalCode, Repair, Step
from .sessions import Session


class RepairAbandoned(Exception):
    """A repair couldn't be finished. What its steps have committed remains, and the next run continues from there.

    `begun` is whether something may have been repaired before; only the end of a whole run says so.
    """

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.begun = False
        super().__init__(str(refusal))


def locked(step: Step, budget: float, in_the_way: Sequence[Session]) -> RepairAbandoned:
    """Return the exception for a step that waited in vain for others, for `budget` seconds."""
    return RepairAbandoned(refusals.locked(step, budget, "; ".join(map(str, in_the_way))))


class UnblockedRepairs:
    """Iterates over the repairs that aren't blocked. Those that are blocked block, in turn, the repairs that require them.

    Whether a repair is blocked is decided when its turn comes, since earlier ones may have been refused meanwhile.
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
    """The repairs that were abandoned in one reconciliation, over all its rounds, with their refusals."""

    def __init__(self) -> None:
        self._refusals: list[tuple[Repair, Refusal]] = []

    def add(self, repair: Repair, refusal: Refusal) -> None:
        self._refusals.append((repair, refusal))

    def retry_failed_statements(self) -> None:
        """Let repairs whose statements failed be tried again: they may have required what was repaired after them."""
        self._refusals = [
            (repair, refusal) for repair, refusal in self._refusals if refusal.code is not RefusalCode.STATEMENT_FAILED
        ]

    def blockers(self) -> Blockers:
        """Return the conditions that can't be met, since the repairs that provide them were abandoned."""
        blockers = Blockers()
        for repair, refusal in self._refusals:
            blockers = blockers.block(refusal, repair.provides)
        return blockers

    def remaining(self, plan: Plan) -> tuple[Repair, ...]:
        """Return the plan's repairs that can still be tried: neither abandoned, nor blocked by an abandoned one."""
        return self._remaining_and_blockers(plan)[0]

    def refusals(self, plan: Plan) -> tuple[Refusal, ...]:
        """Return the refusals, each with what it blocks of the plan."""
        _, blockers = self._remaining_and_blockers(plan)
        return tuple(blockers.with_dependents(refusal) for _, refusal in self._refusals)

    def _remaining_and_blockers(self, plan: Plan) -> tuple[tuple[Repair, ...], Blockers]:
        remaining = [repair for repair in plan.repairs if not self._includes(repair)]
        unblocked = UnblockedRepairs(remaining, self.blockers())
        return tuple(unblocked), unblocked.blockers

    def _includes(self, repair: Repair) -> bool:
        """Whether an abandoned repair was for one of the same objects."""
        return any(
            abandoned.table == repair.table and not set(abandoned.names).isdisjoint(repair.names)
            for abandoned, _ in self._refusals
        )
