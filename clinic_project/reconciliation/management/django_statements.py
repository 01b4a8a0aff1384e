"""Runs what Django itself reads and writes in a `migrate`: its history, content types, permissions, other migrations."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from django.apps import apps
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model

from ..command_context import CommandContext
from ..conf import milliseconds
from ..execution.abandonment import locked
from ..execution.build_monitor import BuildMonitor, monitored_build
from ..execution.locks import backoff, sleep_with_jitter
from ..execution.sessions import in_the_way, locked_relations, session_settings
from ..migration_history import apps_that_only_reconcile
from ..planning.plan import Lock, Step
from ..sqlstates import DEADLOCK_DETECTED, RETRYABLE, created_meanwhile, sqlstate

T = TypeVar("T")


@dataclass
class DjangoStatements:
    """Django waits for a lock without end and without a word. Here it waits as a repair does."""

    connection: BaseDatabaseWrapper
    context: CommandContext
    #: The migration that is being applied or unapplied.
    migration: Migration | None = None
    _milestones: set[str] = field(default_factory=set)
    _monitored: ExitStack = field(default_factory=ExitStack)

    def run(self, statements: Callable[[], T], before_retry: Callable[[], object] = lambda: None) -> T:
        """Run `statements` until they get their locks, and return what they return.

        1. Run them with the lock timeout of the settings.
        2. If a lock is not granted in time, after a deadlock, or where another session created the same object meanwhile:
           what failed was rolled back, so say for whom they wait, pause, and run them again. The budget begins anew whenever
           they get further than before.
        3. A migration that isn't atomic and does more than reconcile can't be run again. It has the whole lock budget as its
           lock timeout instead, and is monitored meanwhile; a deadlock ends it, and so does such an object.

        Raises RepairAbandoned, with the sessions in the way, where the budget is used up.
        """
        deadline, pauses = 0.0, backoff()
        while True:
            milestones = len(self._milestones)
            try:
                with session_settings(self.connection, lock_timeout=milliseconds(self.context.budgets.lock_timeout)):
                    return statements()
            except Error as error:
                if not self._may_succeed_later(error):
                    raise
                is_locked = sqlstate(error) in RETRYABLE
            finally:
                self._monitored.close()
            now, pause = time.monotonic(), next(pauses)
            if not deadline or len(self._milestones) > milestones:
                deadline, pauses = now + self.context.budgets.lock_budget, backoff()
            self._wait(pause, 0 if self._runs_once else deadline - now, told=is_locked)
            self.migration = None
            before_retry()

    def _may_succeed_later(self, error: Error) -> bool:
        if sqlstate(error) == DEADLOCK_DETECTED or created_meanwhile(error):
            return not self._runs_once
        return sqlstate(error) in RETRYABLE

    def reached(self, milestone: str) -> None:
        """Record that the statements got there."""
        self._milestones.add(milestone)

    def has_reached(self, milestone: str) -> bool:
        return milestone in self._milestones

    def began(self, migration: Migration) -> None:
        self.migration = migration
        self._set_lock_timeout()
        if self._runs_once:
            monitor = BuildMonitor(self._step(), self.context.reporter)
            self._monitored.enter_context(monitored_build(self.connection, monitor))

    def ended(self, migration: Migration) -> None:
        self._monitored.close()
        self.migration = None
        self._set_lock_timeout()
        self.reached(str(migration))

    @property
    def _runs_once(self) -> bool:
        migration = self.migration
        if migration is None or migration.atomic:
            return False
        return not apps_that_only_reconcile([migration.app_label], [migration])

    def _set_lock_timeout(self) -> None:
        budgets = self.context.budgets
        seconds = budgets.lock_budget if self._runs_once else budgets.lock_timeout
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [milliseconds(seconds)])

    def _step(self) -> Step:
        """Return what is run now, as a step on the tables that are locked by others, of those of all apps."""
        names = django_tables(self.connection)
        tables = locked_relations(self.connection, names, Lock.ROW_EXCLUSIVE)
        return Step(
            (),
            ", ".join(tables) or "Django's own tables",
            Lock.ACCESS_EXCLUSIVE if self.migration else Lock.ROW_EXCLUSIVE,
            f"apply {self.migration}" if self.migration else "read and write what Django keeps there",
            relations=tuple(tables or names),
        )

    def _wait(self, pause: float, left: float, *, told: bool) -> None:
        step = self._step()
        sessions = in_the_way(self.connection, step.relations, Lock.ROW_EXCLUSIVE) if told else []
        if pause > left:
            raise locked(step, self.context.budgets.lock_budget, sessions)
        self.context.reporter.waiting(step, sessions)
        sleep_with_jitter(pause)


def django_tables(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the quoted names of the tables of all installed apps, and of the migration history."""
    models: list[type[Model]] = [MigrationRecorder.Migration, *apps.get_models(include_auto_created=True)]
    return [connection.ops.quote_name(model._meta.db_table) for model in models]
