"""Runs a plan's queries of rows: those for violations, and the post-checks."""

from dataclasses import replace
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import milliseconds
from ..planning.plan import Note, PostCheck, Refusal, ViolationQuery
from ..schema.introspection import rolled_back
from ..sqlstates import connection_lost


def find_violations(
    connection: BaseDatabaseWrapper, query: ViolationQuery, timeout: float | None = None
) -> Refusal | None:
    """Return the refusal for the rows that violate what a step requires, if there are any now.

    Raises django.db.Error where the query can't be run, of SQLSTATE 57014 where it takes longer than `timeout` seconds.
    """
    count, keys = _fetch_row(connection, query.sql, timeout)
    return query.refusal_for(count, keys or "") if count else None


def with_rows(connection: BaseDatabaseWrapper, refusal: Refusal, timeout: float | None = None) -> Refusal:
    """Return the refusal with the rows that it is about, if they can be read. Nothing is changed."""
    if refusal.rows is None:
        return refusal
    try:
        count, keys = _fetch_row(connection, refusal.rows.sql, timeout, refusal.rows.create)
    except Error as error:
        if connection_lost(error):
            raise
        # This role may not read the table, a value can't even be compared, or it takes too long.
        return replace(refusal, rows=None)
    reason = f"{refusal.reason} {refusal.rows.sentence(count, keys or '')}" if count else refusal.reason
    return replace(refusal, reason=reason, rows=None)


def run_post_check(connection: BaseDatabaseWrapper, post_check: PostCheck) -> Note | None:
    count = _fetch_row(connection, post_check.sql)[0]
    return post_check.note_for(count) if count else None


def _fetch_row(connection: BaseDatabaseWrapper, sql: str, timeout: float | None = None, create: str = "") -> Any:
    with rolled_back(connection) as cursor:
        # Rows that row-level security would hide are an error then: they must not be taken for missing.
        cursor.execute("SET LOCAL row_security = off")
        if timeout is not None:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds(timeout)])
        if create:
            cursor.execute(create)
        cursor.execute(sql)
        return cursor.fetchone()
