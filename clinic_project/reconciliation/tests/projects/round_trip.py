"""Tests on the packages of one project what the engine's README says of any project. Its databases are:

1. *made*: by Django's schema editor, from the state of the last migrations. Nothing may differ.
2. *restored*: from a dump of that one. Nothing may differ. Each damage is repaired to an equal catalog.
3. *migrated*: by the project's own migrations, as Django runs them. `migrate` adopts it, and finds nothing to do again.
"""

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.commands import migrate as django_migrate
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from ...conf import Budgets
from ...execution.reporter import Reporter
from ...migration_history import declared_by_migrations
from ...pipeline import Inspection, inspect, reconcile
from ..support.catalog import differences, nothing, read_catalog
from ..support.databases import Database, default_connection_to, temporary_database
from ..support.idempotence import assert_changes_nothing
from .damages import damage


def check_project(programs: Path, damages: int) -> dict[str, Any]:
    """Return the numbers of the README's table. Raises AssertionError for what doesn't hold."""
    with temporary_database() as made:
        _create(made)
        inspection, seconds = _assert_in_sync(made)
        with temporary_database() as restored:
            _restore(made, restored, programs)
            _assert_in_sync(restored)
            _assert_repaired(restored, damages)
    with temporary_database() as migrated:
        adopted = _assert_adopted(migrated)
    return {"tables": len(inspection.declared.tables), "seconds": seconds, "damages": damages, "differences": adopted}


def _create(database: Database) -> None:
    apps = MigrationLoader(None).project_state().apps
    managed = [model for model in apps.get_models() if model._meta.can_migrate("default")]
    for model in managed:
        # A state may have an index twice, which Django would create twice.
        model._meta.indexes = list({index.name: index for index in model._meta.indexes}.values())
    with default_connection_to(database), connection.schema_editor(atomic=False) as editor:
        for model in managed:
            editor.create_model(model)


def _assert_in_sync(database: Database) -> tuple[Inspection, float]:
    """Return the inspection, and how long it took, with what is declared, in seconds."""
    with default_connection_to(database):
        began = time.monotonic()
        inspection = _inspect()
        seconds = time.monotonic() - began
    found = [(item.table, item.name, item.declared_text, item.actual_text) for item in inspection.differences.items]
    assert found == []
    assert inspection.plan.notes == ()
    return inspection, seconds


def _inspect() -> Inspection:
    return inspect(connection, *declared_by_migrations(connection), Budgets())


def _restore(database: Database, into: Database, programs: Path) -> None:
    dump = subprocess.run([str(programs / "pg_dump"), database.url], check=True, capture_output=True).stdout
    command = [str(programs / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", into.url]
    subprocess.run(command, check=True, input=dump, capture_output=True)


def _assert_repaired(database: Database, damages: int) -> None:
    """Damage the database, and repair it, again and again."""
    tables = [name for (name,) in database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    before = read_catalog(database, tables)
    chosen = random.Random(len(tables))  # the same ones in each run  # noqa: S311
    with default_connection_to(database):
        server, declared = declared_by_migrations(connection)
        for _ in range(damages):
            statement = damage(database, chosen)
            database.execute(statement)
            result = reconcile(connection, server, declared, Budgets(), Reporter())
            assert result.refusals == (), (statement, result.refusals)
            left = differences(before, read_catalog(database, tables), nothing)
            assert left == [], (statement, left)


def _assert_adopted(database: Database) -> int:
    """Let Django migrate, then the engine. Return in how much what the project's migrations leave differs."""
    with default_connection_to(database):
        call_command(django_migrate.Command(), verbosity=0, skip_checks=True)
        count = len(_inspect().differences)
    if database.migrate("--skip-checks").status != 0:
        # Migrations that alter by SQL of their own what the models declare: a person decides for the models.
        report = json.loads(database.manage("reconcile", "--json").output)
        database.execute(*(sql for refusal in report["refusals"] for sql in refusal["statements"]))
    outcome = database.migrate("--skip-checks")
    assert outcome.status == 0, outcome.printed
    assert_changes_nothing(database)
    return count
