"""How a step gets its locks without blocking other sessions for long: short lock timeouts, and retries."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import Budgets, milliseconds
from ..planning.plan import Step
from ..schema import catalog
from ..sqlstates import RETRYABLE, sqlstate
from .abandonment import locked
from .reporter import Reporter
from .sessions import in_the_way

#: Seconds between two attempts: the first pause, and the longest.
INITIAL_PAUSE, MAX_PAUSE = 0.1, 5.0

#: The lock timeout of the first attempts, in seconds. Writers queue behind a session that waits for a lock; if only short
#: writes hold it, this is enough.
INITIAL_LOCK_TIMEOUT = 0.05

_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

_WAIT_FOR_AUTOVACUUM = """
    SELECT set_config('lock_timeout', (2000 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::int::text,
                      true)
"""

T = TypeVar("T")


def backoff() -> Iterator[float]:
    """Yield, without end, the pause after each attempt, in seconds: it doubles, up to MAX_PAUSE."""
    pause = INITIAL_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, MAX_PAUSE)


def sleep_with_jitter(pause: float) -> None:
    """Sleep for the pause, in seconds, or for a part of it, half of it at least: two sessions that met don't meet again."""
    time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret


def attempt_lock_timeout(pause: float, longest: float) -> float:
    """Return how long an attempt waits for a lock, in seconds: a tenth of the pause after it.

    So writers wait for a tenth of the time in all, and at most `longest` seconds at once.
    """
    return min(max(INITIAL_LOCK_TIMEOUT, pause / 10), longest)


class LockRetry:
    """Retries what needs a lock, with short lock timeouts and growing pauses, until the lock budget is used up."""

    def __init__(self, connection: BaseDatabaseWrapper, budgets: Budgets, reporter: Reporter) -> None:
        self.connection = connection
        self.budgets = budgets
        self.reporter = reporter
        #: The lock timeout of the present attempt, or of the last one, in seconds.
        self.lock_timeout = attempt_lock_timeout(INITIAL_PAUSE, budgets.lock_timeout)

    def until_granted(self, step: Step, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it gets the step's locks.

        1. Call it, with this attempt's lock timeout, which grows with the pauses.
        2. If a lock is not granted in time, or after a deadlock: pause, with jitter, so that the sessions that queue for it
           get the lock, and try again.

        Raises RepairAbandoned, with the lock holders, where the budget ends before the next attempt. Any other
        django.db.Error of the attempt is raised as it is.
        """
        deadline = time.monotonic() + self.budgets.lock_budget
        pauses = backoff()
        while True:
            pause = next(pauses)
            self.lock_timeout = attempt_lock_timeout(pause, self.budgets.lock_timeout)
            try:
                return attempt()
            except Error as error:
                if sqlstate(error) not in RETRYABLE:
                    raise
            holders = in_the_way(self.connection, step.relations, step.lock)
            if time.monotonic() + pause > deadline:
                raise locked(step, self.budgets.lock_budget, holders)
            self.reporter.waiting(step, holders)
            sleep_with_jitter(pause)

    @contextmanager
    def transaction(self, *tables: str) -> Iterator[Any]:
        """Yield a cursor in a transaction whose statements wait for a lock no longer than the attempt's lock timeout.

        1. Set READ COMMITTED, whatever the role's default: each statement sees what was committed while it waited.
        2. Lock `tables` (quoted names) in SHARE UPDATE EXCLUSIVE mode, which blocks maintenance and no writers. PostgreSQL
           cancels an autovacuum that holds a lock, but only after the deadlock timeout, which is longer than the attempt's
           lock timeout. All tables are locked before the first statement, so that none blocks the writers of one table
           while it waits for the autovacuum of another.
        3. Set the attempt's lock timeout for the statements that follow.
        """
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(_READ_COMMITTED)
            for table in _lockable(cursor, tables):
                cursor.execute(f"{_WAIT_FOR_AUTOVACUUM}; LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE")
            cursor.execute(self._set_lock_timeout)
            yield cursor

    def in_one_message(self, statement: str) -> str:
        """Return the statement with the attempt's lock timeout, for sending in one message, which is one transaction.

        It is READ COMMITTED where the session's are: SET TRANSACTION would tell Citus's workers the whole message.
        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
        """
        return f"{self._set_lock_timeout}; {statement}"

    @property
    def _set_lock_timeout(self) -> str:
        return f"SELECT set_config('lock_timeout', '{milliseconds(self.lock_timeout)}', true)"


def _lockable(cursor: Any, tables: tuple[str, ...]) -> list[str]:
    """Return those of `tables` that this role may lock. It may not lock a parent on which it only has REFERENCES."""
    if not tables:
        return []
    cursor.execute(
        f"SELECT name FROM ({catalog.NAMED_RELATIONS.format(names='%s')}) AS named"
        " WHERE has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE')",
        [list(dict.fromkeys(tables))],
    )
    return [name for (name,) in cursor.fetchall()]
