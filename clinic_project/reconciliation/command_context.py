"""Passes a command's settings and reporter to the ReconcileSchema operations of the migrations that it runs.

Django's MigrationExecutor gives an operation the app's label, the schema editor and two project states, and nothing of
the command that runs it. A context variable reaches it without changing Django's classes, and each thread has its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper

from .conf import Budgets
from .execution.reporter import Reporter
from .pipeline import Inspection, ReconciliationResult, inspect, read_declared, reconcile
from .planning.plan import Note, NoteCode
from .schema.model import Schema, Server


@dataclass
class CommandContext:
    """How the running command reconciles, and the notes that it prints at its end."""

    budgets: Budgets
    reporter: Reporter = field(default_factory=Reporter)
    allow_data_loss: bool = False
    notes: list[Note] = field(default_factory=list)

    def inspect(self, connection: BaseDatabaseWrapper, apps: Apps, labels: Sequence[str]) -> Inspection:
        """Compare the tables of the apps `labels` with their models in `apps`."""
        return inspect(connection, *read_declared(connection, apps, labels), self.budgets)

    def reconcile(self, connection: BaseDatabaseWrapper, apps: Apps, labels: Sequence[str]) -> ReconciliationResult:
        """Reconcile the tables of the apps `labels` with their models in `apps`, and keep the notes."""
        return self.reconcile_with(connection, read_declared(connection, apps, labels))

    def migrate_to(self, connection: BaseDatabaseWrapper, apps: Apps, labels: Sequence[str]) -> ReconciliationResult:
        """Do the same for a migration that may create tables: those are expected to be missing."""
        before = len(self.notes)
        result = self.reconcile(connection, apps, labels)
        self.notes[before:] = [n for n in self.notes[before:] if n.code is not NoteCode.APPEND_ONLY_CREATED_AGAIN]
        return result

    def reconcile_with(self, connection: BaseDatabaseWrapper, declared: tuple[Server, Schema]) -> ReconciliationResult:
        """Reconcile the tables of a declared schema, given with its server, and keep the notes."""
        result = reconcile(connection, *declared, self.budgets, self.reporter)
        self.notes += result.notes
        return result


_current: ContextVar[CommandContext | None] = ContextVar("reconciliation command", default=None)


def current_context() -> CommandContext:
    """Return the context of the running command; where none runs, a context whose reporter does nothing."""
    return _current.get() or CommandContext(Budgets.from_settings())


def is_command_running() -> bool:
    return _current.get() is not None


@contextmanager
def running(context: CommandContext) -> Iterator[None]:
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
