"""Databases of a benchmark's own, on the server that the project uses. Nothing else on it is touched.

They have nothing in common with those of the engine's tests but a cursor. A benchmark knows a URL, which it gives to
processes that have the project's settings; the tests stay inside Django's connection, and go wherever the engine goes.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from clinic_project.database import embedded_server_url

from .output import write_line

PROJECT_FOLDER = Path(__file__).resolve().parent.parent.parent

#: The first server_version_num with STRATEGY file_copy, which copies a template's files without logging their pages.
FILE_COPY_VERSION = 150000


@dataclass(frozen=True, slots=True)
class BenchmarkDatabase:
    """A database by its URL."""

    url: str

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.removeprefix("/")

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the project's commands work on this database, with their bytecode kept as in a deploy."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, "DATABASE_URL": self.url, "SECRET_KEY": "only for benchmarks " * 4}

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Any]:
        """Give a cursor in autocommit mode."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            yield cursor

    def execute(self, *statements: Any) -> None:
        with self.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def require_room(self, what: str, needed: int, otherwise: str) -> None:
        """Say how many bytes of disk `what` needs. Exits where the server has less: make room, or `otherwise`."""
        free = self._free_disk()
        line = f"{what} need {needed / 1e9:.0f} GB of the server's disk"
        if free is None:
            write_line(f"{line}; how much is free there can't be seen from here.")
        elif free < needed:
            sys.exit(f"{line}, where {free / 1e9:.0f} GB are free. Make room there, or {otherwise}.")
        else:
            write_line(f"{line}, where {free / 1e9:.0f} GB are free.")

    def _free_disk(self) -> int | None:
        """Return the bytes that are free where the server keeps its data; None if that can't be seen from here."""
        # A role that may not read this setting gets no row.
        folders = self.rows("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        return next((shutil.disk_usage(folder).free for (folder,) in folders if Path(folder).is_dir()), None)


def benchmark_server() -> BenchmarkDatabase:
    """Return the database that the project uses, by which its server is reached."""
    return BenchmarkDatabase(os.environ.get("DATABASE_URL") or embedded_server_url())


@contextlib.contextmanager
def temporary_database(name: str, template: BenchmarkDatabase | None = None) -> Iterator[BenchmarkDatabase]:
    """Make a database, empty or a copy of `template`, and drop it afterwards.

    Commits don't wait for the disk in it: what is measured is who waits for whom, not how fast a disk is.
    """
    server = benchmark_server()
    made = BenchmarkDatabase(urlunsplit(urlsplit(server.url)._replace(path=f"/benchmark_{os.getpid()}_{name}")))
    quoted = sql.Identifier(made.name)
    server.execute(
        _creation(server, quoted, template),
        sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(quoted),
    )
    try:
        yield made
    finally:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))


@contextlib.contextmanager
def without_checkpoints() -> Iterator[None]:
    """Keep the embedded server from writing checkpoints: commits wait for the disk while one syncs large files.

    The settings of a server that DATABASE_URL names stay as they are.
    """
    if os.environ.get("DATABASE_URL"):
        yield
        return
    server = BenchmarkDatabase(embedded_server_url())
    settings = {"max_wal_size": "16GB", "checkpoint_timeout": "1d"}
    reload = "SELECT pg_reload_conf()"
    server.execute(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()), reload)
    try:
        yield
    finally:
        server.execute(*(f"ALTER SYSTEM RESET {name}" for name in settings), reload)


def _creation(server: BenchmarkDatabase, quoted: sql.Identifier, template: BenchmarkDatabase | None) -> sql.Composed:
    creation = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    if template is not None and int(server.rows("SHOW server_version_num")[0][0]) >= FILE_COPY_VERSION:
        creation = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    return creation.format(quoted, sql.Identifier("template0" if template is None else template.name))
