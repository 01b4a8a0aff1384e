"""Where psycopg2 and psycopg 3 differ, and Django doesn't hide it. Neither is imported: the connection decides."""

from contextlib import suppress
from typing import Any

from django.db import NotSupportedError


def last_row(cursor: Any) -> Any:
    """Return the first row of the last of several statements that were sent in one message.

    psycopg 3 begins with the result of the first statement. psycopg2 keeps that of the last one alone, and says so.
    """
    with suppress(NotSupportedError):
        while cursor.nextset():
            pass
    return cursor.fetchone()
