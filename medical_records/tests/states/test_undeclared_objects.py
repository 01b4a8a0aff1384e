"""Columns, indexes, constraints, triggers, rules and child tables that no model declares (state 18)."""

import json

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.catalog import named
from clinic_project.reconciliation.tests.support.databases import Database

from .damages import BACKFILLED
from .outcomes import Expectations


class TestState18UndeclaredObjects:
    """Columns, indexes, constraints and triggers that no model declares."""

    def test_18_are_left_alone(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ADD COLUMN legacy_code varchar(20) DEFAULT 'x', ADD COLUMN \"Größe\" numeric",
            "CREATE INDEX idx_of_theirs ON medical_records (legacy_code) WHERE legacy_code <> 'x'",
            "ALTER TABLE medical_records ADD CONSTRAINT theirs CHECK (version > 0)",
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER theirs BEFORE INSERT ON medical_records FOR EACH ROW EXECUTE FUNCTION theirs()",
        )
        undeclared = named("legacy_code", "Größe", "idx_of_theirs", "theirs")
        outcome = expected.converges(database, keeping=undeclared)
        for name in ("legacy_code", "idx_of_theirs", "theirs"):
            assert name in outcome.printed or name in noted(database)

    def test_18_stay_while_the_rest_is_repaired(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos ADD blurhash text, DROP updated_at, ALTER is_pending DROP NOT NULL",
            "UPDATE patient_photos SET blurhash = md5(id::text), is_pending = NULLIF(is_pending, true)",
            "CREATE INDEX idx_blurhash ON patient_photos (blurhash)",
            "DROP INDEX idx_patient_photos_clinic",
        )
        expected.converges(
            database, keeping=named("blurhash", "idx_blurhash"), backfilled={"patient_photos.is_pending": "true"}
        )

    def test_18_a_column_that_will_reject_inserts(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ADD COLUMN branch_id integer NOT NULL DEFAULT 1",
            "ALTER TABLE medical_records ALTER branch_id DROP DEFAULT",
        )
        expected.converges(database, keeping=named("branch_id", "NOT NULL branch_id"), inserts=False)
        notes = [note for note in notes_of(database) if "branch_id" in (note["name"], *note["text"].split())]
        assert len(notes) == 1
        assert "insert" in notes[0]["text"].lower()
        with pytest.raises(psycopg2.errors.NotNullViolation):
            database.execute(
                """INSERT INTO medical_records
                       (clinic_id, patient_id, template_id, template_name, template_snapshot, values)
                   VALUES (1, 1, 1, 'x', '{}', '{}')"""
            )

    def test_18_an_index_that_repeats_another(self, database: Database, expected: Expectations):
        database.execute("CREATE INDEX ix_medical_records_patient_id ON medical_records (patient_id)")
        expected.converges(database, keeping=named("ix_medical_records_patient_id"))
        notes = [note for note in notes_of(database) if note["name"] == "ix_medical_records_patient_id"]
        assert len(notes) == 1
        assert "idx_medical_records_patient" in notes[0]["text"]

    def test_18_they_are_no_difference(self, database: Database):
        database.execute("ALTER TABLE patients ADD COLUMN insurance_number text")
        assert database.manage("reconcile", "--check").status == 0
        assert all(note["table"] == "patients" for note in notes_of(database))

    def test_18_an_undeclared_unique_index(self, database: Database, expected: Expectations):
        """It may reject rows that the models allow, and is left alone all the same."""
        database.execute("CREATE UNIQUE INDEX one_photo ON patient_photos (storage_key)")
        expected.converges(database, keeping=named("one_photo"))


class TestState18ChildTables:
    """Another table inherits from ours: reading or updating ours reads or updates its rows as well."""

    CHILD = (
        "CREATE TABLE archive () INHERITS (medical_records)",
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "INSERT INTO archive SELECT * FROM medical_records",
    )

    def test_18_only_nulls_are_backfilled(self, database: Database, expected: Expectations):
        """The child's rows have the same positions (ctid) as the table's own."""
        database.execute(
            *self.CHILD,
            "UPDATE archive SET id = id + 1000, is_deleted = NULL",
            "UPDATE ONLY medical_records SET is_deleted = true",
        )
        expected.converges(database, backfilled={**BACKFILLED, "archive.is_deleted": "false"}, inserts=False)
        assert database.value("SELECT bool_and(is_deleted) FROM ONLY medical_records")

    def test_18_a_child_larger_than_the_table_is_backfilled_to_its_end(
        self, database: Database, expected: Expectations
    ):
        database.execute(
            *self.CHILD,
            "INSERT INTO archive SELECT r.* FROM medical_records r, generate_series(1, 20)",
            "UPDATE archive SET is_deleted = NULL",
        )
        expected.converges(database, backfilled={**BACKFILLED, "archive.is_deleted": "false"}, inserts=False)

    def test_18_children_and_rules_are_noted(self, database: Database):
        """The notes say what a child table and a rule do."""
        database.execute(
            *self.CHILD[:1],
            "CREATE RULE keep AS ON DELETE TO medical_records DO INSTEAD NOTHING",
        )
        outcome = database.migrate()
        assert outcome.status == 0
        assert "medical_records.public.archive: isn't declared, and is left alone: it inherits" in outcome.printed
        assert "medical_records.keep: isn't declared, and is left alone: it rewrites statements" in outcome.printed


class TestState18Notes:
    """What is noted: once, with what to do, and as much as a person can read."""

    def test_18_a_column_that_rejects_inserts_is_warned_of_at_the_end(self, database: Database):
        database.execute(
            "DROP INDEX idx_patient_photos_dedup",
            'ALTER TABLE patients ADD COLUMN "Branch" integer NOT NULL DEFAULT 1, ADD COLUMN nickname text',
            'ALTER TABLE patients ALTER "Branch" DROP DEFAULT',
        )
        for command in ("migrate", "reconcile"):
            outcome = database.manage(command)
            assert outcome.status == 0
            assert "patients.Branch" not in outcome.output
            assert outcome.errors.startswith("Warning: patients.Branch: isn't declared")
            assert 'ALTER COLUMN "Branch" DROP NOT NULL' in outcome.errors
            assert "nickname" in outcome.output
            assert "nickname" not in outcome.errors

    @pytest.mark.slow  # it migrates
    def test_18_a_foreign_key_that_deletes_is_noted(self, database: Database):
        """The declared one stands beside it, and lets a patient be deleted whose records are deleted as well."""
        database.execute(
            "ALTER TABLE medical_records ADD CONSTRAINT harmless FOREIGN KEY (patient_id) REFERENCES patients",
            "ALTER TABLE medical_records ADD CONSTRAINT theirs FOREIGN KEY (patient_id) REFERENCES patients"
            " ON DELETE CASCADE",
        )
        outcome = database.migrate()
        assert outcome.status == 0
        assert (
            "medical_records.theirs: isn't declared, and is left alone: its ON DELETE CASCADE deletes" in outcome.output
        )
        assert "no model declares them: constraint harmless" in outcome.output

    @pytest.mark.parametrize("schemas", [1, 2, 40])
    def test_18_tables_of_other_schemas_are_counted(self, schemas: int, database: Database):
        """As where each tenant has a schema: one note, however many there are."""
        for number in range(schemas):
            database.execute(
                f"CREATE SCHEMA tenant_{number}",
                f"CREATE TABLE tenant_{number}.patients ()",
                f"CREATE TABLE tenant_{number}.clinics ()",
            )
        (note,) = notes_of(database)
        assert f"{2 * schemas} of these names" in note["text"]
        assert note["text"].startswith("2 tables (clinics, patients): reconciled in the schema public")
        assert database.migrate().output.count("left alone") == 1

    def test_18_internal_foreign_keys_of_partitions_are_not_noted(self, database: Database, expected: Expectations):
        database.execute(
            "CREATE TABLE ward (id integer PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE ward_1 PARTITION OF ward FOR VALUES FROM (1) TO (10)",
            "CREATE TABLE ward_2 PARTITION OF ward FOR VALUES FROM (10) TO (20)",
            "ALTER TABLE patients ADD COLUMN ward_id integer CONSTRAINT in_ward REFERENCES ward (id)",
        )
        (note,) = notes_of(database)
        assert note["text"] == "left alone, since no model declares them: column ward_id, constraint in_ward."
        expected.converges(database, keeping=lambda key: key.table == "patients")


def notes_of(database: Database) -> list[dict[str, str]]:
    notes: list[dict[str, str]] = json.loads(database.manage("reconcile", "--json").output)["notes"]
    return notes


def noted(database: Database) -> str:
    return json.dumps(notes_of(database), ensure_ascii=False)
