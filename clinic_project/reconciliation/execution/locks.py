"""How a step gets its locks, so that those who use the tables hardly notice: short lock timeouts, and retries."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import Budgets, milliseconds
from ..planning.plan import Step
from ..sqlstates import TRY_AGAIN, sqlstate
from .abandonment import locked
from .reporter import Reporter
from .sessions import lock_holders

#: Seconds between an attempt and the next one: the first pause, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

#: The lock timeout of the first attempts, in seconds: writers queue behind one that waits for a lock, and where they are
#: all that holds it, so much is enough.
FIRST_LOCK_TIMEOUT = 0.05

_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

_WAIT_FOR_AUTOVACUUM = """
    SELECT set_config('lock_timeout', (2000 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::int::text,
                      true)
"""

T = TypeVar("T")


def backoff() -> Iterator[float]:
    """Yield the pause after each attempt, in seconds, without end: each twice the one before, up to the longest."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)


def attempt_lock_timeout(pause: float, longest: float) -> float:
    """Return how long an attempt waits for a lock, in seconds: a tenth of the pause that comes after it.

    So writers are kept waiting for a tenth of the time, and by no attempt for more than `longest` seconds.
    """
    return min(max(FIRST_LOCK_TIMEOUT, pause / 10), longest)


class LockRetry:
    """Tries again for locks, with short timeouts and growing pauses, until the lock budget is used up."""

    def __init__(self, connection: BaseDatabaseWrapper, budgets: Budgets, reporter: Reporter) -> None:
        self.connection = connection
        self.budgets = budgets
        self.reporter = reporter
        #: Of the attempt that is under way, or was the last, in seconds.
        self.lock_timeout = attempt_lock_timeout(FIRST_PAUSE, budgets.lock_timeout)

    def until_granted(self, step: Step, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it gets the step's locks.

        1. Attempt it with this attempt's lock timeout, which grows with the pauses.
        2. Where a lock was not granted in time, or in a deadlock, let all who queue for the lock pass: pause, with
           jitter, and try again.
        3. Raises RepairAbandoned, naming the lock holders, where the budget would end before the next attempt.

        Any other django.db.Error of the attempt is raised as it is.
        """
        deadline = time.monotonic() + self.budgets.lock_budget
        pauses = backoff()
        while True:
            pause = next(pauses)
            self.lock_timeout = attempt_lock_timeout(pause, self.budgets.lock_timeout)
            try:
                return attempt()
            except Error as error:
                if sqlstate(error) not in TRY_AGAIN:
                    raise
            holders = lock_holders(self.connection, step.relations)
            if time.monotonic() + pause > deadline:
                raise locked(step, self.budgets.lock_budget, holders)
            self.reporter.waiting(step, holders)
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    @contextmanager
    def transaction(self, *tables: str) -> Iterator[Any]:
        """Give a cursor in a transaction whose statements wait for a lock no longer than the attempt's lock timeout.

        1. Whatever the role's default, each statement sees what was committed before it, while it waited for a lock too.
        2. Lock `tables` (quoted names) against maintenance, for which no writer waits: all of them before the first
           statement, which may block the writers of one while it waits for another. PostgreSQL cancels an autovacuum that
           holds a lock, but only for one who has waited for the deadlock timeout, which is longer than ours.
        3. Set the attempt's lock timeout for all that follows.
        """
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(_READ_COMMITTED)
            for table in _lockable(cursor, tables):
                cursor.execute(f"{_WAIT_FOR_AUTOVACUUM}; LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE")
            cursor.execute(self._set_lock_timeout)
            yield cursor

    def in_one_message(self, statement: str) -> str:
        """Return the statement and what `transaction` sets before it, to be sent as one message, which is a transaction.

        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
        """
        return f"{_READ_COMMITTED}; {self._set_lock_timeout}; {statement}"

    @property
    def _set_lock_timeout(self) -> str:
        return f"SELECT set_config('lock_timeout', '{milliseconds(self.lock_timeout)}', true)"


def _lockable(cursor: Any, tables: tuple[str, ...]) -> list[str]:
    """Return those of `tables` that this role may lock: to point a foreign key at one, REFERENCES on it is enough."""
    if not tables:
        return []
    cursor.execute(
        "SELECT name FROM unnest(%s) AS name WHERE has_table_privilege(name, 'UPDATE, DELETE, TRUNCATE')",
        [list(dict.fromkeys(tables))],
    )
    return [name for (name,) in cursor.fetchall()]
