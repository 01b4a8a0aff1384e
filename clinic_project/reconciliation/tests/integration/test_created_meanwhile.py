"""Two sessions create the same object at the same moment, as in two schemas of one database: IF NOT EXISTS fails then."""

import contextlib
import time
from threading import Thread
from typing import Any

from django.db import connection

from ...command_context import CommandContext
from ...conf import Budgets
from ...management.django_statements import DjangoStatements
from ..support.databases import Database, default_connection_to
from ..support.waiting import wait_until


def commit_once_waited_for(database: Database, cursor: Any) -> None:
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: database.rows(query))
    cursor.execute("COMMIT")


def test_the_next_attempt_finds_it(empty_database: Database):
    attempts = []

    def create() -> None:
        attempts.append(time.monotonic())
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS shared")

    with (
        default_connection_to(empty_database),
        contextlib.closing(empty_database.connect()) as other,
        other.cursor() as cursor,
    ):
        cursor.execute("BEGIN; CREATE SCHEMA shared")
        committing = Thread(target=commit_once_waited_for, args=(empty_database, cursor))
        committing.start()
        DjangoStatements(connection, CommandContext(Budgets(lock_timeout=60))).run(create)
        committing.join()
    assert len(attempts) == 2
