"""Missing columns and tables beside what nobody declared (state 33): perhaps these were only renamed."""

import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.remedies import has_met, refusals_of, run_remedies, tries

from .outcomes import Expectations

pytestmark = pytest.mark.slow  # each migrates several times


class TestState33RenamedColumns:
    @pytest.mark.parametrize(
        ("table", "column", "renamed"),
        [
            ("medical_record_templates", "name", "title"),
            ("medical_records", "is_deleted", "trashed"),
            ("medical_records", "values", "Data, of all"),
            ("medical_records", "patient_id", "subject_id"),
            ("medical_records", "created_at", "at"),
            ("patient_photos", "size_bytes", "bytes"),
            ("patient_photos", "id", "photo_id"),
            ("clinics", "name", "title"),
        ],
    )
    def test_33_is_refused_with_the_rename(
        self, table: str, column: str, renamed: str, database: Database, owner: Database, expected: Expectations
    ):
        before = fingerprints(database)
        database.execute(f'ALTER TABLE {table} RENAME "{column}" TO "{renamed}"')
        outcome = owner.migrate()
        assert outcome.status == 1
        assert f"{table}.{column} [renamed-column]" in outcome.errors
        assert f'RENAME COLUMN "{renamed}" TO "{column}"' in outcome.errors
        assert "renamed-column" in run_remedies(database, owner)
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, {}) == []
        expected.converges(database)

    def test_33_it_was_not_renamed(self, database: Database, owner: Database, expected: Expectations):
        """What is printed for that adds the column, and the undeclared one stays."""
        database.execute(
            "ALTER TABLE medical_records DROP is_deleted",
            "ALTER TABLE medical_records ADD archived boolean NOT NULL DEFAULT true",
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        add = 'ALTER TABLE "public"."medical_records" ADD COLUMN "is_deleted" boolean DEFAULT false NOT NULL'
        assert f"If it wasn't, run {add}. Then run migrate again." in " ".join(outcome.errors.split())
        owner.execute(add)
        expected.converges(database, keeping=lambda key: "archived" in key.name)

    @pytest.mark.parametrize("table", ["medical_records", "medical_record_templates"])
    def test_33_without_a_value(self, table: str, database: Database, owner: Database, expected: Expectations):
        """The column that is printed for one without a default is nullable, until its values are set."""
        database.execute(f"ALTER TABLE {table} RENAME clinic_id TO tenant_id")
        outcome = owner.migrate()
        add = f'ALTER TABLE "public"."{table}" ADD COLUMN "clinic_id" integer'
        assert f"If it wasn't, run {add} and set its values." in " ".join(outcome.errors.split())
        owner.execute(add, f"UPDATE {table} SET clinic_id = tenant_id")
        database.execute(f"ALTER TABLE {table} ALTER tenant_id DROP NOT NULL")
        assert owner.migrate().status == 0
        assert owner.manage("reconcile", "--check").status == 0

    def test_33_several_may_be_it(self, database: Database, owner: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records RENAME is_deleted TO trashed",
            "ALTER TABLE medical_records ADD archived boolean NOT NULL DEFAULT true",
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert 'RENAME COLUMN "trashed" TO' in outcome.errors
        assert 'RENAME COLUMN "archived" TO' in outcome.errors
        assert {(refusal["code"], *refusal["statements"]) for refusal in refusals_of(owner)} == {("renamed-column",)}
        owner.execute("ALTER TABLE medical_records RENAME trashed TO is_deleted")
        expected.converges(database, keeping=lambda key: "archived" in key.name)

    def test_33_it_may_be_several(self, database: Database, owner: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos RENAME is_deleted TO trashed", "ALTER TABLE patient_photos DROP is_pending"
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert {(refusal["code"], *refusal["statements"]) for refusal in refusals_of(owner)} == {("renamed-column",)}
        owner.execute("ALTER TABLE patient_photos RENAME trashed TO is_deleted")
        expected.converges(database)

    def test_33_a_nullable_one_is_added(self, database: Database, owner: Database, expected: Expectations):
        database.execute("ALTER TABLE medical_records RENAME deleted_at TO trashed_at")
        outcome = owner.migrate()
        assert outcome.status == 0
        assert "column trashed_at" in outcome.printed
        expected.converges(database, keeping=lambda key: "trashed_at" in key.name)

    def test_33_of_another_type_or_nullable(self, database: Database, expected: Expectations):
        """These can't be the missing column."""
        database.execute(
            "ALTER TABLE medical_records DROP is_deleted",
            "ALTER TABLE medical_records ADD archived boolean DEFAULT true, ADD stars integer NOT NULL DEFAULT 5",
        )
        assert database.migrate().status == 0


#: Indexes and keys get names of their own, as a framework gives them that renames a table.
NAMES_FOLLOW = """
    DO $$ DECLARE index regclass; BEGIN
        FOR index IN SELECT indexrelid FROM pg_index WHERE indrelid = 'old_records'::regclass LOOP
            EXECUTE format('ALTER INDEX %s RENAME TO %I', index, 'old_' || index::oid);
        END LOOP; END $$
"""


class TestState33RenamedTables:
    @pytest.mark.parametrize(("table", "renamed"), [("patients", "patient"), ("patient_photos", "PatientPhotos")])
    @tries("a renamed table")
    def test_33_an_index_has_kept_its_name(
        self, table: str, renamed: str, database: Database, owner: Database, expected: Expectations
    ):
        before = fingerprints(database)
        database.execute(f'ALTER TABLE {table} RENAME TO "{renamed}"')
        outcome = owner.migrate()
        assert outcome.status == 1
        assert f"{table} [renamed-table]" in outcome.errors
        told = refusals_of(owner)
        assert {refusal["code"] for refusal in told} == {"renamed-table"}
        has_met("a renamed table", told)
        run_remedies(database, owner)
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, {}) == []
        expected.converges(database)

    def test_33_foreign_keys_have_followed(self, database: Database, owner: Database, expected: Expectations):
        before = fingerprints(database)
        database.execute("ALTER TABLE medical_records RENAME TO old_records", NAMES_FOLLOW)
        assert "medical_records [renamed-table]" in owner.migrate().errors
        run_remedies(database, owner)
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, {}) == []
        expected.converges(database)

    def test_33_it_was_another_table(self, database: Database, owner: Database):
        """What is printed for that leads to a new table. The other one and its rows stay."""
        database.execute("ALTER TABLE patient_photos RENAME TO photos_before")
        undo = 'ALTER INDEX "public"."patient_photos_pkey" RENAME TO "patient_photos_pkey_undeclared"'
        assert f"If it wasn't, {undo} gives that index another name" in owner.migrate().errors
        owner.execute(undo)
        assert owner.migrate().status == 1  # other indexes have their names, too
        assert set(run_remedies(database, owner)) == {"name-taken"}
        assert owner.migrate().status == 0
        assert database.value("SELECT count(*) > 0 FROM photos_before")
        assert database.value("SELECT count(*) = 0 FROM patient_photos")

    def test_33_foreign_keys_to_another_table(self, database: Database, owner: Database):
        database.execute(
            "UPDATE patient_photos SET medical_record_id = NULL",
            "ALTER TABLE medical_records RENAME TO old_records",
            NAMES_FOLLOW,
        )
        errors = owner.migrate().errors
        undo = errors.partition("If it wasn't, ")[2].partition(" drops that")[0]
        owner.execute(undo)
        assert owner.migrate().status == 0
        assert database.value("SELECT count(*) > 0 FROM old_records")
        assert database.value("SELECT count(*) = 0 FROM medical_records")
