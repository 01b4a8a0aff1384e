"""Other sessions, by what they lock and which session they block; and settings of this one, which are always restored."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Lock
from ..schema import catalog

#: The last setting exists since PostgreSQL 17.
_NO_TIMEOUTS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}

_MAX_QUERY_LENGTH = 80

Parameters = list[Any] | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """Another session, or a prepared transaction. `age` is that of its transaction, or else of its state, in seconds.

    The server hides state, age and query from roles that are neither members of the session's `role` nor of
    pg_read_all_stats: then they are empty and None. A process of the server has no role, and `process` says what it is. A
    prepared transaction, which belongs to no session, has the pid 0, and the commands that end it as its `query`.
    `holds_snapshot`: it is in the way by its snapshot, whichever tables it uses.
    """

    pid: int
    state: str
    age: float | None
    application: str
    query: str
    role: str = ""
    process: str = ""
    holds_snapshot: bool = False

    def __str__(self) -> str:
        if not self.pid:
            return f"a prepared transaction, {self.age or 0:.0f} s old: {self._short_query}"
        name = f" ({self.application})" if self.application else ""
        snapshot = ", by its snapshot, which is older than the index" if self.holds_snapshot else ""
        query = f": {self._short_query}" if self.query else ""
        return f"pid {self.pid}{name}, {self._activity}{snapshot}{query}"

    @property
    def _activity(self) -> str:
        if self.state:
            return self.state if self.age is None else f"{self.state} for {self.age:.0f} s"
        if self.process:
            return f"{self.process} of the server"
        owner = f"a session of the role {self.role}, " if self.role else ""
        return f"{owner}state and query hidden"

    @property
    def _short_query(self) -> str:
        query = " ".join(self.query.split())
        return query if len(query) <= _MAX_QUERY_LENGTH else f"{query[:_MAX_QUERY_LENGTH]}…"


# A process of the server has no role. What it does is hidden from most roles, and that it is a VACUUM or an ANALYZE is not.
_SESSION = """
    SELECT DISTINCT a.pid, coalesce(a.state, ''),
           extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start))::float,
           coalesce(a.application_name, ''), coalesce(nullif(a.query, '<insufficient privilege>'), ''),
           coalesce(a.usename, ''),
           CASE WHEN a.usesysid IS NOT NULL THEN ''
                WHEN a.pid IN (SELECT pid FROM pg_stat_progress_vacuum UNION ALL SELECT pid FROM pg_stat_progress_analyze)
                THEN 'an autovacuum worker' ELSE coalesce(a.backend_type, 'a process') END
    FROM pg_stat_activity a
"""


# The locks of a prepared transaction have no pid. One of them is on its own transaction ID, which identifies it.
_PREPARED = """
    SELECT DISTINCT 0, '', extract(epoch FROM clock_timestamp() - p.prepared)::float, '',
           format('COMMIT PREPARED %%1$L or ROLLBACK PREPARED %%1$L ends it', p.gid)
    FROM pg_prepared_xacts p
"""

# A lock on an index of a relation, or on a sequence of one of its columns, is in the way as well.
_LOCKED = f"""
    l.granted AND l.locktype = 'relation' AND l.mode = ANY (%(modes)s)
    AND l.database = {catalog.THIS_DATABASE}
    AND l.relation IN (
        WITH named AS ({catalog.NAMED_RELATIONS.format(names="%(relations)s")})
        SELECT oid FROM named
        UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM named)
        UNION ALL SELECT objid FROM pg_depend WHERE deptype IN ('a', 'i') AND classid = 'pg_class'::regclass
            AND refclassid = 'pg_class'::regclass AND refobjid IN (SELECT oid FROM named)
    )
"""

#: The modes of table locks, from weak to strong, each with those that conflict with it.
#: https://www.postgresql.org/docs/current/explicit-locking.html
_CONFLICTS = {
    "AccessShareLock": "8",
    "RowShareLock": "78",
    "RowExclusiveLock": "5678",
    "ShareUpdateExclusiveLock": "45678",
    "ShareLock": "34678",
    "ShareRowExclusiveLock": "345678",
    "ExclusiveLock": "2345678",
    "AccessExclusiveLock": "12345678",
}


def conflicting_modes(lock: Lock) -> list[str]:
    """Return the modes of pg_locks that conflict with a lock."""
    modes = list(_CONFLICTS)
    name = "".join(word.capitalize() for word in lock.split()) + "Lock"
    return [modes[int(number) - 1] for number in _CONFLICTS[name]]


def lock_holders(connection: BaseDatabaseWrapper, relations: Iterable[str], lock: Lock | None = None) -> list[Session]:
    """Return what holds a lock on any of `relations` (quoted names): prepared transactions, then other sessions.

    With `lock`, only those whose locks conflict with it, if there are any.
    """
    parameters = {"relations": list(relations), "modes": list(_CONFLICTS)}
    if lock is not None:
        conflicting = _lock_holders(connection, {**parameters, "modes": conflicting_modes(lock)})
        if conflicting:
            return conflicting
    return _lock_holders(connection, parameters)


def _lock_holders(connection: BaseDatabaseWrapper, parameters: dict[str, Any]) -> list[Session]:
    session = f"JOIN pg_locks l ON l.pid = a.pid AND {_LOCKED} WHERE a.pid <> pg_backend_pid() ORDER BY 3 DESC"
    prepared = f"""
        JOIN pg_locks l ON l.pid IS NULL AND {_LOCKED}
        JOIN pg_locks t ON t.pid IS NULL AND t.locktype = 'transactionid' AND t.transactionid = p.transaction
                       AND t.virtualtransaction = l.virtualtransaction
    """
    return [*_read_prepared(connection, prepared, parameters), *read_sessions(connection, session, parameters)]


def locked_relations(connection: BaseDatabaseWrapper, relations: Iterable[str], lock: Lock) -> list[str]:
    """Return the names of those of `relations` (quoted names) on which a lock is held that conflicts with `lock`."""
    sql = f"""
        SELECT DISTINCT l.relation::regclass::text FROM pg_locks l
        WHERE l.pid IS DISTINCT FROM pg_backend_pid() AND {_LOCKED}
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, {"relations": list(relations), "modes": conflicting_modes(lock)})
        return sorted(name for (name,) in cursor.fetchall())


def in_the_way(connection: BaseDatabaseWrapper, relations: Iterable[str], lock: Lock) -> list[Session]:
    """Return what holds locks on `relations` (quoted names); or else all that may hold one on something else."""
    return lock_holders(connection, relations, lock) or open_transactions(connection)


def open_transactions(connection: BaseDatabaseWrapper) -> list[Session]:
    """Return all that could be in the way in this database: its prepared transactions, and its sessions in transactions."""
    prepared = "WHERE p.database = current_database()"
    session = """
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL
               OR a.pid IN (SELECT pid FROM pg_locks WHERE granted AND locktype IN ('relation', 'object')))
        ORDER BY 3 DESC
    """
    return [*_read_prepared(connection, prepared, []), *read_sessions(connection, session, [])]


def snapshot_holders(connection: BaseDatabaseWrapper) -> list[Session]:
    """Return the sessions of this database whose snapshots a concurrent build waits for; the oldest comes first.

    The snapshots of other databases, of vacuums, of standbys and of replication slots don't keep a build waiting, and a
    prepared transaction has none.
    """
    session = """
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL
          AND a.pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
        ORDER BY 3 DESC
    """
    return [replace(found, holds_snapshot=True) for found in read_sessions(connection, session, [])]


def blocking_sessions(connection: BaseDatabaseWrapper, pid: int) -> list[Session]:
    """Return the sessions for which the session `pid` waits now; if one is a prepared transaction, all of the database."""
    prepared = "WHERE database = current_database() AND 0 = ANY (pg_blocking_pids(%s))"
    session = "WHERE a.pid = ANY (pg_blocking_pids(%s)) ORDER BY 3 DESC"
    return [*_read_prepared(connection, prepared, [pid]), *read_sessions(connection, session, [pid])]


def read_sessions(connection: BaseDatabaseWrapper, clauses: str, parameters: Parameters) -> list[Session]:
    """Return the sessions of pg_stat_activity (alias `a`) that these JOIN and WHERE clauses select."""
    return _fetch(connection, _SESSION + clauses, parameters)


def _read_prepared(connection: BaseDatabaseWrapper, clauses: str, parameters: Parameters) -> list[Session]:
    return _fetch(connection, _PREPARED + clauses, parameters)


def _fetch(connection: BaseDatabaseWrapper, sql: str, parameters: Parameters) -> list[Session]:
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
