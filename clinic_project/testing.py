"""The tests' own embedded server: one that needn't survive a crash, and so doesn't wait for the disk."""

import os

import psycopg2
from django.db import connection

from .database import database_config, embedded_server_url


def use_test_server() -> None:
    """Point Django's default connection to an embedded server of the tests, unless DATABASE_URL names one."""
    if os.environ.get("DATABASE_URL"):
        return
    url = embedded_server_url("-tests")
    _stop_waiting_for_the_disk(url)
    connection.settings_dict.update(database_config(url))


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
