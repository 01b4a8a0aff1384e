"""Other sessions, and this one's settings: who holds what, who migrates, and timeouts that are always put back."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import ReconciliationError
from ..sqlstates import connection_lost

#: The advisory lock that a migrating session holds. The numbers only have to be this project's own.
MIGRATION_LOCK = (0x636C696E, 0x6D696772)

#: The last one is PostgreSQL 17's.
_NO_TIMEOUTS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}

_LONGEST_QUERY = 80


@dataclass(frozen=True, slots=True)
class Session:
    """Another session: `age` is that of its transaction, or of its state where it has none, in seconds.

    A prepared transaction, which no session has any more, has the pid 0, and the command that would end it as `query`.
    """

    pid: int
    state: str
    age: float
    application: str
    query: str

    def __str__(self) -> str:
        query = " ".join(self.query.split())
        shown = query if len(query) <= _LONGEST_QUERY else f"{query[:_LONGEST_QUERY]}…"
        if not self.pid:
            return f"a prepared transaction, {self.age:.0f} s old: {shown}"
        name = f" ({self.application})" if self.application else ""
        return f"pid {self.pid}{name}, {self.state or 'state hidden'} for {self.age:.0f} s: {shown or 'query hidden'}"


_SESSION = """
    SELECT DISTINCT a.pid, coalesce(a.state, ''),
           extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start))::float,
           a.application_name, coalesce(a.query, '')
    FROM pg_stat_activity a
"""


# The locks of a prepared transaction have no pid; one of them is on its own number.
_PREPARED = """
    SELECT DISTINCT 0, '', extract(epoch FROM clock_timestamp() - p.prepared)::float, '',
           format('COMMIT PREPARED %%1$L or ROLLBACK PREPARED %%1$L ends it', p.gid)
    FROM pg_prepared_xacts p
"""


def holders(connection: BaseDatabaseWrapper, relations: Iterable[str]) -> list[Session]:
    """Return those that hold a lock on any of `relations` (quoted names): prepared transactions, then other sessions."""
    condition = """
        JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.locktype = 'relation'
        WHERE l.relation = ANY (SELECT to_regclass(name)::oid FROM unnest(%s::text[]) AS name)
          AND a.pid <> pg_backend_pid()
        ORDER BY 3 DESC
    """
    prepared = """
        JOIN pg_locks l ON l.pid IS NULL AND l.locktype = 'relation'
        JOIN pg_locks t ON t.pid IS NULL AND t.locktype = 'transactionid' AND t.transactionid = p.transaction
                       AND t.virtualtransaction = l.virtualtransaction
        WHERE l.relation = ANY (SELECT to_regclass(name)::oid FROM unnest(%s::text[]) AS name)
    """
    names = [list(relations)]
    return [*_sessions(connection, _PREPARED + prepared, names), *_sessions(connection, _SESSION + condition, names)]


def blockers(connection: BaseDatabaseWrapper, pid: int) -> list[Session]:
    """Return the sessions that the one of `pid` waits for now; for a prepared transaction, all that are in the database."""
    return [
        *_sessions(
            connection, _PREPARED + "WHERE database = current_database() AND 0 = ANY (pg_blocking_pids(%s))", [pid]
        ),
        *_sessions(connection, _SESSION + "WHERE a.pid = ANY (pg_blocking_pids(%s)) ORDER BY 3 DESC", [pid]),
    ]


def _sessions(connection: BaseDatabaseWrapper, sql: str, parameters: list[Any]) -> list[Session]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Session(*row) for row in cursor.fetchall()]


@contextmanager
def settings_of_session(connection: BaseDatabaseWrapper, **values: str) -> Iterator[None]:
    """Set configuration parameters of this session, as far as its server has them, and put them back, whatever happens."""
    with connection.cursor() as cursor:
        names = list(values)
        cursor.execute("SELECT " + ", ".join("current_setting(%s, true)" for _ in names), names)
        known = zip(names, cursor.fetchone(), strict=True)
        before = {name: value for name, value in known if value is not None}
        _set(connection, {name: values[name] for name in before})
        try:
            yield
        finally:
            if not _is_gone(connection):
                _set(connection, before)


def _is_gone(connection: BaseDatabaseWrapper) -> bool:
    """Whether the session is known to have ended; it took its settings and locks with it."""
    return connection.connection is None or bool(connection.connection.closed)


def _set(connection: BaseDatabaseWrapper, values: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        calls = ", ".join("set_config(%s, %s, false)" for _ in values)
        cursor.execute(f"SELECT {calls}", [part for pair in values.items() for part in pair])


def without_timeouts(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Set those of the role or the database aside: they are for its queries, not for a count of all rows or a build."""
    return settings_of_session(connection, **_NO_TIMEOUTS)


@contextmanager
def migration_lock(
    connection: BaseDatabaseWrapper, budget: float, waiting: Callable[[Session], None]
) -> Iterator[None]:
    """Hold the lock that lets one session migrate at a time.

    It is asked for again and again, outside of any transaction: waiting inside pg_advisory_lock() would hold a snapshot,
    for which the holder's concurrent index builds would wait in turn. The lock ends with the session, however that does.

    `waiting` is called with the session that migrates, once for each. Raises TimeoutError after `budget` seconds.
    """
    deadline = time.monotonic() + budget
    announced: set[int] = set()
    while not _try_lock(connection):
        if time.monotonic() > deadline:
            raise TimeoutError
        for session in _migrating(connection):
            if session.pid not in announced:
                announced.add(session.pid)
                waiting(session)
        time.sleep(random.uniform(0.1, 0.4))  # noqa: S311
    try:
        with _never_replaced(connection):
            yield
    finally:
        _unlock(connection)


@contextmanager
def _never_replaced(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Raise ReconciliationError where Django would connect anew: the lock went with the session that is gone.

    Django does so without a word after a ROLLBACK that found nobody to talk to.
    """

    def refuse() -> None:
        raise ReconciliationError(
            "The connection to the database was lost, and with it the lock by which one session migrates at a time."
            " Nothing is lost; run it again: it starts from what is there."
        )

    connection.connect = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connection.connect


def _try_lock(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", MIGRATION_LOCK)
        return bool(cursor.fetchone()[0])


def _unlock(connection: BaseDatabaseWrapper) -> None:
    if _is_gone(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", MIGRATION_LOCK)
    except Error as error:
        if not connection_lost(error):
            raise


def _migrating(connection: BaseDatabaseWrapper) -> list[Session]:
    condition = """
        JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.locktype = 'advisory'
        WHERE l.classid = %s AND l.objid = %s AND l.objsubid = 2
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    return _sessions(connection, _SESSION + condition, list(MIGRATION_LOCK))
