"""Foreign keys: missing, with orphans, not validated, different, disabled (states 7 to 10)."""

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.catalog import dropping_constraints, foreign_key, named
from clinic_project.reconciliation.tests.support.databases import Database

from .outcomes import Expectations
from .tables import MEDICAL_TABLES, TABLES

EVERY_KEY = [
    ("medical_record_templates", "clinic_id"),
    ("medical_record_templates", "created_by_user_id"),
    ("medical_records", "clinic_id"),
    ("medical_records", "patient_id"),
    ("medical_records", "template_id"),
    ("medical_records", "appointment_id"),
    ("patient_photos", "medical_record_id"),
    ("patient_photos", "updated_by_user_id"),
    ("appointments", "calendar_event_id"),
]
PARENTS = {
    "clinic_id": "clinics (id)",
    "patient_id": "patients (id)",
    "template_id": "medical_record_templates (id)",
    "appointment_id": "appointments (calendar_event_id)",
    "medical_record_id": "medical_records (id)",
}


def replace(database: Database, table: str, column: str, definition: str) -> str:
    """Replace the foreign key on `column` by another constraint of its name."""
    name = foreign_key(database, table, column)
    database.execute(
        f'ALTER TABLE {table} DROP CONSTRAINT "{name}"', f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'
    )
    return name


def drop(database: Database, table: str, column: str) -> str:
    name = foreign_key(database, table, column)
    database.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    return name


class TestState7Missing:
    """A foreign key is missing, and no row violates it."""

    @pytest.mark.parametrize(("table", "column"), EVERY_KEY)
    def test_07_is_added_and_valid(self, table: str, column: str, database: Database, expected: Expectations):
        drop(database, table, column)
        expected.converges(database)

    def test_07_all_of_the_nine_tables(self, database: Database, expected: Expectations):
        database.execute(*dropping_constraints(database, TABLES, "f"))
        expected.converges(database)

    def test_07_all_of_them_without_rows(self, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute(*dropping_constraints(database_without_rows, TABLES, "f"))
        expected.converges(database_without_rows)


class TestState8Orphans:
    """A foreign key is missing, and rows point to rows that don't exist."""

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("medical_records", "patient_id"),
            ("medical_records", "appointment_id"),
            ("medical_records", "template_id"),
            ("patient_photos", "medical_record_id"),
            ("medical_record_templates", "created_by_user_id"),
        ],
    )
    def test_08_is_added_not_valid_and_orphans_are_reported(
        self, table: str, column: str, database: Database, expected: Expectations
    ):
        name = drop(database, table, column)
        database.execute(f"UPDATE {table} SET {column} = 900000 + id WHERE id IN (11, 22, 33)")
        expected.refuses(
            database,
            naming=(table, column, r"\b3 rows", r"\b(9000)?(11|22|33)\b"),
            remedy=(f"UPDATE {table} SET {column} = 7 WHERE {column} > 900000",),
        )
        assert database.value("SELECT convalidated FROM pg_constraint WHERE conname = %s", [name])

    def test_08_new_orphans_are_rejected_while_old_ones_remain(self, database: Database):
        """After the refusal, a new orphan is rejected and the old ones are still there."""
        drop(database, "medical_records", "patient_id")
        database.execute("UPDATE medical_records SET patient_id = 900000 + id WHERE id <= 5")
        assert database.migrate().status != 0
        name = foreign_key(database, "medical_records", "patient_id")
        assert database.value("SELECT NOT convalidated FROM pg_constraint WHERE conname = %s", [name])
        with pytest.raises(psycopg2.errors.ForeignKeyViolation):
            database.execute("UPDATE medical_records SET patient_id = 900999 WHERE id = 6")
        assert database.value("SELECT count(*) FROM medical_records WHERE patient_id > 900000") == 5

    def test_08_a_second_run(self, database: Database, expected: Expectations):
        """A second migrate without a remedy refuses just the same, and changes nothing."""
        drop(database, "patient_photos", "patient_id")
        database.execute("UPDATE patient_photos SET patient_id = 900000 WHERE id <= 120")
        first, second = database.migrate(), database.migrate()
        assert first.status == second.status != 0
        assert "120" in first.errors
        assert "120" in second.errors
        database.execute("DELETE FROM patient_photos WHERE patient_id = 900000")
        expected.converges(database)

    def test_08_orphans_of_two_keys(self, database: Database, expected: Expectations):
        """One refusal doesn't hide the other."""
        drop(database, "medical_records", "patient_id")
        drop(database, "patient_photos", "clinic_id")
        database.execute(
            "UPDATE medical_records SET patient_id = 900000 + id WHERE id <= 5",
            "UPDATE patient_photos SET clinic_id = 800000 + id WHERE id <= 6",
        )
        expected.refuses(
            database,
            naming=(
                r"medical_records\W+patient_id|medical_records_patient_id",
                "patient_photos",
                "clinic_id",
                r"\b5 rows",
                r"\b6 rows",
            ),
            remedy=(
                "UPDATE medical_records SET patient_id = 1 WHERE patient_id > 900000",
                "UPDATE patient_photos SET clinic_id = 1 WHERE clinic_id > 800000",
            ),
        )


class TestState9OtherForeignKeys:
    """There is a foreign key, and it isn't the declared one."""

    @pytest.mark.parametrize(("table", "column"), [("medical_records", "patient_id"), ("patient_photos", "clinic_id")])
    def test_09_not_validated(self, table: str, column: str, database: Database, expected: Expectations):
        name = replace(
            database,
            table,
            column,
            f"FOREIGN KEY ({column}) REFERENCES {PARENTS[column]} DEFERRABLE INITIALLY DEFERRED NOT VALID",
        )
        before = database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [name])
        expected.converges(database)
        assert database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [name]) == before

    def test_09_not_validated_and_orphans(self, database: Database, expected: Expectations):
        drop(database, "medical_records", "patient_id")
        database.execute(
            "UPDATE medical_records SET patient_id = 900000 + id WHERE id <= 5",
            "ALTER TABLE medical_records ADD CONSTRAINT theirs FOREIGN KEY (patient_id) REFERENCES patients NOT VALID",
        )
        expected.refuses(
            database,
            naming=("medical_records", "patient_id", r"\b5\b"),
            remedy=(
                "DELETE FROM patient_photos WHERE medical_record_id <= 5",
                "DELETE FROM medical_records WHERE id <= 5",
            ),
        )

    @pytest.mark.parametrize("deferrability", ["NOT DEFERRABLE", "DEFERRABLE INITIALLY IMMEDIATE"])
    def test_09_other_deferrability(self, deferrability: str, database: Database, expected: Expectations):
        """Altered in place: it is the same constraint afterwards."""
        name = foreign_key(database, "medical_records", "template_id")
        before = database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [name])
        database.execute(f'ALTER TABLE medical_records ALTER CONSTRAINT "{name}" {deferrability}')
        expected.converges(database)
        assert database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [name]) == before

    @pytest.mark.parametrize(
        ("column", "definition"),
        [
            (
                "appointment_id",
                "FOREIGN KEY (appointment_id) REFERENCES calendar_events (id) DEFERRABLE INITIALLY DEFERRED",
            ),
            ("patient_id", "FOREIGN KEY (template_id) REFERENCES patients (id) DEFERRABLE INITIALLY DEFERRED"),
            ("patient_id", "FOREIGN KEY (patient_id) REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED"),
            ("template_id", "FOREIGN KEY (template_id) REFERENCES medical_record_templates (id) ON DELETE CASCADE"),
            ("appointment_id", "FOREIGN KEY (appointment_id) REFERENCES appointments ON DELETE SET NULL NOT VALID"),
            ("clinic_id", "FOREIGN KEY (clinic_id) REFERENCES clinics ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED"),
            ("clinic_id", "FOREIGN KEY (clinic_id) REFERENCES clinics MATCH FULL DEFERRABLE INITIALLY DEFERRED"),
        ],
    )
    def test_09_is_replaced(self, column: str, definition: str, database: Database, expected: Expectations):
        replace(database, "medical_records", column, definition)
        expected.converges(database)

    def test_09_what_is_replaced_is_not_noted_as_undeclared(self, database: Database, expected: Expectations):
        drop(database, "patient_photos", "patient_id")
        database.execute(
            "ALTER TABLE patient_photos ADD CONSTRAINT theirs FOREIGN KEY (patient_id) REFERENCES patients"
            " ON DELETE CASCADE"
        )
        assert "left alone" not in expected.converges(database).printed

    def test_09_another_declared_one_has_its_name(self, database: Database, expected: Expectations):
        """One foreign key is missing, and another one has its name. That one isn't dropped."""
        patient, clinic = (foreign_key(database, "medical_records", column) for column in ("patient_id", "clinic_id"))
        before = database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [clinic])
        database.execute(
            f'ALTER TABLE medical_records DROP CONSTRAINT "{patient}"',
            f'ALTER TABLE medical_records RENAME CONSTRAINT "{clinic}" TO "{patient}"',
        )
        expected.converges(database)
        assert database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [clinic]) == before

    @pytest.mark.parametrize("more", ["", " NOT VALID"])
    def test_09_two_with_each_others_names(self, more: str, database: Database, expected: Expectations):
        names = [foreign_key(database, "patient_photos", column) for column in ("patient_id", "clinic_id")]
        replace(
            database,
            "patient_photos",
            "clinic_id",
            f"FOREIGN KEY (clinic_id) REFERENCES clinics DEFERRABLE INITIALLY DEFERRED{more}",
        )
        database.execute(
            f'ALTER TABLE patient_photos RENAME CONSTRAINT "{names[0]}" TO aside',
            f'ALTER TABLE patient_photos RENAME CONSTRAINT "{names[1]}" TO "{names[0]}"',
            f'ALTER TABLE patient_photos RENAME CONSTRAINT aside TO "{names[1]}"',
        )
        expected.converges(database)

    def test_09_a_check_has_its_name(self, database: Database, expected: Expectations):
        """A constraint of another kind has the name: refused. The check isn't dropped."""
        name = replace(database, "medical_records", "patient_id", "CHECK (patient_id > 0)")
        expected.refuses(
            database,
            naming=("medical_records", name),
            remedy=(f'ALTER TABLE medical_records RENAME CONSTRAINT "{name}" TO positive_patient',),
            keeping=named("positive_patient"),
        )

    def test_09_an_undeclared_constraint_has_the_name_of_an_unvalidated_one(
        self, database: Database, expected: Expectations
    ):
        """The foreign key is validated all the same; the undeclared constraint keeps its name."""
        key = "FOREIGN KEY (patient_id) REFERENCES patients DEFERRABLE INITIALLY DEFERRED NOT VALID"
        name = replace(database, "medical_records", "patient_id", "UNIQUE (id, patient_id)")
        database.execute(f"ALTER TABLE medical_records ADD CONSTRAINT fk_patient {key}")
        expected.refuses(
            database,
            naming=("medical_records", rf"{name} \[other-key\]"),
            remedy=(
                "DO $$ BEGIN ASSERT (SELECT convalidated FROM pg_constraint WHERE conname = 'fk_patient'); END $$",
                f'ALTER TABLE medical_records RENAME CONSTRAINT "{name}" TO theirs',
            ),
            keeping=named("theirs"),
        )

    def test_09_an_old_one_beside_the_declared_one(self, database: Database, expected: Expectations):
        """Another system's foreign key on the same column, with another action, is left alone and noted."""
        database.execute(
            "ALTER TABLE medical_records ADD CONSTRAINT fk_records_patient "
            "FOREIGN KEY (patient_id) REFERENCES patients ON DELETE CASCADE"
        )
        expected.converges(database, keeping=named("fk_records_patient"))


class TestState10DisabledTriggers:
    """A foreign key is marked valid, its triggers are disabled, and there are orphans."""

    @pytest.mark.parametrize("table", MEDICAL_TABLES[1:])
    def test_10_is_reported(self, table: str, database: Database):
        database.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER ALL", f"UPDATE {table} SET patient_id = 900000 + id WHERE id <= 9"
        )
        rows = database.value(f"SELECT count(*) FROM {table}")
        outcome = database.migrate()
        assert table in outcome.printed
        assert "disabled" in outcome.printed
        assert "patient_id" in outcome.printed
        assert database.value(f"SELECT count(*) FROM {table} WHERE patient_id > 900000") == 9
        assert database.value(f"SELECT count(*) FROM {table}") == rows

    def test_10_disabled_on_the_parent(self, database: Database):
        """Parents can be deleted while children point to them."""
        database.execute("ALTER TABLE patients DISABLE TRIGGER ALL", "DELETE FROM patients WHERE id <= 9")
        outcome = database.migrate()
        assert "patients" in outcome.printed
        assert "disabled" in outcome.printed

    def test_10_converges_once_the_triggers_are_enabled(self, database: Database, expected: Expectations):
        database.execute("ALTER TABLE medical_records DISABLE TRIGGER ALL")
        assert "disabled" in database.migrate().printed
        database.execute("ALTER TABLE medical_records ENABLE TRIGGER ALL")
        expected.converges(database)
