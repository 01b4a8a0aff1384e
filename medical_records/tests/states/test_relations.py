"""What stands in a table's place: other relations, other schemas, strangers, partitions (states 16 to 19)."""

import json

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.catalog import named
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations
from .rows import ROWS
from .tables import MEDICAL_TABLES

THIEVES = {
    "view": "CREATE VIEW {name} AS SELECT 1 AS id",
    "materialized view": "CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS id",
    "foreign table": "CREATE FOREIGN TABLE {name} (id integer) SERVER elsewhere",
    "sequence": "CREATE SEQUENCE {name}",
    "type": "CREATE TYPE {name} AS ENUM ('one')",
}


class TestState16NameIsTaken:
    """Something that isn't a table has the table's name."""

    @pytest.mark.parametrize("kind", THIEVES)
    @pytest.mark.parametrize("table", ["medical_record_templates", "patient_photos"])
    def test_16_is_refused(self, kind: str, table: str, database: Database, expected: Expectations):
        """The table itself was put aside, with its rows: given its name back, it is adopted again."""
        database.execute(
            "CREATE FOREIGN DATA WRAPPER nothing",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing",
            f"ALTER TABLE {table} RENAME TO put_aside",
            THIEVES[kind].format(name=table),
        )
        expected.refuses(
            database,
            naming=(table, kind),
            remedy=(f"DROP {kind} {table}", f"ALTER TABLE put_aside RENAME TO {table}"),
        )

    def test_16_a_view_over_the_table_that_was_renamed(self, database: Database, expected: Expectations):
        """The usual trick of a rename without downtime. Records and photos are repaired all the same."""
        database.execute(
            "ALTER TABLE medical_record_templates RENAME TO templates_v2",
            "CREATE VIEW medical_record_templates AS SELECT * FROM templates_v2",
            "DROP INDEX idx_medical_records_clinic",
            "ALTER TABLE patient_photos DROP COLUMN updated_at",
        )
        outcome = database.migrate()
        assert outcome.status != 0
        assert "view" in outcome.errors
        assert database.value("SELECT to_regclass('idx_medical_records_clinic') IS NOT NULL")
        database.execute(
            "DROP VIEW medical_record_templates", "ALTER TABLE templates_v2 RENAME TO medical_record_templates"
        )
        expected.converges(database)


class TestState17OtherSchemas:
    """A table of that name is in another schema: only the one where Django would create it counts."""

    def test_17_not_on_the_search_path(self, database: Database, expected: Expectations):
        """A backup of the old table in a schema of its own doesn't hide that the real one is gone."""
        database.execute("CREATE SCHEMA backup", "ALTER TABLE patient_photos SET SCHEMA backup")
        expected.converges(database)
        assert database.value("SELECT count(*) FROM backup.patient_photos") == ROWS
        assert database.value("SELECT count(*) FROM public.patient_photos") == 0

    def test_17_not_on_the_search_path_and_wrong(self, database: Database, expected: Expectations):
        database.execute(
            "CREATE SCHEMA backup",
            "CREATE TABLE backup.medical_records (id text, is_deleted boolean)",
            "CREATE INDEX idx_medical_records_created ON backup.medical_records (id)",
            "DROP INDEX public.idx_medical_records_created",
        )
        expected.converges(database)
        assert (
            database.value(
                "SELECT count(*) FROM pg_attribute WHERE attrelid = 'backup.medical_records'::regclass AND attnum > 0"
            )
            == 2
        )

    def test_17_later_on_the_search_path(self, database: Database, expected: Expectations):
        """Where the path leads on to another schema, its table isn't taken for the one that is missing."""
        database.execute(
            "CREATE SCHEMA legacy",
            "ALTER TABLE patient_photos SET SCHEMA legacy",
            f'ALTER DATABASE "{database.name}" SET search_path = public, legacy',
        )
        expected.converges(database)
        assert database.value("SELECT count(*) FROM legacy.patient_photos") == ROWS

    def test_17_the_projects_own_schema_is_not_public(self, empty_database: Database, expected: Expectations):
        """The path begins with a schema of the clinic's own; public holds something else of the same names."""
        empty_database.execute(
            "CREATE SCHEMA clinic",
            "CREATE TABLE public.medical_records (id text)",
            "INSERT INTO public.medical_records VALUES ('not ours')",
            f'ALTER DATABASE "{empty_database.name}" SET search_path = clinic, public',
        )
        expected.converges(empty_database, schema="clinic")
        assert empty_database.rows("TABLE public.medical_records") == [("not ours",)]

    def test_17_repairs_in_a_schema_of_its_own(self, empty_database: Database, expected: Expectations):
        empty_database.execute(
            "CREATE SCHEMA clinic", f'ALTER DATABASE "{empty_database.name}" SET search_path = clinic, public'
        )
        assert empty_database.migrate().status == 0
        empty_database.execute(
            "DROP INDEX idx_patient_photos_dedup",
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
            "ALTER TABLE medical_record_templates DROP COLUMN updated_at",
        )
        expected.converges(empty_database, schema="clinic")

    def test_17_the_path_leads_nowhere(self, database: Database, expected: Expectations):
        database.execute(f'ALTER DATABASE "{database.name}" SET search_path = nowhere')
        outcome = database.migrate()
        assert outcome.status != 0
        assert "found none first on the search path (nowhere)" in outcome.errors
        database.execute(f'ALTER DATABASE "{database.name}" RESET search_path')
        expected.converges(database)

    def test_17_an_earlier_schema_shadows_ours(self, database: Database):
        """Django would now create its tables in the earlier schema: we are told of both, and nothing goes."""
        before = fingerprints(database)
        database.execute(
            "CREATE SCHEMA shadow",
            "CREATE TABLE shadow.patient_photos (id integer)",
            f'ALTER DATABASE "{database.name}" SET search_path = shadow, public',
        )
        outcome = database.migrate()
        assert "shadow" in outcome.printed
        assert "public" in outcome.printed
        database.execute(f'ALTER DATABASE "{database.name}" RESET search_path')
        assert lost_or_changed(database, before, {}) == []


class TestState18Strangers:
    """Columns, indexes, constraints and triggers that no model declares."""

    def test_18_are_left_alone(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ADD COLUMN legacy_code varchar(20) DEFAULT 'x', ADD COLUMN \"Größe\" numeric",
            "CREATE INDEX idx_of_theirs ON medical_records (legacy_code) WHERE legacy_code <> 'x'",
            "ALTER TABLE medical_records ADD CONSTRAINT theirs CHECK (version > 0)",
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER theirs BEFORE INSERT ON medical_records FOR EACH ROW EXECUTE FUNCTION theirs()",
        )
        strangers = named("legacy_code", "Größe", "idx_of_theirs", "theirs")
        outcome = expected.converges(database, keeping=strangers)
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

    def test_18_strangers_are_no_difference(self, database: Database):
        database.execute("ALTER TABLE patients ADD COLUMN insurance_number text")
        assert database.manage("reconcile", "--check").status == 0
        assert all(note["table"] == "patients" for note in notes_of(database))

    def test_18_an_undeclared_unique_index(self, database: Database, expected: Expectations):
        """It may reject rows that the models allow: left alone all the same."""
        database.execute("CREATE UNIQUE INDEX one_photo ON patient_photos (storage_key)")
        expected.converges(database, keeping=named("one_photo"))


class TestState19Partitions:
    """The table is partitioned."""

    PARTITIONED = (
        "ALTER TABLE patient_photos RENAME TO one_piece",
        "CREATE TABLE patient_photos (LIKE one_piece INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH (id)",
        "CREATE TABLE patient_photos_0 PARTITION OF patient_photos FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE patient_photos_1 PARTITION OF patient_photos FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO patient_photos SELECT * FROM one_piece",
        "DROP TABLE one_piece",
        "CREATE SEQUENCE patient_photos_id_seq START 1000 OWNED BY patient_photos.id",
        "ALTER TABLE patient_photos ALTER id SET DEFAULT nextval('patient_photos_id_seq')",
        "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (id)",
    )

    def test_19_is_refused_or_built_by_partition(self, database: Database):
        """Indexes and foreign keys are missing on a partitioned table. It is never claimed that they were made."""
        before = fingerprints(database)
        database.execute(*self.PARTITIONED, "DROP INDEX idx_medical_records_created")
        outcome = database.migrate()
        valid = database.value(
            """SELECT count(*) FROM pg_index
               WHERE indrelid = 'patient_photos'::regclass AND indisvalid AND NOT indisprimary"""
        )
        if outcome.status:
            assert "patient_photos" in outcome.errors
            assert "partition" in outcome.errors
        else:
            assert valid == 7
        assert lost_or_changed(database, before, {}) == []
        assert database.value("SELECT to_regclass('idx_medical_records_created') IS NOT NULL"), "the rest isn't done"


def notes_of(database: Database) -> list[dict[str, str]]:
    notes: list[dict[str, str]] = json.loads(database.manage("reconcile", "--json").output)["notes"]
    return notes


def noted(database: Database) -> str:
    return json.dumps(notes_of(database), ensure_ascii=False)


class TestTheReport:
    """`reconcile --json` has the agreed shape."""

    def test_json_of_a_broken_database(self, database: Database):
        database.execute("DROP INDEX idx_patient_photos_clinic", "DROP TABLE medical_record_templates CASCADE")
        report = json.loads(database.manage("reconcile", "--json").output)
        assert report["database"] == database.name
        assert report["server_version"]
        assert {"table", "kind", "name", "expected", "actual"} <= report["differences"][0].keys()
        assert {"sql", "lock", "online", "reason"} <= report["steps"][0].keys()
        assert {difference["table"] for difference in report["differences"]} >= {MEDICAL_TABLES[0], MEDICAL_TABLES[2]}

    def test_json_of_a_clean_database(self, database: Database):
        report = json.loads(database.manage("reconcile", "--json").output)
        assert [report[key] for key in ("differences", "steps", "refusals", "notes")] == [[], [], [], []]

    def test_looking_changes_nothing(self, database: Database):
        database.execute("DROP INDEX idx_patient_photos_clinic")
        for option in ("--check", "--plan", "--sql", "--json"):
            database.manage("reconcile", option)
        database.migrate("--plan")
        assert database.value("SELECT to_regclass('idx_patient_photos_clinic') IS NULL")
