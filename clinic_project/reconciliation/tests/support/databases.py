"""Databases for one test each, on the server of the settings, and `manage.py` run on them.

A test's database is a copy of a template made once a session: copying takes some 20 ms, migrating ten times that.
"""

import contextlib
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extensions
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections

PROJECT_FOLDER = Path(__file__).resolve().parents[4]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Outcome:
    """The exit status of a command, and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def printed(self) -> str:
        return self.output + self.errors


@dataclass(frozen=True)
class Database:
    """A database of the settings' server; `role` connects in place of the settings' user."""

    name: str
    role: Mapping[str, str] = field(default_factory=dict, hash=False)

    def connect(self) -> psycopg2.extensions.connection:
        """Return a new connection in autocommit mode; sessions run in UTC, and in UTF-8 whatever the database's encoding."""
        made = psycopg2.connect(**{**server_parameters(), **self.role, "dbname": self.name, "client_encoding": "UTF8"})
        made.autocommit = True
        with made.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
        return made

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Any]:
        with contextlib.closing(self.connect()) as connected, connected.cursor() as cursor:
            yield cursor

    def execute(self, *statements: str) -> None:
        """Run each statement in a transaction of its own, all on one connection."""
        with self.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of `query`, in an order of their own if it has no ORDER BY.

        PostgreSQL answers such a query in the order of where the rows lie, which any UPDATE, also one of a catalogue by
        ALTER, may change: two answers that are to be compared would differ.
        """
        with self.cursor() as cursor:
            cursor.execute(query, parameters)
            found = list(cursor.fetchall())
        return found if "ORDER BY" in query else sorted(found, key=repr)

    def value(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        [(value,)] = self.rows(query, parameters)
        return value

    def manage(self, *arguments: str) -> Outcome:
        """Run a management command in this process, with Django's default connection pointed here."""
        output, errors = io.StringIO(), io.StringIO()
        with (
            default_connection_to(self),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            status = _call(arguments)
        return Outcome(status, output.getvalue(), errors.getvalue())

    def migrate(self, *arguments: str) -> Outcome:
        return self.manage("migrate", *arguments)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `manage.py` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT_FOLDER,
            env={**os.environ, "DATABASE_URL": self.url, "SECRET_KEY": "only for tests " * 4},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Outcome:
        """Run `manage.py` as a process of its own, and wait for it."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        return Outcome(process.returncode, output, errors)

    @property
    def url(self) -> str:
        server = {**server_parameters(), **self.role}
        user = quote(server.get("user", ""), safe="")
        password = quote(server.get("password", ""), safe="")
        where = urlencode({key: str(server[key]) for key in ("host", "port") if server.get(key)})
        return f"postgresql://{user}:{password}@/{self.name}?{where}"


@contextlib.contextmanager
def default_connection_to(database: Database) -> Iterator[None]:
    """Point Django's default connection to `database`, and back again at the end."""
    names = {"NAME": database.name, "USER": database.role.get("user"), "PASSWORD": database.role.get("password")}
    before = dict(connection.settings_dict)
    _reconnect_with({name: value for name, value in names.items() if value is not None})
    try:
        yield
    finally:
        _reconnect_with(before)


@contextlib.contextmanager
def copy_of_the_default() -> Iterator[Database]:
    """Copy the database of Django's default connection, and point that to the copy, in every thread."""
    connection.close()  # a template may have no sessions
    with temporary_database(connection.settings_dict["NAME"]) as copy, default_connection_to(copy):
        yield copy


@contextlib.contextmanager
def temporary_database(template: str = "template0", options: str = "") -> Iterator[Database]:
    """Make a copy of the database `template`, with the `options` of CREATE DATABASE, and drop it at the end."""
    database = Database(f"test_{os.getpid()}_{next(_numbers)}")
    _on_server(
        f'CREATE DATABASE "{database.name}" TEMPLATE "{template}" {options} {_strategy()}',
        # These databases needn't survive a crash, so that no commit waits for the disk.
        f'ALTER DATABASE "{database.name}" SET synchronous_commit = off',
    )
    try:
        yield database
    finally:
        drop_database(database)


@cache
def _strategy() -> str:
    """Return how databases are copied quickest.

    Files are copied in two thirds of the time that it takes by way of the WAL, where a checkpoint needn't wait for the disk.
    """
    on_disk = "current_setting('fsync')::boolean"
    has_strategies = "current_setting('server_version_num')::int >= 150000"
    by_files = Database("postgres").value(f"SELECT {has_strategies} AND NOT {on_disk}")
    return "STRATEGY file_copy" if by_files else ""


def drop_database(database: Database) -> None:
    _on_server(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


def _call(arguments: Sequence[str]) -> int:
    """Run a command; write what `manage.py` would write, and return its exit status."""
    try:
        call_command(*arguments)
    except CommandError as error:
        sys.stderr.write(f"CommandError: {error}\n")
        return error.returncode
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _reconnect_with(values: Mapping[str, Any]) -> None:
    """Let the next use of Django's default connection make a new one, with `values` among its settings."""
    connection.settings_dict.update(values)
    with contextlib.suppress(DatabaseError):
        connection.close()
    # Where a session was killed inside a transaction, Django's connection object can't connect again.
    del connections[DEFAULT_DB_ALIAS]
    # Content types are cached by id, and the ids differ from database to database.
    ContentType.objects.clear_cache()


def server_parameters() -> dict[str, Any]:
    """Return how to connect to the settings' server, as libpq's parameters."""
    return {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in {"host", "port", "user", "password"}
    }


def _on_server(*statements: str) -> None:
    Database("postgres").execute(*statements)


@contextlib.contextmanager
def migrated_database(*labels: str, rows: str = "SELECT") -> Iterator[Database]:
    """Make a database that is migrated from empty, and has `rows`; with `labels`, only these apps are migrated."""
    with temporary_database() as made:
        outcome = made.migrate(*labels)
        assert outcome.status == 0, outcome.printed
        made.execute(rows)
        yield made


@contextlib.contextmanager
def database_of_models(*labels: str, before: str = "SELECT") -> Iterator[Database]:
    """Make a database with the tables of the apps `labels`, by Django's own schema editor; `before` is run first."""
    with temporary_database() as made:
        made.execute(before)
        with default_connection_to(made), connection.schema_editor() as editor:
            for label in labels:
                for model in apps.get_app_config(label).get_models():
                    editor.create_model(model)
        yield made
