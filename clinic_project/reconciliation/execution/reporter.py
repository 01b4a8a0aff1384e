"""What a reconciliation reports while it runs. This base class does nothing; that of the commands writes to a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..planning.plan import Refusal, Repair, Step
from .sessions import Session


class Reporter:
    """Its methods are called for the events of each step."""

    #: What the next step is part of, for writing before it.
    heading = ""

    @contextmanager
    def under(self, heading: str) -> Iterator[None]:
        """Put the steps that run meanwhile, if any do, under a heading."""
        self.heading = heading
        try:
            yield
        finally:
            self.heading = ""

    def started(self, step: Step) -> None: ...

    def progressed(self, step: Step, done: int, total: int) -> None:
        """`done` of `total` blocks, or rows, are done."""

    def waiting(self, step: Step, sessions: Sequence[Session]) -> None:
        """The step waits for locks or transactions of these sessions."""

    def failed(self, step: Step) -> None: ...

    def finished(self, step: Step, seconds: float, rows: int | None) -> None:
        """`rows` is how many rows a backfill changed, None for other steps."""

    def repaired(self, repair: Repair, seconds: float) -> None:
        """All steps of a repair are finished."""

    def abandoned(self, refusal: Refusal) -> None:
        """A repair couldn't be finished, for this reason."""
