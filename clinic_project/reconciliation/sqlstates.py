"""PostgreSQL's errors, told apart by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

from django.db import Error
from django.db.migrations.exceptions import MigrationSchemaMissing

DUPLICATE_TABLE = "42P07"  # an index, too
LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK_DETECTED = "40P01"
DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"

#: The database lacks what a query names: undefined_table, undefined_column, invalid_schema_name.
SCHEMA_IS_BEHIND = frozenset({"42P01", "42703", "3F000"})

#: A lock was not to be had now; the same statement may go through later.
TRY_AGAIN = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})

#: Classes of errors whose details quote rows: data exceptions, violated constraints.
_ABOUT_ROWS = ("22", "23")


def sqlstate(error: Error) -> str:
    """Return the SQLSTATE of a database error; empty where the connection broke before the server said one."""
    return getattr(_cause(error), "pgcode", None) or ""


def _cause(error: Error) -> BaseException | None:
    """Return the driver's error. One of Django's is raised without saying from which other of its errors."""
    wrapped = error.__context__ if isinstance(error, MigrationSchemaMissing) else error
    return wrapped.__cause__ if wrapped is not None else None


def connection_lost(error: Error) -> bool:
    """Whether there is nobody to talk to any more: no SQLSTATE, class 08 (connection) or 57P (intervention).

    What Django itself says, with no error of the driver as its cause, isn't about the connection.
    """
    code = sqlstate(error)
    return error.__cause__ is not None and (not code or code.startswith(("08", "57P")))


def message(error: Error) -> str:
    """Return PostgreSQL's own words, on one line; without its details where these would be of a patient."""
    diagnostics = getattr(_cause(error), "diag", None)
    words = getattr(diagnostics, "message_primary", None) or str(error)
    detail = getattr(diagnostics, "message_detail", None)
    if detail and not sqlstate(error).startswith(_ABOUT_ROWS):
        words += f" ({detail})"
    return " ".join(words.split()).removesuffix(".")
