"""Finds out whether a pooler is in between, and whether it keeps a session for each client.

The migration lock, the timeouts and the concurrent builds belong to a session. PgBouncer's session pooling keeps one for
each client; its transaction pooling hands it to somebody else after every transaction
(https://www.pgbouncer.org/features.html).
"""

import threading
from contextlib import suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import Unsupported

#: Seconds that a second client may take to get a session; where each client keeps its own, there may be none left.
SESSION_TIMEOUT = 3.0


def require_own_session(connection: BaseDatabaseWrapper) -> None:
    """Raise Unsupported if the server session changes from transaction to transaction."""
    if _pid(connection) == _pid_at_login(connection):
        return  # no pooler: it would have sent a key of its own
    if _session_is_shared(connection):
        raise Unsupported(
            "Expected a database session of its own, found a pooler that gives it to others after each transaction"
            " (PgBouncer's pool_mode = transaction). Point DATABASE_URL, for migrate and reconcile, to the server itself,"
            " or to a pool with pool_mode = session."
        )


def _pid(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _pid_at_login(connection: BaseDatabaseWrapper) -> int:
    return int(connection.connection.info.backend_pid)


def _session_is_shared(connection: BaseDatabaseWrapper) -> bool:
    """Whether a second client, while it is in a transaction, has the session that the first one just used.

    Poolers hand out the session that was used last, or each in turn; in the latter case the first client's changes.
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
        connection = self._first.copy()  # here, since a connection belongs to the thread that makes it
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
        """Return its session's, or None if it got none in time: the sessions are all kept by their clients."""
        self._connected.wait(SESSION_TIMEOUT)
        return self._pid

    def stop(self) -> None:
        self._stopping.set()
