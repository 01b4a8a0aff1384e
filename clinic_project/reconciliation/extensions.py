"""Creates extensions again that recorded migrations created and that were dropped, and PL/pgSQL, which every database has at
first: functions of triggers are written in it."""

import time
from collections.abc import Iterable

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from .execution.reporter import Reporter
from .migration_files import created_extensions
from .planning import refusals
from .planning.plan import Lock, Refusal, Step
from .sqlstates import RETRYABLE, connection_lost, created_meanwhile, message, sqlstate

PLPGSQL = "plpgsql"


def restore_extensions(connection: BaseDatabaseWrapper, reporter: Reporter) -> tuple[Refusal, ...]:
    """Create what is missing. A role that is no superuser can create trusted ones; the others are refused.

    Without PL/pgSQL, all that is done here works as well: it isn't refused. Raises django.db.Error where it has to wait for
    another session that creates the same one, as for another schema of the database.
    """
    refused = []
    with reporter.under("Creating extensions again:"):
        for name in _missing(connection, [PLPGSQL, *_recorded(connection)]):
            try:
                _create(connection, name, reporter)
            except Error as error:
                if connection_lost(error) or sqlstate(error) in RETRYABLE or created_meanwhile(error):
                    raise
                if name != PLPGSQL:
                    refused.append(refusals.extension_missing(name, message(error)))
    return tuple(refused)


def extension_refusals(connection: BaseDatabaseWrapper) -> tuple[Refusal, ...]:
    """Return what restore_extensions() would refuse now, as far as the catalogs say. Nothing is changed."""
    missing = _missing(connection, _recorded(connection))
    if not missing:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT name FROM pg_available_extensions AS e
            WHERE current_setting('is_superuser')::bool
               OR has_database_privilege(current_database(), 'CREATE') AND EXISTS (
                   SELECT FROM pg_available_extension_versions AS v
                   WHERE (v.name, v.version) = (e.name, e.default_version) AND v.trusted)
            """
        )
        creatable = {name for (name,) in cursor.fetchall()}
    reason = "it isn't installed on the server, or this role may not create it"
    return tuple(refusals.extension_missing(name, reason) for name in missing if name not in creatable)


def _recorded(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the extensions that recorded migrations created."""
    by_migration = created_extensions()
    if not by_migration:
        return []
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted({name for key, names in by_migration.items() if key in applied for name in names})


def _missing(connection: BaseDatabaseWrapper, names: Iterable[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE name NOT IN (SELECT extname FROM pg_extension)",
            [list(names)],
        )
        return [name for (name,) in cursor.fetchall()]


def _create(connection: BaseDatabaseWrapper, name: str, reporter: Reporter) -> None:
    statement = refusals.create_extension(name)
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(statement)
    step = Step((statement,), name, Lock.ROW_EXCLUSIVE, "create the extension")
    reporter.finished(step, time.monotonic() - began, None)
