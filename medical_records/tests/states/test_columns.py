"""Columns: defaults, nullability, presence, type (states 1, 5, 6, 14 and 15)."""

import re

import pytest

from clinic_project.reconciliation.tests.proofs.catalogue import object_ids
from clinic_project.reconciliation.tests.proofs.databases import Database

from .outcomes import Expectations
from .rows import ROWS


class TestState1FrozenDefault:
    """`DEFAULT 'now()'`, quoted: every later row gets the instant at which the table was made."""

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("medical_record_templates", "created_at"),
            ("medical_records", "created_at"),
            ("medical_records", "updated_at"),
            ("patient_photos", "created_at"),
            ("patients", "created_at"),
        ],
    )
    def test_01_now_in_quotes(self, table: str, column: str, database: Database, expected: Expectations):
        """The default lives again, the rows keep their instants, and we are told how many carry the frozen one."""
        database.execute(
            f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT 'now()'",
            f"UPDATE {table} SET {column} = DEFAULT WHERE id <= 37",
        )
        outcome = expected.converges(database)
        assert re.search(rf"\b37\b.*\b{column}|{column}.*\b37\b", outcome.told), outcome.told

    @pytest.mark.parametrize("default", ["'today'", "'2026-02-01 00:00+00'", "current_date", "now() + interval '1 h'"])
    def test_01_other_wrong_moments(self, default: str, database: Database, expected: Expectations):
        database.execute(f"ALTER TABLE medical_records ALTER COLUMN created_at SET DEFAULT {default}")
        expected.converges(database)

    def test_01_now_instead_of_the_statements_own_moment(self, database: Database, expected: Expectations):
        database.execute("ALTER TABLE patient_photos ALTER COLUMN created_at SET DEFAULT CURRENT_TIMESTAMP")
        expected.converges(database)

    def test_01_all_defaults_are_gone(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_record_templates ALTER version DROP DEFAULT, ALTER is_deleted DROP DEFAULT, "
            "ALTER created_at DROP DEFAULT",
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER is_deleted DROP DEFAULT, "
            "ALTER created_at DROP DEFAULT, ALTER updated_at DROP DEFAULT",
            "ALTER TABLE patient_photos ALTER is_pending DROP DEFAULT, ALTER is_deleted DROP DEFAULT, "
            "ALTER created_at DROP DEFAULT",
            "ALTER TABLE user_clinic_associations ALTER roles DROP DEFAULT, ALTER title DROP DEFAULT",
        )
        expected.converges(database)

    def test_01_defaults_are_other_ones(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER version SET DEFAULT 2, ALTER is_deleted SET DEFAULT true",
            "ALTER TABLE patient_photos ALTER is_pending SET DEFAULT false",
            "ALTER TABLE appointments ALTER status SET DEFAULT 'pending'",
        )
        expected.converges(database)

    def test_01_a_default_that_nobody_declared(self, database: Database, expected: Expectations):
        """It would give rows a value that the models don't know of."""
        database.execute(
            "ALTER TABLE patient_photos ALTER description SET DEFAULT 'none'",
            "ALTER TABLE medical_records ALTER template_name SET DEFAULT ''",
        )
        expected.converges(database)


class TestState5NullableBooleans:
    """Columns that should be NOT NULL are nullable, with NULLs inside."""

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            ("medical_record_templates.is_deleted", "false"),
            ("medical_records.is_deleted", "false"),
            ("patient_photos.is_deleted", "false"),
            ("patient_photos.is_pending", "true"),
            ("medical_records.version", "1"),
            ("user_clinic_associations.roles", "[]"),
            ("user_clinic_associations.title", ""),
        ],
    )
    def test_05_nulls_become_the_declared_default(
        self, place: str, value: str, database: Database, expected: Expectations
    ):
        table, column = place.split(".")
        database.execute(
            f"ALTER TABLE {table} ALTER {column} DROP NOT NULL",
            f"UPDATE {table} SET {column} = NULL WHERE id % 4 = 1",
        )
        expected.converges(database, filled={place: value})

    def test_05_nullable_without_a_null(self, database: Database, expected: Expectations):
        database.execute("ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER patient_id DROP NOT NULL")
        expected.converges(database)

    def test_05_every_row_is_null_and_the_default_is_gone(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos ALTER is_pending DROP NOT NULL, ALTER is_pending DROP DEFAULT",
            "UPDATE patient_photos SET is_pending = NULL",
        )
        expected.converges(database, filled={"patient_photos.is_pending": "true"})

    def test_05_all_booleans_at_once(self, database: Database, expected: Expectations):
        places = [
            "medical_record_templates.is_deleted",
            "medical_records.is_deleted",
            "patient_photos.is_deleted",
            "users.is_superuser",
            "users.is_staff",
        ]
        for place in places:
            table, column = place.split(".")
            database.execute(
                f"ALTER TABLE {table} ALTER {column} DROP NOT NULL, ALTER {column} DROP DEFAULT",
                f"UPDATE {table} SET {column} = NULL WHERE id % 5 = 2",
            )
        expected.converges(database, filled=dict.fromkeys(places, "false"))

    def test_05_a_moment_is_filled_too(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER created_at DROP NOT NULL",
            "UPDATE medical_records SET created_at = NULL WHERE id % 4 = 1",
        )
        expected.converges(database, filled={"medical_records.created_at": None})

    def test_05_more_rows_than_a_batch(self, database: Database, expected: Expectations):
        """More rows than any sensible batch: all are filled, and only those."""
        database.execute(
            "ALTER TABLE patient_photos ALTER is_deleted DROP NOT NULL",
            """INSERT INTO patient_photos
                   (clinic_id, patient_id, filename, storage_key, content_type, size_bytes, is_deleted)
               SELECT 1, 1, 'a.jpg', 'a', 'image/jpeg', n, CASE n % 3 WHEN 0 THEN true END
               FROM generate_series(1, 12000) AS n""",
        )
        expected.converges(database, filled={"patient_photos.is_deleted": "false"})

    @pytest.mark.parametrize(
        ("place", "remedy"),
        [
            ("medical_record_templates.name", "UPDATE medical_record_templates SET name = '?' WHERE name IS NULL"),
            ("medical_records.patient_id", "UPDATE medical_records SET patient_id = 1 WHERE patient_id IS NULL"),
        ],
    )
    def test_05_nulls_without_a_declared_default(
        self, place: str, remedy: str, database: Database, expected: Expectations
    ):
        """Nobody knows what to fill in: the column and the number of rows are told."""
        table, column = place.split(".")
        database.execute(
            f"ALTER TABLE {table} ALTER {column} DROP NOT NULL", f"UPDATE {table} SET {column} = NULL WHERE id <= 17"
        )
        expected.refuses(database, naming=(table, column, r"\b17\b"), remedy=(remedy,), filled={place: None})


class TestState6MissingColumns:
    """A column isn't there, and rows are."""

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("medical_record_templates", "version"),
            ("medical_records", "is_deleted"),
            ("medical_records", "updated_at"),
            ("patient_photos", "is_pending"),
            ("patient_photos", "created_at"),
            ("user_clinic_associations", "roles"),
        ],
    )
    def test_06_not_null_with_a_default(self, table: str, column: str, database: Database, expected: Expectations):
        database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        expected.converges(database)

    def test_06_nullable_columns(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos DROP updated_at, DROP updated_by_user_id, DROP content_hash",
            "ALTER TABLE medical_records DROP appointment_id, DROP deleted_at",
            "ALTER TABLE medical_record_templates DROP description, DROP created_by_user_id",
        )
        expected.converges(database)

    def test_06_columns_under_several_indexes(self, database: Database, expected: Expectations):
        """Dropping a column took its indexes along: both come back."""
        database.execute("ALTER TABLE patient_photos DROP is_deleted, DROP content_hash, DROP medical_record_id")
        expected.converges(database)

    @pytest.mark.parametrize(
        ("table", "column", "definition"),
        [
            ("medical_records", "template_name", "varchar(255) NOT NULL DEFAULT '?'"),
            ("medical_records", "values", "jsonb NOT NULL DEFAULT '{}'"),
            ("medical_record_templates", "clinic_id", "integer NOT NULL DEFAULT 1"),
            ("patient_photos", "size_bytes", "integer NOT NULL DEFAULT 0"),
        ],
    )
    def test_06_not_null_without_any_default(
        self, table: str, column: str, definition: str, database: Database, expected: Expectations
    ):
        database.execute(f'ALTER TABLE {table} DROP COLUMN "{column}"')
        expected.refuses(
            database,
            naming=(table, column, rf"\b{ROWS}\b"),
            remedy=(f'ALTER TABLE {table} ADD COLUMN "{column}" {definition}',),
        )

    def test_06_not_null_without_any_default_and_no_rows(self, hollow_database: Database, expected: Expectations):
        hollow_database.execute(
            'ALTER TABLE medical_records DROP template_name, DROP "values", DROP patient_id',
            "ALTER TABLE patient_photos DROP clinic_id",
        )
        expected.converges(hollow_database)


class TestState14ShorterVarchar:
    """A varchar is shorter than declared."""

    @pytest.mark.parametrize(
        ("table", "column", "length"),
        [
            ("medical_record_templates", "name", 100),
            ("patient_photos", "storage_key", 255),
            ("patient_photos", "content_type", 50),
            ("users", "email", 120),
        ],
    )
    def test_14_is_widened_in_place(
        self, table: str, column: str, length: int, database: Database, expected: Expectations
    ):
        database.execute(f"ALTER TABLE {table} ALTER {column} TYPE varchar({length})")
        files = {file for _oid, file in object_ids(database, [table, "users_email_key"]).values()}
        expected.converges(database)
        now = {file for _oid, file in object_ids(database, [table, "users_email_key"]).values()}
        assert now == files, "rewritten or rebuilt"

    def test_14_under_a_view(self, database: Database, expected: Expectations):
        """PostgreSQL lets no column change its type under a view: told, with the view's name."""
        database.execute(
            "ALTER TABLE medical_record_templates ALTER name TYPE varchar(100)",
            "CREATE VIEW template_names AS SELECT name FROM medical_record_templates",
        )
        expected.refuses(
            database,
            naming=("medical_record_templates", "name", "template_names"),
            remedy=("DROP VIEW template_names",),
        )


class TestState15OtherTypes:
    """A type that no widening brings to the declared one: nobody but a person may convert it."""

    @pytest.mark.parametrize(
        ("table", "column", "type_", "back"),
        [
            ("medical_record_templates", "fields", "text", "jsonb"),
            ("medical_records", "created_at", "timestamp", "timestamptz"),
            ("patient_photos", "size_bytes", "bigint", "integer"),
            ("medical_records", "template_name", "text", "varchar(255)"),
            ("patient_photos", "content_type", "character varying(500)", "varchar(100)"),
            ("patients", "birthday", "text", "date"),
        ],
    )
    def test_15_is_refused_with_the_statement_that_would_do_it(
        self, table: str, column: str, type_: str, back: str, database: Database, expected: Expectations
    ):
        database.execute(
            f"ALTER TABLE {table} ALTER {column} DROP DEFAULT", f"ALTER TABLE {table} ALTER {column} TYPE {type_}"
        )
        expected.refuses(
            database,
            naming=(
                table,
                column,
                type_.split("(", maxsplit=1)[0],
                "ALTER TABLE",
                "rewrit",
            ),
            remedy=(f"ALTER TABLE {table} ALTER {column} TYPE {back} USING {column}::{back}",),
        )

    def test_15_a_key_of_eight_bytes(self, database: Database, expected: Expectations):
        database.execute("ALTER TABLE patient_photos ALTER id TYPE bigint")
        expected.refuses(
            database,
            naming=(r"patient_photos\W+id\b", "bigint", "integer", "ALTER TABLE", "rewrit"),
            remedy=("ALTER TABLE patient_photos ALTER id TYPE integer",),
        )

    def test_15_a_generated_column(self, database: Database, expected: Expectations):
        """It becomes an ordinary one with the values that it has, by the statement that the refusal tells."""
        database.execute(
            "ALTER TABLE patient_photos DROP size_bytes",
            "ALTER TABLE patient_photos ADD size_bytes integer GENERATED ALWAYS AS (id * 2) STORED NOT NULL",
        )
        remedy = 'ALTER TABLE "public"."patient_photos" ALTER COLUMN "size_bytes" DROP EXPRESSION'
        expected.refuses(database, naming=(r"patient_photos\.size_bytes", re.escape(remedy)), remedy=(remedy,))
