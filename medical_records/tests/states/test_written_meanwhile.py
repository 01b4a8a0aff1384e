"""What others write while a repair is under way."""

import contextlib
import time

import pytest
from django.db import connections

from clinic_project.reconciliation.conf import Budgets
from clinic_project.reconciliation.execution.reporter import Reporter
from clinic_project.reconciliation.migration_history import declared_by_migrations
from clinic_project.reconciliation.pipeline import reconcile
from clinic_project.reconciliation.tests.support.catalog import foreign_key
from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to


class Latecomer(Reporter):
    """Writes a NULL as soon as all NULLs have been backfilled."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.steps: list[str] = []

    def finished(self, step, seconds, rows):
        self.steps.append(step.reason)
        if rows and step.fill is not None:
            self.database.execute("UPDATE medical_records SET is_deleted = NULL WHERE id = 7 AND version = 1")
            self.database.execute("UPDATE medical_records SET version = 99 WHERE id = 7")


def test_05_a_null_is_written_after_the_fill(database):
    database.execute(
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "UPDATE medical_records SET is_deleted = NULL, version = 1 WHERE id < 10",
    )
    latecomer = Latecomer(database)
    with default_connection_to(database):
        connection = connections["default"]
        outcome = reconcile(connection, *declared_by_migrations(connection), Budgets(), latecomer)

    assert outcome.inspection.in_sync
    assert not outcome.refusals
    # It was found by the validation, and backfilled.
    assert sum("in batches" in reason for reason in latecomer.steps) == 2
    assert database.rows("SELECT is_deleted, version FROM medical_records WHERE id = 7") == [(False, 99)]


@pytest.mark.parametrize(
    ("command", "table"),
    [
        pytest.param(("migrate",), "medical_records", id="table"),
        pytest.param(("migrate",), "patients", id="parent"),
        pytest.param(("migrate", "medical_records", "zero"), "medical_records", id="way back"),
        pytest.param(("migrate", "medical_records", "zero"), "patients", id="way back, parent"),
    ],
)
def test_22_no_writer_waits_while_maintenance_holds_a_table(command, table, database):
    """What holds off an ALTER, and lets rows be written, is waited for in a way that lets rows be written, too."""
    if command == ("migrate",):
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(f"ALTER TABLE medical_records ALTER is_deleted DROP DEFAULT, DROP CONSTRAINT {name}")
    with contextlib.closing(database.connect()) as maintenance:
        maintenance.autocommit = False
        maintenance.cursor().execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        migrate = database.start(*command)
        waiting = _first_waiting_lock(database, table)
        with database.cursor() as writer:
            writer.execute("SET lock_timeout = '30ms'")
            writer.execute("UPDATE medical_records SET version = version + 1 WHERE id = 1")
            writer.execute("UPDATE patients SET notes = notes WHERE id = 1")
        maintenance.rollback()
    output, errors = migrate.communicate(timeout=60)

    assert waiting == "ShareUpdateExclusiveLock"
    assert migrate.returncode == 0, output + errors


def _first_waiting_lock(database: Database, table: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = database.rows(
            "SELECT mode FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [table],
        )
        if found:
            return str(found[0][0])
        time.sleep(0.01)
    raise AssertionError("Nobody has waited for the table.")
