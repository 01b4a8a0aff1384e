"""Sudden ends in the middle of a command that runs in this process."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

from .databases import Database

Wrapper = Callable[..., Any]


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


def changes_something(sql: Any) -> bool:
    """Tell a statement that may change the database from one that reads or sets something for its session."""
    return not str(sql).lstrip(" (\n").upper().startswith(("SELECT", "WITH", "SHOW", "SET", "RESET", "EXPLAIN"))


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
    """Die "before" or "after" the given one of the statements that change something."""
    count = itertools.count(1)
    deaths: list[str] = []

    def die(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if deaths or not changes_something(sql) or next(count) != number:
            return execute(sql, params, many, context)
        deaths.append(str(sql))
        return _die(moment, execute, sql, params, many, context)

    with wrapped_statements(die):
        yield deaths


@contextlib.contextmanager
def session_ended(before: int) -> Iterator[list[str]]:
    """Let the server end the session before the given one of the statements that change something."""
    count = itertools.count(1)
    deaths: list[str] = []

    def end(execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not deaths and changes_something(sql) and next(count) == before:
            deaths.append(str(sql))
            pid = context["connection"].connection.info.backend_pid
            Database(connection.settings_dict["NAME"]).value("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return execute(sql, params, many, context)

    with wrapped_statements(end):
        yield deaths


def _die(moment: str, execute: Wrapper, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Leave the server as a killed client would: the connection closed at once, its transaction never ended."""
    if moment == "after":
        execute(sql, params, many, context)
    context["connection"].connection.close()
    raise Killed
