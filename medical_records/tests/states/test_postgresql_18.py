"""NOT NULL constraints and NOT ENFORCED, which PostgreSQL has had since 18 (state 21)."""

import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key, named
from clinic_project.reconciliation.tests.support.databases import Database

from .outcomes import Expectations


@pytest.fixture(autouse=True)
def _eighteen(database: Database) -> None:
    if int(database.value("SHOW server_version_num")) < 180000:
        pytest.skip("PostgreSQL 18 made NOT NULL a constraint, and enforcement an option")


class TestState21NamedNotNull:
    """NOT NULL is a constraint, perhaps NOT VALID: pg_attribute says NOT NULL all the same."""

    def test_21_not_valid_with_nulls_inside(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
            "ALTER TABLE medical_records ADD CONSTRAINT deleted_is_known NOT NULL is_deleted NOT VALID",
        )
        expected.converges(database, backfilled={"medical_records.is_deleted": "false"})

    def test_21_not_valid_with_nulls_in_two_columns_of_the_same_rows(self, database: Database, expected: Expectations):
        """A row can't be updated while one of them is NULL: all are backfilled in one UPDATE."""
        for column in ("is_deleted", "version", "created_at"):
            database.execute(
                f"ALTER TABLE medical_records ALTER {column} DROP NOT NULL",
                f"UPDATE medical_records SET {column} = NULL WHERE id % 3 = 0",
            )
        database.execute(
            "ALTER TABLE medical_records ADD CONSTRAINT deleted_is_known NOT NULL is_deleted NOT VALID",
            "ALTER TABLE medical_records ADD CONSTRAINT version_is_known NOT NULL version NOT VALID",
            "ALTER TABLE medical_records ADD CONSTRAINT created_is_known CHECK (created_at IS NOT NULL) NOT VALID",
        )
        expected.converges(
            database,
            keeping=named("created_is_known"),
            backfilled={
                "medical_records.is_deleted": "false",
                "medical_records.version": "1",
                "medical_records.created_at": None,
            },
        )

    def test_21_not_valid_without_nulls(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos ALTER clinic_id DROP NOT NULL",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_clinic_id_not_null NOT NULL clinic_id NOT VALID",
        )
        expected.converges(database)

    def test_21_not_valid_with_nulls_without_a_default(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_record_templates ALTER name DROP NOT NULL",
            "UPDATE medical_record_templates SET name = NULL WHERE id <= 17",
            "ALTER TABLE medical_record_templates ADD CONSTRAINT name_is_known NOT NULL name NOT VALID",
        )
        expected.refuses(
            database,
            naming=("medical_record_templates", "name", r"\b17\b"),
            remedy=("UPDATE medical_record_templates SET name = '?' WHERE name IS NULL",),
            backfilled={"medical_record_templates.name": "?"},
        )

    def test_21_another_name(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records RENAME CONSTRAINT medical_records_is_deleted_not_null TO deleted_is_known"
        )
        expected.converges(database)

    def test_21_undeclared_not_null(self, database: Database, expected: Expectations):
        """A column that is declared nullable is NOT NULL: the application's rows would be rejected."""
        database.execute(
            "UPDATE patient_photos SET description = '' WHERE description IS NULL",
            "ALTER TABLE patient_photos ADD CONSTRAINT described NOT NULL description",
        )
        expected.converges(database)

    def test_21_two_with_each_others_names(self, database: Database, expected: Expectations):
        """The columns were renamed to each other's names, and their constraints weren't."""
        database.execute(
            "ALTER TABLE medical_records RENAME CONSTRAINT medical_records_clinic_id_not_null TO aside",
            "ALTER TABLE medical_records RENAME CONSTRAINT medical_records_patient_id_not_null"
            " TO medical_records_clinic_id_not_null",
            "ALTER TABLE medical_records RENAME CONSTRAINT aside TO medical_records_patient_id_not_null",
        )
        names = (
            "SELECT string_agg(conname || pg_get_constraintdef(oid), ' ' ORDER BY conname) FROM pg_constraint"
            " WHERE conrelid = 'medical_records'::regclass AND conname ~ '(clinic|patient)_id_not_null'"
        )
        expected.converges(database)
        assert database.value(names) == (
            "medical_records_clinic_id_not_nullNOT NULL clinic_id medical_records_patient_id_not_nullNOT NULL patient_id"
        )

    def test_21_the_name_is_another_columns(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos RENAME is_pending TO undeclared_pending",
            "ALTER TABLE patient_photos ADD is_pending boolean NOT NULL DEFAULT true",
        )
        expected.refuses(
            database,
            naming=("patient_photos.is_pending", "name-taken", "undeclared_pending"),
            remedy=("ALTER TABLE patient_photos RENAME CONSTRAINT patient_photos_is_pending_not_null TO theirs",),
            keeping=lambda key: "undeclared_pending" in key.name or "NOT NULL" in key.name,
        )

    def test_21_an_inherited_constraint(self, database: Database, expected: Expectations):
        """It can't be renamed, and works under any name."""
        database.execute(
            "ALTER TABLE medical_records RENAME CONSTRAINT medical_records_version_not_null TO is_counted",
            "CREATE TABLE undeclared_parent (version integer CONSTRAINT is_counted NOT NULL)",
            "ALTER TABLE medical_records INHERIT undeclared_parent",
        )
        expected.converges(database, keeping=lambda key: "undeclared" in key.table or "is_counted" in key.name)

    def test_21_not_inherited(self, database: Database, expected: Expectations):
        database.execute("ALTER TABLE medical_records ALTER CONSTRAINT medical_records_version_not_null NO INHERIT")
        expected.converges(database)


class TestState21NotEnforced:
    """A foreign key is NOT ENFORCED, and checks nothing."""

    def test_21_is_enforced(self, database: Database, expected: Expectations):
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(f'ALTER TABLE medical_records ALTER CONSTRAINT "{name}" NOT ENFORCED')
        expected.converges(database)

    def test_21_is_created_so(self, database: Database, expected: Expectations):
        name = foreign_key(database, "patient_photos", "clinic_id")
        database.execute(
            f'ALTER TABLE patient_photos DROP CONSTRAINT "{name}"',
            f'ALTER TABLE patient_photos ADD CONSTRAINT "{name}" '
            "FOREIGN KEY (clinic_id) REFERENCES clinics NOT ENFORCED",
        )
        expected.converges(database)

    def test_21_with_orphans(self, database: Database, expected: Expectations):
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(
            f'ALTER TABLE medical_records ALTER CONSTRAINT "{name}" NOT ENFORCED',
            "UPDATE medical_records SET patient_id = 900000 + id WHERE id IN (11, 22, 33)",
        )
        expected.refuses(
            database,
            naming=("medical_records", "patient_id", r"\b3 rows", r"\b(9000)?(11|22|33)\b"),
            remedy=("UPDATE medical_records SET patient_id = 1 WHERE patient_id > 900000",),
        )
