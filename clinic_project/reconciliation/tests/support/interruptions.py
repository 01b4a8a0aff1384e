"""Sudden ends in the middle of a command that runs in this process."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from clinic_project.reconciliation.sqlstates import LOCK_NOT_AVAILABLE, sqlstate

from .databases import Database

Wrapper = Callable[..., Any]


class Statement(NamedTuple):
    """A statement of a repair; `amid` a transaction that other statements have begun."""

    sql: str
    amid: bool


class Killed(BaseException):
    """What `kill -9` is to a process: nothing in the code under test may catch it."""


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


def is_a_step(sql: Any) -> bool:
    """Tell a statement of a repair, or the recording of a migration, from what only looks or gets ready to look."""
    text = str(sql).lstrip()
    if text.startswith('INSERT INTO "django_migrations"'):
        return True
    return '"public".' in text and re.search(r"\b(ALTER|CREATE|DROP|UPDATE|DELETE|INSERT|setval)\b", text) is not None


@contextlib.contextmanager
def dying(words: str, moment: str) -> Iterator[list[str]]:
    """Die "before" or "after" the first statement that has `words`; yields a list that gets the statement."""
    deaths: list[str] = []

    def die(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if deaths or words not in str(sql):
            return execute(sql, params, many, context)
        deaths.append(str(sql))
        return _die(moment, execute, sql, params, many, context)

    with wrapped_statements(die):
        yield deaths


@contextlib.contextmanager
def dying_at(number: int, moment: str) -> Iterator[list[str]]:
    """Die "before" or "after" the given one of the statements of the repair."""
    count = itertools.count(1)
    deaths: list[str] = []

    def die(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if deaths or not is_a_step(sql) or next(count) != number:
            return execute(sql, params, many, context)
        deaths.append(str(sql))
        return _die(moment, execute, sql, params, many, context)

    with wrapped_statements(die):
        yield deaths


@contextlib.contextmanager
def counted() -> Iterator[list[Statement]]:
    """Yields a list that gets the statements of the repair."""
    steps: list[Statement] = []

    def count(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if is_a_step(sql):
            raw = context["connection"].connection
            begun = raw.info.transaction_status == TRANSACTION_STATUS_INTRANS
            steps.append(Statement(str(sql), begun))
        return execute(sql, params, many, context)

    with wrapped_statements(count):
        yield steps


@contextlib.contextmanager
def session_ended(before: int) -> Iterator[list[str]]:
    """Let the server end the session before the given one of the statements of the repair."""
    count = itertools.count(1)
    deaths: list[str] = []

    def end(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not deaths and is_a_step(sql) and next(count) == before:
            deaths.append(str(sql))
            _end_session(context)
        return execute(sql, params, many, context)

    with wrapped_statements(end):
        yield deaths


@contextlib.contextmanager
def session_ended_by_refusal() -> Iterator[list[str]]:
    """Let the server end the session as soon as it was refused a lock, before that can be rolled back."""
    deaths: list[str] = []

    def end(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            if not deaths and sqlstate(error) == LOCK_NOT_AVAILABLE:
                deaths.append(str(sql))
                _end_session(context)
            raise

    with wrapped_statements(end):
        yield deaths


def _end_session(context: dict[str, Any]) -> None:
    pid = context["connection"].connection.info.backend_pid
    Database(connection.settings_dict["NAME"]).value("SELECT pg_terminate_backend(%s, 5000)", [pid])


def _die(moment: str, execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Leave the server as a killed client would: the connection closed at once, its transaction never ended."""
    if moment == "after":
        execute(sql, params, many, context)
    context["connection"].connection.close()
    raise Killed
