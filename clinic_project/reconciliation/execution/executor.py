"""Runs the repairs of a plan, step by step. A repair that can't be finished is abandoned, and the next one is run."""

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import Budgets, milliseconds
from ..exceptions import ConnectionLost
from ..planning import refusals
from ..planning.plan import Note, Plan, Refusal, Repair, Step, ViolationQuery
from ..sqlstates import connection_lost, message, raised_by_triggers, sqlstate
from .abandonment import AbandonedRepairs, RepairAbandoned, UnblockedRepairs
from .backfill import BackfillRunner
from .concurrent_builds import ConcurrentBuildRunner
from .locks import LockRetry
from .reporter import Reporter
from .row_checks import find_violations, run_post_check
from .sessions import session_settings, without_timeouts


@dataclass
class Executor:
    """Runs plans on one connection, in autocommit mode.

    `abandoned` collects the repairs that couldn't be finished, with the reasons; `notes` the notes of the post-checks.
    """

    connection: BaseDatabaseWrapper
    budgets: Budgets
    reporter: Reporter
    abandoned: AbandonedRepairs = field(default_factory=AbandonedRepairs)
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._locks = LockRetry(self.connection, self.budgets, self.reporter)
        self._backfill = BackfillRunner(self.connection, self.budgets.batch_rows, self._locks, self.reporter)
        self._builds = ConcurrentBuildRunner(self.connection, self.budgets, self.reporter)

    def run(self, plan: Plan) -> None:
        """Run all repairs that aren't blocked, then the post-checks of those that were finished.

        Raises ConnectionLost if the connection is lost; the next run continues from the schema that it finds.
        """
        settings = {
            # Outside of its steps' transactions, a query waits for a lock as long as a step's retries may.
            "lock_timeout": milliseconds(self.budgets.lock_budget),
            "default_transaction_isolation": "read committed",
        }
        with without_timeouts(self.connection), session_settings(self.connection, **settings):
            unblocked, finished = UnblockedRepairs(plan.repairs, self.abandoned.blockers()), []
            for repair in unblocked:
                refusal = self._run_repair(repair)
                if refusal is None:
                    finished.append(repair)
                else:
                    unblocked.refuse(repair, refusal)
            # At the end, since an index that was built meanwhile may save reading all rows.
            self._run_post_checks(finished)

    def _run_post_checks(self, repairs: list[Repair]) -> None:
        post_checks = [repair.post_check for repair in repairs if repair.post_check is not None]
        notes = (run_post_check(self.connection, post_check) for post_check in post_checks)
        self.notes += [note for note in notes if note is not None]

    def _run_repair(self, repair: Repair) -> Refusal | None:
        """Return why the repair was abandoned, if it was."""
        began = time.monotonic()
        try:
            for step in repair.steps:
                self._run_step(repair, step)
        except RepairAbandoned as abandoned:
            self.abandoned.add(repair, abandoned.refusal)
            self.reporter.abandoned(abandoned.refusal)
            if repair.on_failure is not None:
                self._clean_up(repair.on_failure)
            return abandoned.refusal
        self.reporter.repaired(repair, time.monotonic() - began)
        return None

    def _clean_up(self, step: Step) -> None:
        """Try the step once. If it fails, it is left to the next run."""
        try:
            self._run_in_transaction(step.statements)
        except Error as error:
            # Otherwise Django would reconnect, and run the next repair without the migration lock.
            if connection_lost(error):
                raise _connection_was_lost(step, error) from error

    def _run_step(self, repair: Repair, step: Step) -> None:
        """Run a step, and once more if rows that were written meanwhile made it fail.

        1. Run the step.
        2. If it fails with an error that its violation query covers, and it has a `retry_after`: run that, then retry the
           step. A second failure is final.

        Raises RepairAbandoned for any other error of PostgreSQL, ConnectionLost if the connection is lost.
        """
        try:
            self._attempt(step)
        except Error as error:
            retry_after = step.retry_after if _violated(step, error) is not None else None
            if retry_after is None:
                raise RepairAbandoned(self._refusal(repair, step, error)) from error
        else:
            return
        self._run_step(repair, retry_after)
        self._run_step(repair, replace(step, retry_after=None))

    def _attempt(self, step: Step) -> None:
        began = time.monotonic()
        self.reporter.started(step)
        try:
            self._check_first(step)
            rows = self._run_statements(step)
        except BaseException:
            # KeyboardInterrupt too: a progress bar that isn't stopped leaves the terminal without a cursor.
            self.reporter.failed(step)
            raise
        self.reporter.finished(step, time.monotonic() - began, rows)

    def _check_first(self, step: Step) -> None:
        """Raise RepairAbandoned if violations are to be checked before the step runs, and there are any."""
        if step.check_first and step.violations is not None:
            refusal = find_violations(self.connection, step.violations)
            if refusal is not None:
                raise RepairAbandoned(refusal)

    def _run_statements(self, step: Step) -> int | None:
        """Return how many rows a backfill changed; None for other steps."""
        if step.backfill is not None:
            return self._backfill.run(step, step.backfill)
        if step.transactional:
            self._locks.until_granted(step, lambda: self._run_in_transaction(step.statements, *step.relations))
        else:
            self._builds.run(step)
        return None

    def _run_in_transaction(self, statements: tuple[str, ...], *tables: str) -> None:
        with self._locks.transaction(*tables) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _refusal(self, repair: Repair, step: Step, error: Error) -> Refusal:
        """Return the refusal of a failed step: for the rows that violate it, or else with PostgreSQL's own message."""
        if connection_lost(error):
            raise _connection_was_lost(step, error) from error
        query = _violated(step, error)
        if query is not None:
            # This role may lack the privilege to read the table.
            with suppress(Error):
                if refusal := find_violations(self.connection, query):
                    return refusal
        names, by_triggers = ", ".join(repair.names), raised_by_triggers(error)
        return refusals.statement_failed(step, names, message(error), sqlstate(error), by_triggers=by_triggers)


def _violated(step: Step, error: Error) -> ViolationQuery | None:
    """Return the step's violation query, if it finds the rows that cause such an error."""
    return step.violations if step.violations is not None and sqlstate(error) in step.violations.sqlstates else None


def _connection_was_lost(step: Step, error: Error) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to the database was lost in the step {step.table}: {step.reason} ({message(error)}). No data is"
        " lost. Run migrate again: it continues from the schema that it finds."
    )
