"""What ends a command of the history without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import Error

from clinic_project.reconciliation.sqlstates import (
    INSUFFICIENT_PRIVILEGE,
    READ_ONLY_SQL_TRANSACTION,
    SCHEMA_IS_BEHIND,
    connection_lost,
    message_with_sqlstate,
    sqlstate,
)

_REMEDIES = {
    INSUFFICIENT_PRIVILEGE: "Run this as the role that owns the tables, the one that migrates.",
    READ_ONLY_SQL_TRANSACTION: "Run this where the database can be written to: on the primary, and not on a standby.",
    **dict.fromkeys(SCHEMA_IS_BEHIND, "Run manage.py migrate, then this again."),
}


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise CommandError, with what to do, for errors of the database that are no mistake of ours."""
    try:
        yield
    except Error as error:
        remedy = "Run this again." if connection_lost(error) else _remedy(sqlstate(error))
        if remedy is None:
            raise
        raise CommandError(
            f"PostgreSQL refused it: {message_with_sqlstate(error)}. Nothing was changed. {remedy}"
        ) from error


def _remedy(state: str) -> str | None:
    if state.startswith("22"):  # data exceptions
        return "A column of type json has a value that jsonb can't have: correct it, then run this again."
    return _REMEDIES.get(state)
