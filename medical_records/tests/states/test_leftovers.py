"""Leftovers of our own, from a run that was killed (state 30)."""

import pytest

from clinic_project.reconciliation.tests.support.catalog import (
    foreign_key,
)
from clinic_project.reconciliation.tests.support.databases import (
    Database,
)
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.interruptions import killed_at

from .outcomes import Expectations

pytestmark = pytest.mark.slow


class TestState30Leftovers:
    """A run was killed between two statements: its leftovers are finished or dropped."""

    DAMAGE = (
        "DROP INDEX idx_medical_records_created",
        "CREATE INDEX idx_medical_records_created ON medical_records (updated_at)",
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    )

    @pytest.mark.parametrize(
        "words",
        [
            "VALIDATE CONSTRAINT",
            "SET NOT NULL",
            "DROP CONSTRAINT",
            "CREATE INDEX CONCURRENTLY",
            "RENAME TO",
            "DROP INDEX",
        ],
    )
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_30_is_finished(self, words: str, moment: str, database: Database, expected: Expectations):
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(*self.DAMAGE, f'ALTER TABLE medical_records DROP CONSTRAINT "{name}"')
        backfilled = {"medical_records.is_deleted": "false"}
        before = fingerprints(database, backfilled)
        with killed_at(words, moment) as interrupted:
            database.migrate()
        assert interrupted, f"no statement has {words}"
        assert lost_or_changed(database, before, backfilled) == []
        expected.converges(database, backfilled=backfilled)

    def test_30_a_foreign_key_not_valid(self, database: Database, expected: Expectations):
        name = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            f'ALTER TABLE patient_photos DROP CONSTRAINT "{name}"',
            f'ALTER TABLE patient_photos ADD CONSTRAINT "{name}" FOREIGN KEY (patient_id) REFERENCES patients '
            "DEFERRABLE INITIALLY DEFERRED NOT VALID",
        )
        expected.converges(database)
