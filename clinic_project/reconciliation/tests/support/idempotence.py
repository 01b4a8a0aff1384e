"""That a `migrate` changes nothing at all."""

import contextlib
from collections.abc import Iterator
from typing import Any

from .catalog import row_versions
from .databases import Database


def assert_changes_nothing(database: Database, *arguments: str) -> None:
    """Migrate with `arguments`, and fail if a row of a table or of a catalogue changed, or any DDL was committed."""
    with _ddl_recorded(database):
        catalogue, rows = row_versions(database), _data_versions(database)
        outcome = database.migrate(*arguments)
        assert outcome.status == 0, outcome.told
        assert database.rows("SELECT tag FROM audit.ddl") == []
        assert row_versions(database) ^ catalogue == set()
        assert _data_versions(database) == rows


@contextlib.contextmanager
def _ddl_recorded(database: Database) -> Iterator[None]:
    """Write each DDL statement that commits into audit.ddl: what is rolled back takes its line along."""
    database.execute(
        """CREATE SCHEMA audit;
           CREATE TABLE audit.ddl (tag text);
           CREATE FUNCTION audit.note() RETURNS event_trigger LANGUAGE plpgsql AS
               'BEGIN INSERT INTO audit.ddl VALUES (TG_TAG); END';
           CREATE EVENT TRIGGER audit_ddl ON ddl_command_end EXECUTE FUNCTION audit.note()"""
    )
    try:
        yield
    finally:
        database.execute("DROP EVENT TRIGGER audit_ddl", "DROP SCHEMA audit CASCADE")


def _data_versions(database: Database) -> dict[str, str]:
    """Return, for every table, the versions of its rows: an UPDATE that changes nothing shows, too."""
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT format('%I.%I', nspname, relname)
               FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'audit')"""
        )
        return dict(_versions_of(cursor, table) for (table,) in cursor.fetchall())


def _versions_of(cursor: Any, table: str) -> tuple[str, str]:
    cursor.execute(f"SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM {table}")
    return table, cursor.fetchone()[0]
