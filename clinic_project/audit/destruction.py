"""Removing rows for good, each with its history: what the database does for a row of the destruction log, and only then."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, Error

from clinic_project.reconciliation.sqlstates import (
    NOT_NULL_VIOLATION,
    SCHEMA_IS_BEHIND,
    UNDEFINED_FUNCTION,
    diagnostics,
    sqlstate,
)

from .functions import RETAINED_UNTIL
from .models import Destruction
from .queries import column, rows

_LOG = Destruction._meta.db_table
_DESTROY = f"""
    INSERT INTO {_LOG} (table_name, row_id)
    SELECT %s::text, row_id FROM unnest(%s::bigint[]) AS row_id ORDER BY row_id
    RETURNING row_id, retained_until
"""


class DestructionImpossible(Exception):
    """The database lacks what destroys rows, or what says until when they are retained."""

    def __init__(self) -> None:
        super().__init__("The database lacks what it needs to remove rows for good. Run manage.py migrate.")


def destroy(table: str, row_ids: Collection[int], using: str = DEFAULT_DB_ALIAS) -> dict[int, datetime | None]:
    """Destroy the rows of `table` that have these ids, and return until when each was retained, None for not at all.

    A row that another system's trigger keeps isn't there. None is destroyed where it raises DestructionImpossible, or the
    database's own error: ROW_IS_RETAINED, NO_SUCH_ROW, or that another table refers to one.
    """
    if not row_ids:
        return {}
    with destruction_errors():
        return dict(rows(using, _DESTROY, [table, list(row_ids)]))


def retained_until(table: str, row_id: int, using: str = DEFAULT_DB_ALIAS) -> datetime | None:
    """Return until when a row of `table` is retained; None if it may go. Raises DestructionImpossible."""
    sql = f"SELECT until FROM {RETAINED_UNTIL.format(table=table)}(%s) AS until WHERE until > now()"
    with destruction_errors():
        found: list[datetime] = column(using, sql, [row_id])
    return found[0] if found else None


@contextmanager
def destruction_errors() -> Iterator[None]:
    """Raise DestructionImpossible for the database's errors that mean that."""
    try:
        yield
    except Error as error:
        if _is_behind(error):
            raise DestructionImpossible from error
        raise


def _is_behind(error: Error) -> bool:
    """Whether a table, a column or a function is missing or damaged; or the log's trigger, which fills in its columns."""
    state = sqlstate(error)
    if state == NOT_NULL_VIOLATION:
        return diagnostics(error, "table_name") == _LOG
    return state in SCHEMA_IS_BEHIND or state in {UNDEFINED_FUNCTION, "42804"}  # datatype_mismatch
