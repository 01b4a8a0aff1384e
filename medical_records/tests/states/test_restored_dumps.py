"""A dump was restored without its indexes and constraints (state 29)."""

from clinic_project.reconciliation.tests.support.catalog import (
    dropping_constraints,
)
from clinic_project.reconciliation.tests.support.databases import (
    Database,
)

from .outcomes import Expectations
from .tables import MEDICAL_TABLES, TABLES


class TestState29RestoredDump:
    """A dump was restored without what pg_dump writes last: keys, indexes, foreign keys."""

    LOST = ("medical_records", "patient_photos", "medical_record_templates", "patients")

    def indexes(self, database: Database) -> list[str]:
        return [
            f"DROP INDEX {name}"
            for (name,) in database.rows(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid::regclass::text = ANY (%s)",
                [list(TABLES)],
            )
        ]

    def foreign_keys_of_others(self, database: Database) -> list[str]:
        return [
            f"ALTER TABLE {table} DROP CONSTRAINT {name}"
            for table, name in database.rows(
                "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint WHERE contype = 'f'"
                " AND confrelid::regclass::text = ANY (%s) AND conrelid::regclass::text <> ALL (%s)",
                [list(TABLES), list(TABLES)],
            )
        ]

    def test_29_all_nine_tables(self, database: Database, expected: Expectations):
        database.execute(*self.foreign_keys_of_others(database), *dropping_constraints(database, TABLES))
        database.execute(*self.indexes(database))
        assert not database.rows("SELECT FROM pg_index WHERE indrelid::regclass::text = ANY (%s)", [list(TABLES)])
        expected.converges(database)

    def test_29_and_the_sequences_start_again(self, database: Database, expected: Expectations):
        database.execute(*self.foreign_keys_of_others(database), *dropping_constraints(database, TABLES))
        database.execute(
            *self.indexes(database),
            *(f"SELECT setval('{table}_id_seq', 1, false)" for table in TABLES if table != "appointments"),
        )
        expected.converges(database)

    def test_29_and_nothing_is_recorded(self, database: Database, expected: Expectations):
        database.execute(*dropping_constraints(database, MEDICAL_TABLES))
        database.execute("DELETE FROM django_migrations WHERE app IN ('clinics', 'medical_records')")
        expected.converges(database)
