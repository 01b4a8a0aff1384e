"""Other sessions, by what they lock and which session they block; and settings of this one, which are always restored."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

#: The last setting exists since PostgreSQL 17.
_NO_TIMEOUTS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}

_MAX_QUERY_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Session:
    """Another session, or a prepared transaction. `age` is that of its transaction, or else of its state, in seconds.

    The server hides state and age from roles that may not read them: then they are empty and None. A prepared transaction,
    which belongs to no session, has the pid 0, and the commands that end it as its `query`.
    """

    pid: int
    state: str
    age: float | None
    application: str
    query: str

    def __str__(self) -> str:
        query = " ".join(self.query.split())
        shown = query if len(query) <= _MAX_QUERY_LENGTH else f"{query[:_MAX_QUERY_LENGTH]}…"
        if not self.pid:
            return f"a prepared transaction, {self.age:.0f} s old: {shown}"
        name = f" ({self.application})" if self.application else ""
        duration = "" if self.age is None else f" for {self.age:.0f} s"
        return f"pid {self.pid}{name}, {self.state or 'state hidden'}{duration}: {shown or 'query hidden'}"


_SESSION = """
    SELECT DISTINCT a.pid, coalesce(a.state, ''),
           extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start))::float,
           a.application_name, coalesce(a.query, '')
    FROM pg_stat_activity a
"""


# The locks of a prepared transaction have no pid. One of them is on its own transaction ID, which identifies it.
_PREPARED = """
    SELECT DISTINCT 0, '', extract(epoch FROM clock_timestamp() - p.prepared)::float, '',
           format('COMMIT PREPARED %%1$L or ROLLBACK PREPARED %%1$L ends it', p.gid)
    FROM pg_prepared_xacts p
"""


def lock_holders(connection: BaseDatabaseWrapper, relations: Iterable[str]) -> list[Session]:
    """Return what holds a lock on any of `relations` (quoted names): prepared transactions, then other sessions."""
    session = """
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
    return [*_read_prepared(connection, prepared, names), *read_sessions(connection, session, names)]


def blocking_sessions(connection: BaseDatabaseWrapper, pid: int) -> list[Session]:
    """Return the sessions for which the session `pid` waits now; if one is a prepared transaction, all of the database."""
    prepared = "WHERE database = current_database() AND 0 = ANY (pg_blocking_pids(%s))"
    session = "WHERE a.pid = ANY (pg_blocking_pids(%s)) ORDER BY 3 DESC"
    return [*_read_prepared(connection, prepared, [pid]), *read_sessions(connection, session, [pid])]


def read_sessions(connection: BaseDatabaseWrapper, clauses: str, parameters: list[Any]) -> list[Session]:
    """Return the sessions of pg_stat_activity (alias `a`) that these JOIN and WHERE clauses select."""
    return _fetch(connection, _SESSION + clauses, parameters)


def _read_prepared(connection: BaseDatabaseWrapper, clauses: str, parameters: list[Any]) -> list[Session]:
    return _fetch(connection, _PREPARED + clauses, parameters)


def _fetch(connection: BaseDatabaseWrapper, sql: str, parameters: list[Any]) -> list[Session]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Session(*row) for row in cursor.fetchall()]


def without_timeouts(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Turn off the timeouts of the role or the database, which are meant for an application's queries."""
    return session_settings(connection, **_NO_TIMEOUTS)


@contextmanager
def session_settings(connection: BaseDatabaseWrapper, **values: str) -> Iterator[None]:
    """Set those of these parameters that the server has, for this session, and restore them afterwards."""
    with connection.cursor() as cursor:
        names = list(values)
        cursor.execute("SELECT " + ", ".join("current_setting(%s, true)" for _ in names), names)
        known = zip(names, cursor.fetchone(), strict=True)
        before = {name: value for name, value in known if value is not None}
    _set(connection, {name: values[name] for name in before})
    try:
        yield
    finally:
        if not has_ended(connection):
            _set(connection, before)


def has_ended(connection: BaseDatabaseWrapper) -> bool:
    """Whether the session is known to have ended, with its settings and locks."""
    return connection.connection is None or bool(connection.connection.closed)


def _set(connection: BaseDatabaseWrapper, values: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        calls = ", ".join("set_config(%s, %s, false)" for _ in values)
        cursor.execute(f"SELECT {calls}", [part for pair in values.items() for part in pair])
