"""Other sessions, which hold locks or snapshots while something is run."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple
from unittest import mock

from clinic_project.reconciliation.execution.migration_lock import MIGRATION_LOCK
from clinic_project.reconciliation.management.console import ConsoleReporter
from clinic_project.reconciliation.tests.support.databases import Database

#: The numbers of the migration lock of the schema public, as SQL.
MIGRATION_LOCK_OF_PUBLIC = f"{MIGRATION_LOCK}, 'public'::regnamespace::oid::int"


class Holder(NamedTuple):
    pid: int
    role: str
    release: Callable[[], None]


@contextlib.contextmanager
def held(database: Database, *statements: str) -> Iterator[Holder]:
    """Keep a transaction open in which `statements` were run."""
    with contextlib.closing(database.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        for statement in statements:
            cursor.execute(statement)
        yield Holder(other.get_backend_pid(), other.info.user, partial(cursor.execute, "ROLLBACK"))


@contextlib.contextmanager
def released_once_told(holder: Holder) -> Iterator[None]:
    """Let `holder` release what it holds, once a command that runs in this process has told that it waits."""
    write_waiting = ConsoleReporter.write_waiting

    def tell(reporter: ConsoleReporter, text: str) -> None:
        write_waiting(reporter, text)
        holder.release()

    with mock.patch.object(ConsoleReporter, "write_waiting", tell):
        yield


def waiting_for_migrate(database: Database) -> int:
    """Return how many sessions wait for another `migrate` to end: they have asked who holds the lock."""
    return int(
        database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND query LIKE '%l.granted AND l.locktype = ''advisory''%'"
        )
    )
