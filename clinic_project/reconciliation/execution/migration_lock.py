"""The lock that lets one session at a time migrate a schema. Schemas beside each other are migrated side by side."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import ConnectionLost
from ..sqlstates import connection_lost
from .locks import sleep_with_jitter
from .sessions import Session, has_ended, read_sessions

#: The first number of the advisory lock of a migrating session ("migr" in ASCII). The second is the schema's OID.
MIGRATION_LOCK = 0x6D696772

#: The pause between two attempts, in seconds.
PAUSE = 0.4


@contextmanager
def migration_lock(
    connection: BaseDatabaseWrapper, budget: float, waiting: Callable[[Session], None]
) -> Iterator[None]:
    """Hold the migration lock of the schema that is first on the search path.

    Raises TimeoutError after `budget` seconds, whose text names the sessions that hold it.

    1. Poll for it, outside of any transaction: waiting inside pg_advisory_lock() would hold a snapshot, for which the
       holder's concurrent index builds would wait in turn. Call `waiting` once with each session that holds it.
    2. While it is held, prevent Django from reconnecting: the new session wouldn't hold the lock.
    3. Release it. PostgreSQL also releases it when the session ends.
    """
    schema = _current_schema(connection)
    _acquire(connection, schema, time.monotonic() + budget, waiting)
    try:
        with _without_reconnecting(connection):
            yield
    finally:
        _release(connection, schema)


def _current_schema(connection: BaseDatabaseWrapper) -> int:
    """Return the OID of the schema that is first on the search path, 0 where none of them exists."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce((SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0)")
        return int(cursor.fetchone()[0])


def _acquire(connection: BaseDatabaseWrapper, schema: int, deadline: float, waiting: Callable[[Session], None]) -> None:
    announced: set[int] = set()
    while not _try_to_acquire(connection, schema):
        holders = _holders(connection, schema)
        if time.monotonic() > deadline:
            raise TimeoutError("; ".join(map(str, holders)))
        for session in holders:
            if session.pid not in announced:
                announced.add(session.pid)
                waiting(session)
        sleep_with_jitter(PAUSE)


def _try_to_acquire(connection: BaseDatabaseWrapper, schema: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s::oid::int)", [MIGRATION_LOCK, schema])
        return bool(cursor.fetchone()[0])


def _holders(connection: BaseDatabaseWrapper, schema: int) -> list[Session]:
    clauses = """
        JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.locktype = 'advisory'
        WHERE l.classid = %s AND l.objid = %s AND l.objsubid = 2
          AND a.datname = current_database()
    """
    return read_sessions(connection, clauses, [MIGRATION_LOCK, schema])


@contextmanager
def _without_reconnecting(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Raise ConnectionLost where Django would reconnect, as it does silently after a failed ROLLBACK."""

    def refuse() -> None:
        raise ConnectionLost(
            "The connection to the database was lost, and with it the lock that lets one session migrate at a time. No data"
            " is lost. Run migrate again: it continues from the schema that it finds."
        )

    connection.connect = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connection.connect


def _release(connection: BaseDatabaseWrapper, schema: int) -> None:
    if has_ended(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s::oid::int)", [MIGRATION_LOCK, schema])
    except Error as error:
        if not connection_lost(error):
            raise
