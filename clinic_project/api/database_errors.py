"""PostgreSQL's errors as problems, told apart by SQLSTATE.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.apps import apps
from django.db import Error, connection
from django.db.models import Model

from clinic_project.audit.functions import HISTORY_IS_APPEND_ONLY, NO_SUCH_ROW, ROW_IS_RETAINED, TRUNCATE_LOSES_HISTORY
from clinic_project.audit.waiting_commits import CommitsWait
from clinic_project.reconciliation.sqlstates import (
    CHECK_VIOLATION,
    DEADLOCK_DETECTED,
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    NOT_NULL_VIOLATION,
    QUERY_CANCELED,
    READ_ONLY_SQL_TRANSACTION,
    SCHEMA_IS_BEHIND,
    UNIQUE_VIOLATION,
    connection_lost,
    diagnostics,
    raised_by_triggers,
    sqlstate,
)

from .problems import Problem, Unavailable

logger = logging.getLogger(__name__)

#: Seconds until a client may try again: a moment, or the time in which a person does something about it.
SOON, LATER = 5, 60

_VIOLATIONS = {NOT_NULL_VIOLATION, FOREIGN_KEY_VIOLATION, UNIQUE_VIOLATION, CHECK_VIOLATION, "23P01"}  # and EXCLUDE

#: PL/pgSQL's errors, program_limit_exceeded (a value too long for an index), object_not_in_prerequisite_state (a publication
#: without a replica identity), generated_always.
_REFUSING = ("P0", "54", "55", "428C9")
#: Text that PostgreSQL can't store: character_not_in_repertoire, invalid_text_representation, untranslatable_character.
_UNSTORABLE = {"22021", "22P02", "22P05"}

#: Problems by SQLSTATE: the last part of the type, the title, what to do, seconds.
_BY_STATE: Mapping[str, tuple[str, str, str, int]] = {
    **dict.fromkeys(
        (DEADLOCK_DETECTED, "40001"),  # and serialization_failure
        ("busy", "The database is busy", "Another request was changing the same. Send it again.", SOON),
    ),
    **dict.fromkeys(
        (QUERY_CANCELED, LOCK_NOT_AVAILABLE, "25P03", "25P04"),  # and the timeouts of idle and of whole transactions
        (
            "database-too-slow",
            "The database is too slow",
            "It didn't answer in time: it may have waited for a lock. Send it again.",
            SOON,
        ),
    ),
    READ_ONLY_SQL_TRANSACTION: (
        "database-read-only",
        "The database is read-only",
        "It is a standby, or its transactions may not write. Reading works; changes have to wait.",
        LATER,
    ),
    INSUFFICIENT_PRIVILEGE: (
        "database-not-permitted",
        "The database doesn't permit it",
        "The server's role lacks a privilege that this needs. Tell whoever runs the server.",
        LATER,
    ),
    "53100": (
        "database-full",
        "The database is full",
        "Its disk has no room left. Tell whoever runs the server.",
        LATER,
    ),
}
#: The same, where the error isn't a trigger's.
_OF_OUR_STATEMENTS: Mapping[str, tuple[str, str, str, int]] = {
    **dict.fromkeys(
        SCHEMA_IS_BEHIND,
        (
            "schema-behind",
            "The database is out of date",
            "It lacks a table or column that this needs. Run `migrate`.",
            LATER,
        ),
    ),
    **dict.fromkeys(
        ("2200H", "22003"),  # sequence_generator_limit_exceeded, numeric_value_out_of_range
        (
            "numbers-used-up",
            "The numbers are used up",
            "An id or a version is larger than its column or its sequence allows. Tell whoever runs the server.",
            LATER,
        ),
    ),
}
#: What triggers of this project refuse, by their SQLSTATEs: the last part of the type, the title, what to do.
_OF_OUR_TRIGGERS: Mapping[str, tuple[str, str, str]] = {
    HISTORY_IS_APPEND_ONLY: (
        "history-is-append-only",
        "The history stays as it is",
        "This would change what has been recorded of earlier changes, or of who looked. Nothing was done.",
    ),
    TRUNCATE_LOSES_HISTORY: (
        "history-would-be-lost",
        "The history would be lost",
        "This would empty a table past its history. Nothing was done.",
    ),
    ROW_IS_RETAINED: ("retained", "Has to be kept", "Its time isn't over yet. It stays in the trash."),
    NO_SUCH_ROW: ("conflict", "Changed meanwhile", "It was just removed. Read again."),
}
_AWAY = (
    "database-unavailable",
    "The database is away",
    "It can't be reached, or takes no more connections. Send it again.",
    SOON,
)
_NO_STANDBY = (
    "commits-wait",
    "The database waits for its standby",
    "Nothing was done: earlier changes still wait for a second copy of the data. Reading works. Send it again.",
    SOON,
)
_BROKEN = (
    "database-broken",
    "The database is broken",
    "It reports an error of its own, or of its disk. Tell whoever runs the server.",
    LATER,
)


def database_problem(error: Error) -> Problem | None:
    """Return what a database error means to a client; None for a mistake of ours."""
    state = sqlstate(error)
    if state in _VIOLATIONS:
        return _violation_problem(error, state)
    if state in _OF_OUR_TRIGGERS:
        return Problem(409, *_OF_OUR_TRIGGERS[state])
    found = _BY_STATE.get(state) or _by_class(error, state)
    if found is None and _is_refusal(error, state):
        return _in_the_way(error, state)
    found = found or _OF_OUR_STATEMENTS.get(state)
    if found is not None:
        return _unavailable(state, *found)
    if state.startswith("22"):  # data exceptions
        logger.warning("input reached PostgreSQL unchecked: SQLSTATE %s", state)
        return Problem(400, "invalid-input", "The input isn't valid", "A value can't be stored by the database.")
    return None


def _by_class(error: Error, state: str) -> tuple[str, str, str, int] | None:
    if isinstance(error, CommitsWait):
        return _NO_STANDBY
    if connection_lost(error) or state.startswith("53"):  # insufficient resources
        return _AWAY
    return _BROKEN if state.startswith(("58", "XX")) else None  # system error, internal error


def _is_refusal(error: Error, state: str) -> bool:
    """Whether an object in the database refuses a row: a trigger, a rule, an index that is too narrow, a publication."""
    if state in _UNSTORABLE:
        return False
    return state.startswith(_REFUSING) or raised_by_triggers(error)


def _violation_problem(error: Error, state: str) -> Problem | None:
    """Tell apart what a model declares from what only the database has: the client can do something about the first."""
    table, constraint, column = (diagnostics(error, f"{name}_name") for name in ("table", "constraint", "column"))
    model = _models().get(table)
    if state == NOT_NULL_VIOLATION:
        return None if model and column in _required_columns(model) else _in_the_way(error, state)
    if not (model and (constraint in _declared_constraints(model) or _is_declared_foreign_key(error, model))):
        return _in_the_way(error, state)
    if state in {FOREIGN_KEY_VIOLATION, UNIQUE_VIOLATION}:
        return Problem(
            409, "conflict", "Changed meanwhile", "Something that this refers to was just changed. Read again."
        )
    return None


def _in_the_way(error: Error, state: str) -> Problem:
    """Name the object, and none of the row's values."""
    kinds = ("constraint", "column", "table")
    named = [f"{kind} {name}" for kind in kinds if (name := diagnostics(error, f"{kind}_name"))]
    what = f"The {' of '.join(named)}" if named else "A trigger"
    return refused_by_database(f"{what} refuses it, and is none of this system's. Tell whoever runs the server.", state)


def refused_by_database(detail: str, state: str = "") -> Problem:
    return _unavailable(state, "refused-by-database", "Another system's object is in the way", detail, LATER)


def _unavailable(state: str, kind: str, title: str, detail: str, seconds: int) -> Problem:
    logger.error("503 %s (SQLSTATE %s): %s", kind, state or "none", detail)
    return Unavailable(kind, title, detail, seconds)


def _models() -> dict[str, type[Model]]:
    return {model._meta.db_table: model for model in apps.get_models()}


def _required_columns(model: type[Model]) -> set[str]:
    return {field.column for field in model._meta.concrete_fields if not field.null}


@cache
def _declared_constraints(model: type[Model]) -> frozenset[str]:
    """Return the names of the constraints that `model` declares. Not its key's: no client chooses an id."""
    editor: Any = connection.schema_editor(collect_sql=True)
    foreign_keys = [
        str(editor._fk_constraint_name(model, field, "_fk_%(to_table)s_%(to_column)s")).strip('"')
        for field in model._meta.concrete_fields
        if field.remote_field
    ]
    return frozenset([constraint.name for constraint in model._meta.constraints] + foreign_keys)


_FOREIGN_KEY = """
    SELECT a.attname, referenced.relname
    FROM pg_constraint c
    JOIN pg_class t ON t.oid = c.conrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_class referenced ON referenced.oid = c.confrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (c.conkey)
    WHERE c.contype = 'f' AND (n.nspname, t.relname, c.conname) = (%s, %s, %s)
"""


def _is_declared_foreign_key(error: Error, model: type[Model]) -> bool:
    """Whether a constraint is a foreign key of `model`, under another name that `migrate` hasn't replaced yet."""
    declared = [
        (field.column, field.related_model._meta.db_table)  # type: ignore[union-attr]  # a model's class by now
        for field in model._meta.concrete_fields
        if field.remote_field
    ]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                _FOREIGN_KEY, [diagnostics(error, f"{kind}_name") for kind in ("schema", "table", "constraint")]
            )
            columns = cursor.fetchall()
    except Error:  # as inside a transaction that the violation has ended
        return False
    return len(columns) == 1 and columns[0] in declared
