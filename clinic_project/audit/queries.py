"""What a query returns."""

from collections.abc import Sequence
from typing import Any

from django.db import connections


def rows(using: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def column(using: str, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Return the first value of each row."""
    return [row[0] for row in rows(using, sql, parameters)]


def value(using: str, sql: str, parameters: Sequence[Any] = ()) -> Any:
    """Return the first value of the only row."""
    (found,) = column(using, sql, parameters)
    return found
