"""Interruptions of a command that runs in this process: killed, or its session ended by the server."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db import DatabaseError, OperationalError, connection
from django.db.backends.signals import connection_created
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from clinic_project.reconciliation.sqlstates import LOCK_NOT_AVAILABLE, sqlstate

from .databases import Database
from .profiles import NIGHTLY

Wrapper = Callable[..., Any]


class Statement(NamedTuple):
    """A statement of a repair; `in_transaction` where earlier statements have begun one."""

    sql: str
    in_transaction: bool


class Killed(BaseException):
    """Stands for `kill -9`: no `except Exception` of the code under test catches it."""


@contextlib.contextmanager
def wrapped_statements(wrapper: Wrapper) -> Iterator[None]:
    """Put `wrapper` (see Django's `execute_wrapper`) around the statements of every connection made from now on."""

    def wrap(connection: Any, **_kwargs: Any) -> None:
        if wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.append(wrapper)

    connection_created.connect(wrap)
    try:
        yield
    finally:
        connection_created.disconnect(wrap)


def is_repair_statement(sql: Any) -> bool:
    """Whether it is a statement of a repair, or the recording of a migration, and not one that only reads."""
    text = str(sql).lstrip()
    if text.startswith('INSERT INTO "django_migrations"'):
        return True
    return '"public".' in text and re.search(r"\b(ALTER|CREATE|DROP|UPDATE|DELETE|INSERT|setval)\b", text) is not None


@contextlib.contextmanager
def killed_at(words: str, moment: str) -> Iterator[list[str]]:
    """Kill the command "before" or "after" the first statement that has `words`; yields a list that gets the statement.

    What is raised then ends the block, and not the test.
    """
    interrupted: list[str] = []

    def kill(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if interrupted or words not in str(sql):
            return execute(sql, params, many, context)
        interrupted.append(str(sql))
        return _kill(moment, execute, sql, params, many, context)

    with wrapped_statements(kill), contextlib.suppress(Killed, DatabaseError):
        yield interrupted


@contextlib.contextmanager
def killed_at_statement(number: int, moment: str) -> Iterator[list[str]]:
    """Kill the command "before" or "after" the repair's statement of that number, as `killed_at` does."""
    count = itertools.count(1)
    interrupted: list[str] = []

    def kill(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if interrupted or not is_repair_statement(sql) or next(count) != number:
            return execute(sql, params, many, context)
        interrupted.append(str(sql))
        return _kill(moment, execute, sql, params, many, context)

    with wrapped_statements(kill), contextlib.suppress(Killed, DatabaseError):
        yield interrupted


@contextlib.contextmanager
def recorded_statements() -> Iterator[list[Statement]]:
    """Yield a list that gets the statements of the repair."""
    steps: list[Statement] = []

    def record(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if is_repair_statement(sql):
            raw = context["connection"].connection
            begun = raw.info.transaction_status == TRANSACTION_STATUS_INTRANS
            steps.append(Statement(str(sql), begun))
        return execute(sql, params, many, context)

    with wrapped_statements(record):
        yield steps


def moments_to_kill_at(steps: Sequence[Statement]) -> Iterator[tuple[int, str]]:
    """Yield the number of a statement, from 1, and "before" or "after", for each moment at which to kill the command.

    Killed inside a transaction, or after a statement that is one by itself, it leaves the database as before another
    statement: those moments are left to the nightly profile.
    """
    for number, step in enumerate(steps, start=1):
        if NIGHTLY or not step.in_transaction:
            yield number, "before"
        if NIGHTLY:
            yield number, "after"
    yield len(steps), "after"


@contextlib.contextmanager
def session_ended(before: int) -> Iterator[list[str]]:
    """Let the server end the session before the repair's statement of that number."""
    count = itertools.count(1)
    interrupted: list[str] = []

    def end(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not interrupted and is_repair_statement(sql) and next(count) == before:
            interrupted.append(str(sql))
            _end_session(context)
        return execute(sql, params, many, context)

    with wrapped_statements(end):
        yield interrupted


@contextlib.contextmanager
def session_ended_after_lock_timeout() -> Iterator[list[str]]:
    """Let the server end the session as soon as a lock times out, before the transaction is rolled back."""
    interrupted: list[str] = []

    def end(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            if not interrupted and sqlstate(error) == LOCK_NOT_AVAILABLE:
                interrupted.append(str(sql))
                _end_session(context)
            raise

    with wrapped_statements(end):
        yield interrupted


def _end_session(context: dict[str, Any]) -> None:
    pid = context["connection"].connection.info.backend_pid
    Database(connection.settings_dict["NAME"]).value("SELECT pg_terminate_backend(%s, 5000)", [pid])


def _kill(moment: str, execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Do to the server what a killed client does: close the connection without ending the transaction."""
    if moment == "after":
        execute(sql, params, many, context)
    context["connection"].connection.close()
    raise Killed
