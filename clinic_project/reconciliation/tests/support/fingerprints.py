"""Fingerprints of tables' rows, to find out whether these are still the same."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .databases import Database

#: Tables that Django's own `migrate` writes to, and the history, to which the triggers add what is filled in.
_WRITTEN_TABLES = "('django_migrations', 'django_content_type', 'auth_permission', 'audit_history')"

#: From "table.column" to the value, as text, that its NULLs are backfilled with; None where any value will do.
Backfilled = Mapping[str, str | None]


class Table(NamedTuple):
    """A table by its name, and by its quoted name with its schema's."""

    name: str
    sql_name: str


class Fingerprint(NamedTuple):
    """The fingerprint of a table's rows in `columns`."""

    columns: tuple[str, ...]
    rows: int
    digest: str


Fingerprints = dict[Table, Fingerprint]


def fingerprints(database: Database, backfilled: Backfilled | None = None) -> Fingerprints:
    """Return the fingerprint of every table of every schema, but for those that a `migrate` writes to."""
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT relname, format('%I.%I', nspname, relname), array_agg(attname::text ORDER BY attname)
                FROM pg_attribute
                JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p') AND NOT relispartition
                JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE attnum > 0 AND NOT attisdropped AND nspname !~ '^pg_' AND nspname <> 'information_schema'
                  AND relname NOT IN {_WRITTEN_TABLES}
                GROUP BY nspname, relname"""
        )
        tables = {Table(name, sql_name): tuple(columns) for name, sql_name, columns in cursor.fetchall()}
        return {table: _fingerprint(cursor, table, columns, backfilled or {}) for table, columns in tables.items()}


def lost_or_changed(database: Database, before: Fingerprints, backfilled: Backfilled) -> list[str]:
    """Return a sentence for each table whose rows aren't those of `before`."""
    sentences = []
    with database.cursor() as cursor:
        for table, old in before.items():
            new = _fingerprint(cursor, _moved(cursor, table), old.columns, backfilled)
            if new != old:
                sentences.append(f"{table.sql_name}: {old.rows} rows became {new.rows}, or their values changed")
    return sentences


def _moved(cursor: Any, table: Table) -> Table:
    """Return the table as it is now: it may have been moved to another schema."""
    cursor.execute("SELECT to_regclass(%s) IS NULL", [table.sql_name])
    if cursor.fetchone() == (True,):
        cursor.execute(
            "SELECT format('%%s.%%I', relnamespace::regnamespace, relname) FROM pg_class"
            " WHERE relname = %s AND relkind = 'r'",
            [table.name],
        )
        for (sql_name,) in cursor.fetchall():
            return Table(table.name, sql_name)
    return table


def nulls_left(database: Database, backfilled: Backfilled) -> list[str]:
    """Return the columns, as "table.column", that still have NULLs."""
    columns = [column.split(".") for column in backfilled]
    return [
        f"{table}.{column}"
        for table, column in columns
        if database.value(f"SELECT count(*) FROM {table} WHERE {column} IS NULL")
    ]


def _fingerprint(cursor: Any, table: Table, columns: tuple[str, ...], backfilled: Backfilled) -> Fingerprint:
    known = [column for column in columns if backfilled.get(f"{table.name}.{column}", "") is not None]
    texts = ", ".join(_text(column, backfilled.get(f"{table.name}.{column}")) for column in known)
    cursor.execute(
        f"""SELECT count(*), md5(COALESCE(string_agg(line, E'\\n' ORDER BY line), ''))
            FROM (SELECT ROW ({texts})::text AS line FROM {table.sql_name}) AS lines"""
    )
    return Fingerprint(columns, *cursor.fetchone())


def _text(column: str, backfilled_with: str | None) -> str:
    if backfilled_with is None:
        return f'"{column}"::text'
    return f"COALESCE(\"{column}\"::text, '{backfilled_with}')"
