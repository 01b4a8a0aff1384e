"""Other relations under a table's name: views, sequences, partitioned tables and others (states 16 and 19)."""

import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations

pytestmark = pytest.mark.slow

OTHER_RELATIONS = {
    "view": "CREATE VIEW {name} AS SELECT 1 AS id",
    "materialized view": "CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS id",
    "foreign table": "CREATE FOREIGN TABLE {name} (id integer) SERVER elsewhere",
    "sequence": "CREATE SEQUENCE {name}",
    "type": "CREATE TYPE {name} AS ENUM ('one')",
}


class TestState16NameIsTaken:
    """Something that isn't a table has the table's name."""

    @pytest.mark.parametrize("kind", OTHER_RELATIONS)
    @pytest.mark.parametrize("table", ["medical_record_templates", "patient_photos"])
    def test_16_is_refused(self, kind: str, table: str, database: Database, expected: Expectations):
        """The table itself was renamed. After it has its name again, it is adopted with its rows."""
        database.execute(
            "CREATE FOREIGN DATA WRAPPER nothing",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing",
            f"ALTER TABLE {table} RENAME TO put_aside",
            OTHER_RELATIONS[kind].format(name=table),
        )
        expected.refuses(
            database,
            naming=(table, kind),
            remedy=(f"DROP {kind} {table}", f"ALTER TABLE put_aside RENAME TO {table}"),
        )

    def test_16_a_view_over_the_table_that_was_renamed(self, database: Database, expected: Expectations):
        """A common way of renaming without downtime. Records and photos are repaired all the same."""
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
        """Indexes and foreign keys of a partitioned table are missing: created by partition, or refused."""
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
