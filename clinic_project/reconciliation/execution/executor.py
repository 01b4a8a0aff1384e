"""Runs a plan's repairs, each step in its way, so that those who use the tables hardly notice.

A step that keeps writers out waits for its locks no longer than the lock timeout; then it lets them pass, and tries
again with backoff and jitter within a budget. A repair that can't go on is given up with a refusal, and the next one
begins.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn, TypeVar

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import Budgets, milliseconds
from ..exceptions import ReconciliationError
from ..planning.blockers import Undone
from ..planning.plan import Fill, Guard, Inquiry, Note, Plan, Refusal, Repair, Step
from ..sqlstates import (
    DEADLOCK_DETECTED,
    DUPLICATE_TABLE,
    LOCK_NOT_AVAILABLE,
    TRY_AGAIN,
    connection_lost,
    message,
    sqlstate,
)
from .build_monitor import watching_build
from .reporter import Reporter
from .sessions import holders, settings_of_session, without_timeouts

#: Backoff between tries for a lock, in seconds: from the first to the longest, each half of it at random.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

#: The refusal's code where PostgreSQL said no to a step.
STATEMENT_FAILED = "statement-failed"

#: The first tries for a lock take no longer, in seconds: writers queue behind one who waits for it, and where they are
#: all that is in the way, it is enough. Later tries take longer, but a tenth of the pause before them, up to the timeout.
FIRST_PATIENCE = 0.05

#: A fill looks at so many blocks at first, and at up to so many while it finds little to do.
FIRST_WINDOW, WIDEST_WINDOW = 32, 4096

#: The part of a batch that a window should hold: with more, many would hold more than one, and be looked at twice.
ALMOST_FULL = 0.9

#: The most blocks that a table has, or one of those that inherit from it, which a fill reaches as well.
_BLOCKS = """
    WITH RECURSIVE family (oid) AS (
        SELECT %s::regclass::oid UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = oid
    )
    SELECT coalesce(max(pg_relation_size(oid)), 0) / current_setting('block_size')::int FROM family
"""

_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

_WAIT_FOR_AUTOVACUUM = """
    SELECT set_config('lock_timeout', (2000 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::int::text,
                      true)
"""

T = TypeVar("T")


class GivenUp(Exception):
    """A repair can't go on."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))


@dataclass
class Executor:
    """Runs plans on one connection, in autocommit.

    `notes` gather what came up on the way; `given_up` the repairs that couldn't be finished, and why.
    """

    connection: BaseDatabaseWrapper
    budgets: Budgets
    reporter: Reporter
    given_up: list[tuple[Repair, Refusal]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    _patience: float = FIRST_PATIENCE

    def run(self, plan: Plan) -> None:
        """Run all repairs. Raises ReconciliationError if the connection is lost; the next run starts from there."""
        with without_timeouts(self.connection):
            undone, inquiries = self.undone(), []
            for repair in plan.repairs:
                if undone.holds_up(repair):
                    continue
                refusal = self._repair(repair)
                if refusal is not None:
                    undone.lack(refusal, repair.gives)
                elif repair.inquiry is not None:
                    inquiries.append(repair.inquiry)
            # Only now: an index that was built meanwhile may answer, where all rows had to be read before.
            for inquiry in inquiries:
                self._inquire(inquiry)

    def _repair(self, repair: Repair) -> Refusal | None:
        """Return why the repair was given up, if it was."""
        try:
            for step in repair.steps:
                self._step(repair, step)
        except GivenUp as given_up:
            self.given_up.append((repair, given_up.refusal))
            self.reporter.given_up(given_up.refusal)
            if repair.if_given_up is not None:
                self._clean_up(repair.if_given_up)
            return given_up.refusal
        return None

    def _clean_up(self, step: Step) -> None:
        """Try it once. What others don't let us have now is left to the next run."""
        try:
            self._in_transaction(*step.statements)
        except Error as error:
            # Django would connect anew, and the next repair run without the migration lock.
            if connection_lost(error):
                raise _lost(step, error) from error

    def undone(self) -> Undone:
        """Return what is lacking since its repairs were given up."""
        undone = Undone()
        for repair, refusal in self.given_up:
            undone.lack(refusal, repair.gives)
        return undone

    @property
    def refusals(self) -> list[Refusal]:
        return [refusal for _, refusal in self.given_up]

    def has_given_up(self, repair: Repair) -> bool:
        return any(
            other.table == repair.table and not set(other.names).isdisjoint(repair.names) for other, _ in self.given_up
        )

    def forget_failures(self) -> None:
        """Let repairs be tried once more that failed as statements: perhaps for want of what was repaired after them."""
        self.given_up = [(repair, refusal) for repair, refusal in self.given_up if refusal.code != STATEMENT_FAILED]

    def _inquire(self, inquiry: Inquiry) -> None:
        count = self._one_row(inquiry.sql)[0]
        if count:
            self.notes.append(inquiry.note(count))

    def _step(self, repair: Repair, step: Step) -> None:
        began = time.monotonic()
        self.reporter.started(step)
        try:
            if step.check_first and step.guard is not None:
                self._see_no_rows(step.guard)
            rows = self._run(step)
        except BaseException as error:
            # Whatever it is, an interrupt of the keyboard too: a bar that goes on would keep the terminal's cursor.
            self.reporter.failed(step)
            if not isinstance(error, Error):
                raise
            mend = _mend(step, error)
            if mend is None:
                self._give_up(repair, step, error)
            self._step(repair, mend)
            self._step(repair, replace(step, mend=None))
            return
        self.reporter.finished(step, time.monotonic() - began, rows)

    def _run(self, step: Step) -> int | None:
        if step.fill is not None:
            return self._fill(step, step.fill)
        if step.transactional:
            self.until_unlocked(step, lambda: self._in_transaction(*step.statements, first=step.relations))
        else:
            self._alone(step)
        return None

    # One kind of step each

    def _in_transaction(self, *statements: str, first: tuple[str, ...] = ()) -> None:
        with self.short_of_locks(*first) as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def short_of_locks(self, *tables: str) -> Iterator[Any]:
        """Give a cursor in a transaction whose statements wait for locks no longer than the lock timeout, or this try.

        `tables` are held against maintenance first, for which no writer waits: all of them before the first statement,
        which may keep the writers of one out while it waits for another. PostgreSQL ends an autovacuum that is in the
        way, but only for one who has waited for the deadlock timeout, which is longer than ours.

        Whatever the role's default, each statement sees what was committed before it, while it waited for its lock too.
        """
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(_READ_COMMITTED)
            for table in _lockable(cursor, tables):
                cursor.execute(f"{_WAIT_FOR_AUTOVACUUM}; LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE")
            cursor.execute(self._lock_timeout)
            yield cursor

    @property
    def _lock_timeout(self) -> str:
        patience = milliseconds(min(self._patience, self.budgets.lock_timeout))
        return f"SELECT set_config('lock_timeout', '{patience}', true)"

    def _alone(self, step: Step) -> None:
        """Run what can't be in a transaction: a concurrent build or drop.

        It waits for old transactions without keeping anyone waiting, so it has a budget of its own instead of the lock
        timeout. One that fails leaves an INVALID index, which costs every write: it doesn't stay.
        """
        deadline = time.monotonic() + self.budgets.build_budget
        while True:
            try:
                self._execute_alone(step)
            except Error as error:
                # Where the name was taken meanwhile, what has it now is somebody else's.
                if step.builds is not None and not connection_lost(error) and sqlstate(error) != DUPLICATE_TABLE:
                    self._drop_unfinished(step.builds)
                if sqlstate(error) == LOCK_NOT_AVAILABLE:
                    raise GivenUp(self._locked(step, self.budgets.build_budget)) from error
                if sqlstate(error) != DEADLOCK_DETECTED or time.monotonic() > deadline:
                    raise
            else:
                return

    def _execute_alone(self, step: Step) -> None:
        with (
            settings_of_session(self.connection, lock_timeout=milliseconds(self.budgets.build_budget)),
            watching_build(self.connection, step, self.reporter),
            self.connection.cursor() as cursor,
        ):
            cursor.execute(step.sql)

    def _drop_unfinished(self, index: str) -> None:
        with (
            # What kept the build waiting may still be there; then the next run drops it.
            suppress(Error),
            settings_of_session(self.connection, lock_timeout=milliseconds(self.budgets.lock_timeout)),
            self.connection.cursor() as cursor,
        ):
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")

    def _fill(self, step: Step, fill: Fill) -> int:
        """Fill a column and return how many rows it was.

        Rows that others change meanwhile may move to blocks that are added, so these are looked at as well, until some
        were added that hold none.
        """
        first, rows = 0, 0
        while True:
            (end,) = self._one_row(_BLOCKS, [fill.table])
            filled = self._fill_blocks(step, fill, first, end)
            rows += filled
            if end == first or (first > 0 and not filled):
                return rows
            first = end

    def _fill_blocks(self, step: Step, fill: Fill, first: int, end: int) -> int:
        """Fill by windows of blocks, a commit each.

        A window in which a whole batch was found is looked at again, by halves; the next one is wider if there was little
        to do. So memory stays flat, no batch is longer than another, and blocks without NULLs are passed over fast.
        """
        width, rows = FIRST_WINDOW, 0
        while first < end:
            batch = fill.batch(first, first + width, self.budgets.batch_rows)
            found, filled = self.until_unlocked(step, partial(self._fill_batch, batch))
            rows += filled
            # Where none was, a trigger takes the values back.
            if found < self.budgets.batch_rows or not filled:
                first += width
            width = _next_window(width, found / self.budgets.batch_rows)
            self.reporter.progressed(step, min(first, end), end)
        return rows

    def _fill_batch(self, batch: str) -> tuple[int, int]:
        """Fill in one message, whose statements are a transaction: in five, a tenth of a batch's time goes into messages.

        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
        """
        found, filled = self._one_row(f"{_READ_COMMITTED}; {self._lock_timeout}; {batch}")
        return found, filled

    # Waiting, and giving up

    def until_unlocked(self, step: Step, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it gets its locks. Raises GivenUp, showing who holds them, after the budget."""
        deadline = time.monotonic() + self.budgets.lock_budget
        pause = FIRST_PAUSE
        while True:
            self._patience = max(FIRST_PATIENCE, pause / 10)
            try:
                return attempt()
            except Error as error:
                if sqlstate(error) not in TRY_AGAIN:
                    raise
            if time.monotonic() + pause > deadline:
                raise GivenUp(self._locked(step, self.budgets.lock_budget))
            self.reporter.waiting(step, holders(self.connection, step.relations))
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    def _locked(self, step: Step, budget: float) -> Refusal:
        who = "; ".join(str(session) for session in holders(self.connection, step.relations)) or "nobody any more"
        return Refusal(
            "locked",
            step.table,
            step.table,
            f"to {step.reason}, expected a {step.lock} lock within {budget:g} s, found others in the way: {who}.",
            "Let these end, or end them (SELECT pg_terminate_backend(pid); a prepared transaction as is said of it), then"
            " run migrate again.",
        )

    def _give_up(self, repair: Repair, step: Step, error: Error) -> NoReturn:
        if connection_lost(error):
            raise _lost(step, error) from error
        guard = step.guard
        if guard is not None and sqlstate(error) in guard.sqlstates:
            # The rows may be of a table that this role may not read; then PostgreSQL's own words must do.
            with suppress(Error):
                self._see_no_rows(guard)
        raise GivenUp(statement_failed(step, ", ".join(repair.names), error)) from error

    def _see_no_rows(self, guard: Guard) -> None:
        refusal = ask(self.connection, guard)
        if refusal is not None:
            raise GivenUp(refusal)

    def _one_row(self, sql: str, parameters: list[Any] | None = None) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()


def _lockable(cursor: Any, tables: tuple[str, ...]) -> list[str]:
    """Return those of `tables` that this role may lock: to point a foreign key at one, REFERENCES on it is enough."""
    if not tables:
        return []
    cursor.execute(
        "SELECT name FROM unnest(%s) AS name WHERE has_table_privilege(name, 'UPDATE, DELETE, TRUNCATE')",
        [list(dict.fromkeys(tables))],
    )
    return [name for (name,) in cursor.fetchall()]


def statement_failed(step: Step, name: str, error: Error) -> Refusal:
    return Refusal(
        STATEMENT_FAILED,
        step.table,
        name,
        f"PostgreSQL refused to {step.reason}: {message(error)} (SQLSTATE {sqlstate(error)}) in: {step.sql}",
        "Settle what it says, then run migrate again.",
    )


def ask(connection: BaseDatabaseWrapper, guard: Guard) -> Refusal | None:
    """Return the refusal that the rows give cause for now, if any."""
    with connection.cursor() as cursor:
        cursor.execute(guard.sql)
        count, keys = cursor.fetchone()
    return guard.refusal(count, keys or "") if count else None


def _mend(step: Step, error: Error) -> Step | None:
    """Return what can be done about the rows that made the step fail, before it is tried once more."""
    foreseen = step.guard is not None and sqlstate(error) in step.guard.sqlstates
    return step.mend if foreseen else None


def _next_window(width: int, fullness: float) -> int:
    """Return how many blocks to look at next, to find nearly a batch, after so many held that part of one."""
    if fullness >= 1:
        return max(1, width // 2)
    wider = min(2.0, ALMOST_FULL / fullness) if fullness else 2.0
    return min(max(1, round(width * wider)), WIDEST_WINDOW)


def _lost(step: Step, error: Error) -> ReconciliationError:
    return ReconciliationError(
        f"The connection to the database was lost while it was asked to {step.reason} ({message(error)}). Nothing is"
        " lost; run migrate again: it starts from what is there."
    )
