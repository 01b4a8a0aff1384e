"""The four scenarios of a deployment (states S1 to S4)."""

import pytest
from django.core.management import call_command
from django.test import override_settings

from clinic_project.reconciliation.tests.support.catalog import dropping_constraints, object_ids
from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to
from clinic_project.reconciliation.tests.support.idempotence import assert_changes_nothing

from .outcomes import MIGRATIONS, Expectations, assert_defaults_live, recorded
from .tables import MEDICAL_TABLES

FORGET_BOTH = "DELETE FROM django_migrations WHERE app IN ('clinics', 'medical_records')"
FORGET_RECORDS = "DELETE FROM django_migrations WHERE app = 'medical_records'"


class TestS1CleanDatabase:
    """The database is empty."""

    def test_s1_empty_database_gets_the_declared_schema(self, empty_database: Database, expected: Expectations):
        expected.converges(empty_database)

    def test_s1_as_a_process(self, empty_database: Database, expected: Expectations):
        outcome = empty_database.run("migrate")
        assert outcome.status == 0, outcome.printed
        assert outcome.errors == ""
        expected.is_declared(empty_database)
        assert recorded(empty_database) == MIGRATIONS

    def test_s1_only_the_medical_tables_are_missing(self, database: Database, expected: Expectations):
        database.execute(f"DROP TABLE {', '.join(MEDICAL_TABLES)}", FORGET_RECORDS)
        expected.converges(database)

    def test_s1_one_app_at_a_time(self, empty_database: Database, expected: Expectations):
        assert empty_database.migrate("clinics").status == 0
        assert empty_database.migrate("medical_records").status == 0
        expected.converges(empty_database)


class TestS2PartialDatabase:
    """Tables are there, complete or not, and django_migrations doesn't record them."""

    PARTIAL = (
        "ALTER TABLE patient_photos DROP COLUMN updated_at, DROP COLUMN updated_by_user_id",
        "ALTER TABLE patient_photos ALTER COLUMN is_pending DROP NOT NULL, ALTER COLUMN is_pending DROP DEFAULT",
        "ALTER TABLE medical_record_templates ALTER COLUMN is_deleted DROP NOT NULL",
        "ALTER TABLE medical_records ALTER COLUMN created_at DROP DEFAULT, ALTER COLUMN version DROP DEFAULT",
        "DROP INDEX idx_medical_record_templates_clinic, idx_patient_photos_dedup, idx_medical_records_updated",
    )

    def test_s2_columns_indexes_defaults_and_not_nulls_are_missing(self, database: Database, expected: Expectations):
        database.execute(*self.PARTIAL, FORGET_RECORDS)
        expected.converges(database)

    def test_s2_with_null_booleans(self, database: Database, expected: Expectations):
        database.execute(
            *self.PARTIAL,
            "UPDATE patient_photos SET is_pending = NULL WHERE id % 3 = 0",
            "UPDATE medical_record_templates SET is_deleted = NULL WHERE id % 3 = 0",
            FORGET_BOTH,
        )
        backfilled = {"patient_photos.is_pending": "true", "medical_record_templates.is_deleted": "false"}
        expected.converges(database, backfilled=backfilled)

    def test_s2_without_rows(self, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute(*self.PARTIAL, FORGET_RECORDS)
        expected.converges(database_without_rows)

    def test_s2_foreign_keys_are_missing(self, database: Database, expected: Expectations):
        drop = dropping_constraints(database, MEDICAL_TABLES, "f")
        assert len(drop) == 14
        database.execute(*drop, FORGET_RECORDS)
        expected.converges(database)

    @pytest.mark.parametrize("there", MEDICAL_TABLES[:2])
    def test_s2_only_the_first_tables_were_created(self, there: str, database: Database, expected: Expectations):
        missing = MEDICAL_TABLES[MEDICAL_TABLES.index(there) + 1 :]
        database.execute(f"DROP TABLE {', '.join(missing)}", FORGET_RECORDS)
        expected.converges(database)

    def test_s2_everything_is_there_and_not_recorded(self, database: Database, expected: Expectations):
        before = object_ids(database, MEDICAL_TABLES)
        database.execute(FORGET_BOTH)
        expected.converges(database)
        assert object_ids(database, MEDICAL_TABLES) == before


class TestS3UpToDate:
    """Everything is as declared, and recorded."""

    def test_s3_no_ddl(self, database: Database, expected: Expectations):
        expected.is_declared(database)
        assert_changes_nothing(database)
        assert_defaults_live(database)

    def test_s3_as_a_process(self, database: Database, expected: Expectations):
        outcome = database.run("migrate")
        assert (outcome.status, outcome.errors) == (0, "")
        assert database.run("reconcile", "--check").status == 0

    def test_s3_every_dry_run_says_that_there_is_nothing_to_do(self, database: Database):
        for arguments in (("migrate", "--plan"), ("migrate", "--check"), ("reconcile", "--check"), ("reconcile",)):
            outcome = database.manage(*arguments)
            assert outcome.status == 0, (arguments, outcome.printed)


class TestS4RecordedButMissing:
    """django_migrations records the migration, and tables are missing."""

    def test_s4_templates_are_missing(self, database: Database, expected: Expectations):
        database.execute(
            "DELETE FROM patient_photos",
            "DELETE FROM medical_records",
            "DROP TABLE medical_record_templates CASCADE",
        )
        expected.converges(database)

    def test_s4_photos_are_missing(self, database: Database, expected: Expectations):
        database.execute("DROP TABLE patient_photos")
        expected.converges(database)

    def test_s4_all_three_are_missing(self, database: Database, expected: Expectations):
        database.execute(f"DROP TABLE {', '.join(MEDICAL_TABLES)}")
        expected.converges(database)

    def test_s4_records_are_missing_and_photos_point_to_them(self, database: Database, expected: Expectations):
        database.execute("UPDATE patient_photos SET medical_record_id = NULL", "DROP TABLE medical_records CASCADE")
        expected.converges(database)

    def test_s4_templates_are_missing_and_records_need_them(self, database: Database, expected: Expectations):
        """The table is created, empty. The records without templates are reported, and none is deleted."""
        database.execute("DROP TABLE medical_record_templates CASCADE")
        expected.refuses(
            database,
            naming=("medical_records", "template_id", "240"),
            remedy=(
                """INSERT INTO medical_record_templates (id, clinic_id, name, fields)
                   SELECT template_id, min(clinic_id), min(template_name), '[]' FROM medical_records GROUP BY 1""",
                "SELECT setval(pg_get_serial_sequence('medical_record_templates', 'id'), 1000)",
            ),
        )

    def test_s4_nine_tables_are_missing(self, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute(
            f"DROP TABLE {', '.join(MEDICAL_TABLES)}, appointments, calendar_events, patients, user_clinic_associations"
        )
        expected.converges(database_without_rows)

    @pytest.mark.slow
    def test_s4_as_a_process(self, database: Database, expected: Expectations):
        database.execute("DROP TABLE patient_photos")
        assert database.run("reconcile", "--check").status == 1
        outcome = database.run("migrate")
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert database.run("reconcile", "--check").status == 0

    def test_s4_while_no_page_can_be_imported(self, database: Database, expected: Expectations):
        database.execute(f"DROP TABLE {', '.join(MEDICAL_TABLES)}")
        with default_connection_to(database), override_settings(ROOT_URLCONF="no_such_pages"):
            call_command("migrate", skip_checks=False, verbosity=0)
        expected.is_declared(database)
