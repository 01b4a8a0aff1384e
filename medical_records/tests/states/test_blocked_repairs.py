"""Repairs that are blocked by a refused one, and reported with it."""

import json

import pytest

from clinic_project.reconciliation.tests.support.catalog import dropping_constraints, foreign_key
from clinic_project.reconciliation.tests.support.databases import Database

from .outcomes import Expectations


class TestBlockedRepairs:
    """What depends on a refused object is reported with that refusal, and isn't refused itself."""

    def reports(self, database: Database, refused: str, *blocked: str) -> None:
        outcome = database.migrate()
        assert outcome.status == 1
        assert "one thing needs a person's decision" in outcome.errors
        assert refused in outcome.errors
        (line,) = [line for line in outcome.errors.splitlines() if "Blocked by this: " in line]
        for name in blocked:
            assert name in line
        (refusal,) = json.loads(database.manage("reconcile", "--json").output)["refusals"]
        assert {place["name"] for place in refusal["blocked"]} >= set(blocked)
        assert "Blocked by this: " in database.manage("reconcile", "--plan").printed

    def test_by_an_unlogged_parent(self, database: Database, expected: Expectations):
        keys = [foreign_key(database, table, "patient_id") for table in ("medical_records", "patient_photos")]
        database.execute(
            *dropping_constraints(database, ["medical_records", "patient_photos", "appointments"], "f"),
            "ALTER TABLE patients SET UNLOGGED",
        )
        self.reports(database, "patients [unlogged]", *keys)
        database.execute("ALTER TABLE patients SET LOGGED")
        expected.converges(database)

    def test_by_another_primary_key(self, database: Database, expected: Expectations):
        """No foreign key can reference a deferrable unique constraint, and a key's columns can't be NULL."""
        key = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            "ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",
            "ALTER TABLE patients ADD CONSTRAINT theirs UNIQUE (id) DEFERRABLE",
            "UPDATE patients SET phone_number = id",
            "ALTER TABLE patients ADD PRIMARY KEY (id, phone_number)",
        )
        self.reports(database, "patients.patients_pkey [other-key]", key, "phone_number")
        database.execute("ALTER TABLE patients DROP CONSTRAINT patients_pkey")
        assert database.migrate().status == 0

    @pytest.mark.parametrize("app", ["", "medical_records"])
    def test_by_a_key_with_duplicates(self, app: str, database: Database, expected: Expectations):
        """Also where the parent's app is recorded, and the children's isn't."""
        key = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            f"DELETE FROM django_migrations WHERE app = '{app}'",
            "ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",
            "INSERT INTO patients SELECT * FROM patients WHERE id IN (3, 4)",
        )
        self.reports(database, "patients.patients_pkey [duplicates]", key)
        database.execute("DELETE FROM patients a USING patients b WHERE a.id = b.id AND a.ctid > b.ctid")
        expected.converges(database)

    def test_by_a_column_of_another_type(self, database: Database):
        database.execute(
            "DROP INDEX idx_medical_records_created",
            "ALTER TABLE medical_records ALTER created_at DROP DEFAULT, ALTER created_at TYPE timestamp",
        )
        self.reports(database, "medical_records.created_at [column-type]", "idx_medical_records_created")

    def test_by_a_missing_column_without_a_default(self, database: Database):
        key = foreign_key(database, "medical_records", "patient_id")
        database.execute("ALTER TABLE medical_records DROP patient_id")
        indexes = ("idx_medical_records_patient", "idx_medical_records_deleted")
        self.reports(database, "medical_records.patient_id [column-without-value]", key, *indexes)

    def test_by_a_view_that_has_the_parents_name(self, database: Database):
        """One table is blocked, and so is a foreign key that points to that table."""
        key = foreign_key(database, "patient_photos", "medical_record_id")
        database.execute(
            "ALTER TABLE medical_record_templates RENAME TO put_aside",
            "CREATE VIEW medical_record_templates AS SELECT * FROM put_aside",
            "DROP TABLE medical_records CASCADE",
        )
        self.reports(database, "medical_record_templates [not-a-table]", "medical_records", key)

    def test_by_nulls_in_a_key_column(self, database: Database):
        """The key requires its column to be NOT NULL, and the foreign keys require the key."""
        key = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            "ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",
            "ALTER TABLE patients ALTER id DROP IDENTITY, ALTER id DROP NOT NULL",
            "UPDATE patients SET id = NULL WHERE id = 7",
        )
        self.reports(database, "patients.id [nulls-without-default]", "patients_pkey", key)
