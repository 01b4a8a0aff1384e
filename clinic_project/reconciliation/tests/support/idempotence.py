"""The assertion that a `migrate` changes nothing at all."""

import contextlib
from collections.abc import Iterator
from typing import Any

from .catalog import row_versions
from .databases import Database


def assert_changes_nothing(database: Database, *arguments: str) -> None:
    """Migrate with `arguments`, and fail if a row of a table or of a catalog changed, or any DDL was committed."""
    with _ddl_recorded(database):
        catalog, rows = row_versions(database), _data_versions(database)
        outcome = database.migrate(*arguments)
        assert outcome.status == 0, outcome.printed
        assert database.rows("SELECT tag FROM audit.ddl") == []
        assert row_versions(database) ^ catalog == set()
        assert _data_versions(database) == rows


@contextlib.contextmanager
def _ddl_recorded(database: Database) -> Iterator[None]:
    """Write each DDL statement into audit.ddl. Those that are rolled back leave no row there."""
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
    """Return the versions of every table's rows: they change even by an UPDATE to the same values."""
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
