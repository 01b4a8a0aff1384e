"""PostgreSQL's errors, told apart by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

from django.db import Error
from django.db.migrations.exceptions import MigrationSchemaMissing

DUPLICATE_TABLE = "42P07"  # an index, too
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
READ_ONLY_SQL_TRANSACTION = "25006"
DEADLOCK_DETECTED = "40P01"
DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"
NOT_NULL_VIOLATION = "23502"
FOREIGN_KEY_VIOLATION = "23503"
UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"
FEATURE_NOT_SUPPORTED = "0A000"
INSUFFICIENT_PRIVILEGE = "42501"
UNDEFINED_FUNCTION = "42883"
UNDEFINED_OBJECT = "42704"  # a type or a language, say
RAISE_EXCEPTION = "P0001"  # by a function, a trigger's say

#: The database lacks what a query names: undefined_table, undefined_column, invalid_schema_name.
SCHEMA_IS_BEHIND = frozenset({"42P01", "42703", "3F000"})

#: A lock was not granted in time; the same statement may succeed later.
RETRYABLE = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})

#: Class of errors that the server's settings are to blame for: their hints name the setting.
_OUT_OF_RESOURCES = "53"

#: Classes of errors whose details quote rows: data exceptions, violated constraints.
_QUOTING_ROWS = ("22", "23")


def sqlstate(error: Error) -> str:
    """Return the SQLSTATE of a database error; empty where the connection broke before the server sent one."""
    cause = _cause(error)
    # psycopg 3 and psycopg2
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""


def _cause(error: Error) -> BaseException | None:
    """Return the driver's error. Django raises MigrationSchemaMissing without `from`: its cause is the context's."""
    wrapped = error.__context__ if isinstance(error, MigrationSchemaMissing) else error
    return wrapped.__cause__ if wrapped is not None else None


def connection_lost(error: Error) -> bool:
    """Whether the session has ended: no SQLSTATE, class 08 (connection exception) or 57P (operator intervention).

    An error that Django raises by itself, without one of the driver as its cause, isn't about the connection.
    """
    code = sqlstate(error)
    return error.__cause__ is not None and (not code or code.startswith(("08", "57P")))


def diagnostics(error: Error, field: str) -> str:
    """Return a field of the server's report, such as `constraint_name`; empty where it has none.

    https://www.psycopg.org/docs/extensions.html#psycopg2.extensions.Diagnostics
    """
    return getattr(getattr(_cause(error), "diag", None), field, None) or ""


def failed_at(error: Error) -> tuple[str, str, str]:
    """Return the schema, the table and the column that the error is about; empty where the server doesn't say."""
    schema, table, column = (diagnostics(error, f"{kind}_name") for kind in ("schema", "table", "column"))
    return schema, table, column


def created_meanwhile(error: Error) -> bool:
    """Whether another session committed the same object at the same moment: a violated key of a system catalog.

    IF NOT EXISTS doesn't prevent it. Run again, the statement finds the object.
    """
    return sqlstate(error) == UNIQUE_VIOLATION and failed_at(error)[0] == "pg_catalog"


def raised_by_triggers(error: Error) -> bool:
    """Whether what a statement fires made it fail: a trigger's function, or a rule that isn't supported in WITH.

    A function has a call stack; a constraint that was violated in one isn't its own failure.
    """
    in_function = bool(diagnostics(error, "context")) and not diagnostics(error, "constraint_name")
    return in_function or sqlstate(error) == FEATURE_NOT_SUPPORTED


def message_with_sqlstate(error: Error) -> str:
    code = sqlstate(error)
    return f"{message(error)} (SQLSTATE {code})" if code else message(error)


def message(error: Error) -> str:
    """Return PostgreSQL's message on one line; with its details, unless these quote rows, which may be a patient's.

    Where it is out of resources, the hint names the setting.
    """
    text = diagnostics(error, "message_primary") or str(error)
    detail = diagnostics(error, "message_detail")
    if sqlstate(error).startswith(_OUT_OF_RESOURCES):
        detail = detail or diagnostics(error, "message_hint").removesuffix(".")
    if detail and not sqlstate(error).startswith(_QUOTING_ROWS):
        text += f" ({detail})"
    return " ".join(text.split()).removesuffix(".")
