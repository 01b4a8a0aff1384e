"""What a reconciliation reports while it works. The base reports to nobody; the commands' writes to a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..planning.plan import Refusal, Step
from .sessions import Session


class Reporter:
    """Is called for what happens to each step."""

    #: What the next step is part of, to be written before it.
    heading = ""

    @contextmanager
    def under(self, heading: str) -> Iterator[None]:
        """Put the steps that are run meanwhile, if any are, under a heading."""
        self.heading = heading
        try:
            yield
        finally:
            self.heading = ""

    def started(self, step: Step) -> None: ...

    def progressed(self, step: Step, done: int, total: int) -> None:
        """Both count the same: blocks, or rows."""

    def waiting(self, step: Step, sessions: Sequence[Session]) -> None:
        """The step waits for locks, or for old transactions, of these."""

    def failed(self, step: Step) -> None: ...

    def finished(self, step: Step, seconds: float, rows: int | None) -> None:
        """`rows` is how many a backfill changed, None for other steps."""

    def abandoned(self, refusal: Refusal) -> None:
        """A repair can't be finished, for this reason."""
