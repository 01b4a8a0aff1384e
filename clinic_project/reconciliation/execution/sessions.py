"""Other sessions, by what they lock and whom they block; and the settings of this one, which are always put back."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

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
    """Another session. `age` is that of its transaction, or of its state where it has none, in seconds.

    From roles that may not read them, the server hides state and age: they are empty and None then. A prepared transaction,
    which no session has any more, has the pid 0, and the command that would end it as `query`.
    """

    pid: int
    state: str
    age: float | None
    application: str
    query: str

    def __str__(self) -> str:
        query = " ".join(self.query.split())
        shown = query if len(query) <= _LONGEST_QUERY else f"{query[:_LONGEST_QUERY]}…"
        if not self.pid:
            return f"a prepared transaction, {self.age:.0f} s old: {shown}"
        name = f" ({self.application})" if self.application else ""
        lasting = "" if self.age is None else f" for {self.age:.0f} s"
        return f"pid {self.pid}{name}, {self.state or 'state hidden'}{lasting}: {shown or 'query hidden'}"


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


def lock_holders(connection: BaseDatabaseWrapper, relations: Iterable[str]) -> list[Session]:
    """Return those that hold a lock on any of `relations` (quoted names): prepared transactions, then other sessions."""
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
    """Return the sessions that the one of `pid` waits for now; for a prepared transaction, all that are in the database."""
    prepared = "WHERE database = current_database() AND 0 = ANY (pg_blocking_pids(%s))"
    session = "WHERE a.pid = ANY (pg_blocking_pids(%s)) ORDER BY 3 DESC"
    return [*_read_prepared(connection, prepared, [pid]), *read_sessions(connection, session, [pid])]


def read_sessions(connection: BaseDatabaseWrapper, clauses: str, parameters: list[Any]) -> list[Session]:
    """Return the sessions that pg_stat_activity, as `a`, has after these JOIN and WHERE clauses."""
    return _fetch(connection, _SESSION + clauses, parameters)


def _read_prepared(connection: BaseDatabaseWrapper, clauses: str, parameters: list[Any]) -> list[Session]:
    return _fetch(connection, _PREPARED + clauses, parameters)


def _fetch(connection: BaseDatabaseWrapper, sql: str, parameters: list[Any]) -> list[Session]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Session(*row) for row in cursor.fetchall()]


def without_timeouts(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Turn off those of the role or the database: they are for its queries, not for a count of all rows or a build."""
    return session_settings(connection, **_NO_TIMEOUTS)


@contextmanager
def session_settings(connection: BaseDatabaseWrapper, **values: str) -> Iterator[None]:
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
        if not has_ended(connection):
            _set(connection, before)


def has_ended(connection: BaseDatabaseWrapper) -> bool:
    """Whether the session is known to have ended; its settings and locks went with it."""
    return connection.connection is None or bool(connection.connection.closed)


def _set(connection: BaseDatabaseWrapper, values: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        calls = ", ".join("set_config(%s, %s, false)" for _ in values)
        cursor.execute(f"SELECT {calls}", [part for pair in values.items() for part in pair])
