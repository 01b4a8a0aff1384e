"""What a command gives to the migrations that it runs, since nothing else leads through Django's executor to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from .conf import Budgets
from .execution.reporter import Reporter
from .planning.plan import Note, Refusal


@dataclass
class Run:
    """One command's wishes, and what came up while it ran."""

    budgets: Budgets
    reporter: Reporter = field(default_factory=Reporter)
    allow_data_loss: bool = False
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


_current: ContextVar[Run | None] = ContextVar("reconciliation run", default=None)


def current_run() -> Run:
    """Return the run that is going on; outside of any command, a silent one of its own."""
    return _current.get() or Run(Budgets.from_settings())


def is_running() -> bool:
    return _current.get() is not None


@contextmanager
def running(run: Run) -> Iterator[Run]:
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)
