"""The lock that lets one session migrate at a time."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import ReconciliationError
from ..sqlstates import connection_lost
from .sessions import Session, has_ended, read_sessions

#: The advisory lock of a migrating session: two numbers that no other application uses ("clin", "migr" in ASCII).
MIGRATION_LOCK = (0x636C696E, 0x6D696772)

#: The shortest and the longest pause between two attempts, in seconds.
PAUSES = 0.1, 0.4


@contextmanager
def migration_lock(
    connection: BaseDatabaseWrapper, budget: float, waiting: Callable[[Session], None]
) -> Iterator[None]:
    """Hold the migration lock. Raises TimeoutError after `budget` seconds, whose text names the sessions that hold it.

    1. Poll for it, outside of any transaction: waiting inside pg_advisory_lock() would hold a snapshot, for which the
       holder's concurrent index builds would wait in turn. Call `waiting` once with each session that holds it.
    2. While it is held, prevent Django from reconnecting: the new session wouldn't hold the lock.
    3. Release it. PostgreSQL also releases it when the session ends.
    """
    _acquire(connection, time.monotonic() + budget, waiting)
    try:
        with _without_reconnecting(connection):
            yield
    finally:
        _release(connection)


def _acquire(connection: BaseDatabaseWrapper, deadline: float, waiting: Callable[[Session], None]) -> None:
    announced: set[int] = set()
    while not _try_to_acquire(connection):
        holders = _holders(connection)
        if time.monotonic() > deadline:
            raise TimeoutError("; ".join(map(str, holders)))
        for session in holders:
            if session.pid not in announced:
                announced.add(session.pid)
                waiting(session)
        time.sleep(random.uniform(*PAUSES))  # noqa: S311


def _try_to_acquire(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", MIGRATION_LOCK)
        return bool(cursor.fetchone()[0])


def _holders(connection: BaseDatabaseWrapper) -> list[Session]:
    clauses = """
        JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.locktype = 'advisory'
        WHERE l.classid = %s AND l.objid = %s AND l.objsubid = 2
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    return read_sessions(connection, clauses, [*MIGRATION_LOCK])


@contextmanager
def _without_reconnecting(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Raise ReconciliationError where Django would reconnect, as it does silently after a failed ROLLBACK."""

    def refuse() -> None:
        raise ReconciliationError(
            "The connection to the database was lost, and with it the lock that lets one session migrate at a time. No data"
            " is lost. Run migrate again: it continues from the schema that it finds."
        )

    connection.connect = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connection.connect


def _release(connection: BaseDatabaseWrapper) -> None:
    if has_ended(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", MIGRATION_LOCK)
    except Error as error:
        if not connection_lost(error):
            raise
