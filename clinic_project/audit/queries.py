"""What a query of one column returns."""

from collections.abc import Sequence
from typing import Any

from django.db import connections


def column(using: str, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Return the first value of each row."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()]


def value(using: str, sql: str) -> Any:
    """Return the first value of the only row."""
    (found,) = column(using, sql)
    return found
