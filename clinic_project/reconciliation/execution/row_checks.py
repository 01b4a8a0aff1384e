"""Runs a plan's queries of rows: those for violations, and the post-checks."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Note, PostCheck, Refusal, ViolationQuery


def find_violations(connection: BaseDatabaseWrapper, query: ViolationQuery) -> Refusal | None:
    """Return the refusal for the rows that violate what a step requires, if there are any now."""
    count, keys = _fetch_row(connection, query.sql)
    return query.refusal_for(count, keys or "") if count else None


def run_post_check(connection: BaseDatabaseWrapper, post_check: PostCheck) -> Note | None:
    count = _fetch_row(connection, post_check.sql)[0]
    return post_check.note_for(count) if count else None


def _fetch_row(connection: BaseDatabaseWrapper, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()
