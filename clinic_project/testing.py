"""The tests' own embedded server, which needn't survive a crash, and the databases of those that commit."""

import contextlib
import hashlib
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
from django.db import connection
from django.test import TransactionTestCase

from .database import STATE_FOLDER, database_config, embedded_server_url
from .reconciliation.tests.support.databases import copy_of_the_default

#: Linux's file system in memory, and the bytes that have to be free there: a run's databases and WAL need a tenth of them.
MEMORY, MIN_FREE = Path("/dev/shm"), 4 * 1024**3  # noqa: S108


def use_test_server() -> None:
    """Point Django's default connection to an embedded server of the tests, unless DATABASE_URL names one.

    The test database is this process's own: Django drops one of that name, which another run may be using.
    """
    connection.settings_dict["TEST"]["NAME"] = f"test_{os.getpid()}"
    if os.environ.get("DATABASE_URL"):
        return
    checkout = hashlib.sha256(bytes(STATE_FOLDER)).hexdigest()[:12]
    url = embedded_server_url(_roomy_folder(), f"-clinic-tests-{os.getuid()}-{checkout}")
    _stop_waiting_for_the_disk(url)
    connection.settings_dict.update(database_config(url))


@cache
def copy_instead_of_flushing() -> None:
    """Give each test that commits a copy of the test database, which is dropped after it.

    These are the tests marked `django_db(transaction=True)`, those with a live server, and every TransactionTestCase. Django
    has one database for all of them and flushes it, but TRUNCATE of tables that keep a history is refused.
    """
    # The stubs of TransactionTestCase have none of this.
    test_case: Any = TransactionTestCase
    set_up = test_case._fixture_setup.__func__

    def copy(cls: Any) -> None:
        cls.copies = contextlib.ExitStack()
        cls.copies.enter_context(copy_of_the_default())
        set_up(cls)

    def drop(case: Any) -> None:
        case.copies.close()

    test_case._fixture_setup, test_case._fixture_teardown = classmethod(copy), drop


def _roomy_folder() -> Path:
    """Return where the server's data go: into memory if there is room.

    Each test has a database of its own, of some 300 files. Where those of the last minutes' tests were deleted, ext4 looks
    at each of them before it makes one: "recently_deleted" in https://github.com/torvalds/linux/blob/master/fs/ext4/ialloc.c
    """
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MIN_FREE
    return MEMORY if has_room else STATE_FOLDER


def _stop_waiting_for_the_disk(url: str) -> None:
    made = psycopg2.connect(url)
    made.autocommit = True  # ALTER SYSTEM can't be in a transaction
    with made.cursor() as cursor:
        cursor.execute("SHOW fsync")
        if cursor.fetchone() == ("on",):
            for parameter in ("fsync", "full_page_writes", "synchronous_commit"):
                cursor.execute(f"ALTER SYSTEM SET {parameter} = off")
            cursor.execute("SELECT pg_reload_conf()")
    made.close()
