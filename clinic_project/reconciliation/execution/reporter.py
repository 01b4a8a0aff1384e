"""What a reconciliation tells while it works. The base tells nobody; the commands' reporters write to a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..planning.plan import Refusal, Step
from .sessions import Session


class Reporter:
    """Hears what happens. `rows` is how many a fill changed, None for other steps; `done` and `total` count the same."""

    #: What the next step is part of, to be said before it.
    heading = ""

    @contextmanager
    def under(self, heading: str) -> Iterator[None]:
        """Put the steps that are taken, if any are, under a heading."""
        self.heading = heading
        try:
            yield
        finally:
            self.heading = ""

    def started(self, step: Step) -> None: ...

    def progressed(self, step: Step, done: int, total: int) -> None: ...

    def waiting(self, step: Step, sessions: Sequence[Session]) -> None: ...

    def failed(self, step: Step) -> None: ...

    def finished(self, step: Step, seconds: float, rows: int | None) -> None: ...

    def given_up(self, refusal: Refusal) -> None: ...
