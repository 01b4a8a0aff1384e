"""`manage.py flush` deletes nothing where a history is kept, and says how to start a development database again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import modify_settings, override_settings

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database, migrated_database
from clinic_project.reconciliation.tests.support.fixtures import copy_of, empty_database, unblocked

__all__ = ["copy_of", "empty_database", "unblocked"]

ROWS = "INSERT INTO journal_ward (name, beds) VALUES ('Ward 1', 20)"


@pytest.fixture(scope="module")
def template(unblocked: None) -> Iterator[Database]:
    """The engine's journal is append-only, as the history is."""
    with (
        modify_settings(INSTALLED_APPS={"append": "clinic_project.reconciliation.tests.journal"}),
        override_settings(RECONCILIATION={"apps": "*"}),
        migrated_database(rows=ROWS) as template,
    ):
        yield template


@pytest.fixture
def database(copy_of: Callable[[Database], Database], template: Database) -> Database:
    return copy_of(template)


def rows(database: Database) -> int:
    return database.value("SELECT count(*) FROM journal_ward")


def test_it_is_refused_with_the_tables_and_what_to_do(database):
    refused = database.manage("flush", "--no-input")
    assert (refused.status, refused.output) == (1, "")
    assert refused.errors.startswith(f"CommandError: The database {database.name} can't be flushed: history is kept")
    assert "journal_entry" in refused.errors
    assert "Traceback" not in refused.errors
    assert rows(database) == 1


@pytest.mark.parametrize(
    "damage",
    ["DROP TRIGGER append_only ON journal_entry", "ALTER TABLE journal_entry DISABLE TRIGGER append_only"],
)
def test_without_the_trigger_it_is_refused_as_well(database, damage):
    database.execute(damage)
    assert database.manage("flush", "--no-input").status == 1
    assert rows(database) == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("psql") is None, reason="no psql here")
def test_what_it_says_starts_the_database_again(database, owner):
    """As a role that owns the database, and is no superuser."""
    commands = [line for line in owner.manage("flush", "--no-input").errors.splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    run(owner, *commands)
    assert database.value("SELECT to_regclass('journal_ward') IS NULL")
    assert database.value("SELECT count(*) FROM clinics") == 0


def run(database: Database, *commands: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DATABASE_URL": database.url, "SECRET_KEY": "only for tests " * 4}
    for command in commands:
        subprocess.run(["bash", "-c", command], cwd=PROJECT_FOLDER, env=environment, check=True, timeout=120)


def test_without_history_it_is_djangos_own(empty_database):
    assert empty_database.manage("flush", "--no-input").status == 0
