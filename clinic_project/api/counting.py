"""Counting rows at a bounded cost: one by one up to a limit, beyond it by the planner's estimate."""

from typing import Any

from django.db import connections
from django.db.models import IntegerField, QuerySet, Subquery

#: Rows are counted one by one up to here; beyond, the planner's estimate is shown.
EXACT_COUNT_LIMIT = 10_000


class BoundedCount(Subquery):
    """The number of rows, EXACT_COUNT_LIMIT + 1 if there are more: beside other columns, PostgreSQL counts only once."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS bounded)"
    output_field = IntegerField()

    def __init__(self, rows: QuerySet[Any, Any]) -> None:
        super().__init__(_bounded(rows))

    def get_db_converters(self, connection: Any) -> list[Any]:
        """Return none: COUNT is an int already, in each row of a page."""
        return []


def bounded_count(rows: QuerySet[Any, Any]) -> int:
    """Return the number of `rows`, EXACT_COUNT_LIMIT + 1 if there are more."""
    return _bounded(rows).count()


def estimate(counted: int, *parts: QuerySet[Any, Any]) -> int:
    """Return about how many rows the `parts` have together, where `counted` is more than EXACT_COUNT_LIMIT."""
    return max(counted, sum(map(estimated_rows, parts)))


def _bounded(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return rows.order_by().values("pk")[: EXACT_COUNT_LIMIT + 1]


def estimated_rows(rows: QuerySet[Any, Any]) -> int:
    """Return how many `rows` PostgreSQL's planner expects, from pg_class.reltuples and the columns' statistics."""
    sql, params = rows.order_by().values("pk").query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        (plan,) = cursor.fetchone()
    return int(plan[0]["Plan"]["Plan Rows"])
