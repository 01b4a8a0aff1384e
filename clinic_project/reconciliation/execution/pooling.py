"""Detects a pooler that assigns a session to a client for one transaction only.

The migration lock, the timeouts and the concurrent builds require a session of their own. PgBouncer's session pooling
assigns one to a client until it disconnects, its transaction pooling until the transaction ends
(https://www.pgbouncer.org/features.html).
"""

import threading
from contextlib import suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import Unsupported

#: Seconds that the second client waits for a session; where each client has its own, there may be none left.
SESSION_TIMEOUT = 3.0


def require_own_session(connection: BaseDatabaseWrapper) -> None:
    """Raise Unsupported if the session may change from transaction to transaction."""
    if _pid(connection) == _pid_at_login(connection):
        return  # no pooler: it would have sent another pid at login
    if _session_is_shared(connection):
        raise Unsupported(
            "Expected a database session of its own, found a pooler that assigns it to another client after each"
            " transaction (PgBouncer's pool_mode = transaction). For migrate and reconcile, let the setting"
            f' DATABASES["{connection.alias}"] name the server itself, or a pool with pool_mode = session.'
        )


def _pid(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _pid_at_login(connection: BaseDatabaseWrapper) -> int:
    return int(connection.connection.info.backend_pid)


def _session_is_shared(connection: BaseDatabaseWrapper) -> bool:
    """Whether a second client, which is in a transaction, gets the first one's session, or the first one gets another.

    Poolers assign the session that was used last, or each in turn: in the latter case the first client's changes.
    """
    before = _pid(connection)
    second = _SecondClient(connection)
    second.start()
    try:
        return second.pid() == before or _pid(connection) != before
    finally:
        second.stop()


class _SecondClient(threading.Thread):
    """Another client of the same pooler, in a transaction until it is stopped."""

    def __init__(self, first: BaseDatabaseWrapper) -> None:
        super().__init__(daemon=True)
        self._first = first
        self._pid: int | None = None
        self._connected, self._stopping = threading.Event(), threading.Event()

    def run(self) -> None:
        connection = self._first.copy()  # here, since a connection belongs to the thread that creates it
        with suppress(Error):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    self._pid = _pid(connection)
                    self._connected.set()
                    self._stopping.wait()
                    cursor.execute("ROLLBACK")
            finally:
                connection.close()

    def pid(self) -> int | None:
        """Return the pid of its session, or None if it got none in time: then each client has its own."""
        self._connected.wait(SESSION_TIMEOUT)
        return self._pid

    def stop(self) -> None:
        self._stopping.set()
