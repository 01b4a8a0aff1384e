"""Other sessions, which hold locks or snapshots while something is run."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from clinic_project.reconciliation.execution.migration_lock import MIGRATION_LOCK
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
