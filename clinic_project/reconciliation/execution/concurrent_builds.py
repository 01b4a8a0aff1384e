"""Builds and drops indexes concurrently, which is only possible outside of a transaction."""

import time
from contextlib import suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import Budgets, milliseconds
from ..planning.plan import Lock, Step
from ..sqlstates import DEADLOCK_DETECTED, DUPLICATE_TABLE, LOCK_NOT_AVAILABLE, connection_lost, sqlstate
from .abandonment import locked
from .build_monitor import BuildMonitor, monitored_build
from .reporter import Reporter
from .sessions import Session, lock_holders, session_settings, snapshot_holders


class ConcurrentBuildRunner:
    def __init__(self, connection: BaseDatabaseWrapper, budgets: Budgets, reporter: Reporter) -> None:
        self.connection = connection
        self.budgets = budgets
        self.reporter = reporter

    def run(self, step: Step) -> None:
        """Run a step of one statement outside of any transaction.

        1. Run it. While it waits for old transactions it blocks no session, so it has a longer budget instead of the lock
           timeout.
        2. Where it fails, or Ctrl-C interrupts it, drop the INVALID index that it leaves, which every write would have to
           update.
        3. After a deadlock, try again within the budget.

        Raises RepairAbandoned where old transactions last longer than the budget, django.db.Error for any other error.
        """
        budget = self.budgets.build_budget
        deadline = time.monotonic() + budget
        while True:
            monitor = BuildMonitor(step, self.reporter)
            try:
                self._execute(step, monitor)
            except KeyboardInterrupt:
                self._drop_invalid_index(step)
                raise
            except Error as error:
                in_the_way = self._in_the_way(step, monitor) if sqlstate(error) == LOCK_NOT_AVAILABLE else []
                # If the name was taken, the index of that name isn't the one of this build.
                if not connection_lost(error) and sqlstate(error) != DUPLICATE_TABLE:
                    self._drop_invalid_index(step)
                if sqlstate(error) == LOCK_NOT_AVAILABLE:
                    raise locked(step, budget, in_the_way) from error
                if sqlstate(error) != DEADLOCK_DETECTED or time.monotonic() > deadline:
                    raise
            else:
                return

    def _execute(self, step: Step, monitor: BuildMonitor) -> None:
        with (
            session_settings(self.connection, lock_timeout=milliseconds(self.budgets.build_budget)),
            monitored_build(self.connection, monitor),
            self.connection.cursor() as cursor,
        ):
            cursor.execute(step.sql)

    def _in_the_way(self, step: Step, monitor: BuildMonitor) -> list[Session]:
        """Return for whom the build waited when it was last seen to wait; where it wasn't, for whom it may have waited."""
        if monitor.waits_for:
            return monitor.waits_for
        # A build waits for the writers of its table and for old snapshots; a drop for whoever uses the table.
        lock = Lock.ACCESS_EXCLUSIVE if step.builds is None else Lock.SHARE
        writers = lock_holders(self.connection, step.relations, lock)
        pids = {session.pid for session in writers}
        return [*writers, *(found for found in snapshot_holders(self.connection) if found.pid not in pids)]

    def _drop_invalid_index(self, step: Step) -> None:
        if step.builds is None:
            return
        with (
            # The transactions for which the build waited may still run; then the next run drops the index.
            suppress(Error),
            session_settings(self.connection, lock_timeout=milliseconds(self.budgets.lock_timeout)),
            self.connection.cursor() as cursor,
        ):
            cursor.execute("SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid", [step.builds])
            if cursor.fetchone() is not None:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {step.builds}")
