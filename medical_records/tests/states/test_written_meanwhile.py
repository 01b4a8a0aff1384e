"""What others write between two steps of a repair."""

from django.db import connections

from clinic_project.reconciliation.conf import Budgets
from clinic_project.reconciliation.engine import reconcile
from clinic_project.reconciliation.history import expect_declared
from clinic_project.reconciliation.report import Reporter
from clinic_project.reconciliation.tests.proofs.databases import Database, default_connection_to


class Latecomer(Reporter):
    """Writes a NULL as soon as all NULLs have been filled."""

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
        outcome = reconcile(connection, *expect_declared(connection), Budgets(), latecomer)

    assert outcome.inspection.in_sync
    assert not outcome.refusals
    # It was found by the validation, and filled.
    assert sum("in batches" in reason for reason in latecomer.steps) == 2
    assert database.rows("SELECT is_deleted, version FROM medical_records WHERE id = 7") == [(False, 99)]
