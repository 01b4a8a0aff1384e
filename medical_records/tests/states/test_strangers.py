"""What others hung onto the tables, and how they set up the server: children, triggers, row security, defaults."""

from clinic_project.reconciliation.tests.proofs.catalogue import named
from clinic_project.reconciliation.tests.proofs.databases import Database

from .outcomes import Expectations
from .rows import ROWS

FILLED = {"medical_records.is_deleted": "false"}


class TestInheritance:
    """Another table inherits from ours, so that whoever reads or updates ours has its rows as well."""

    CHILD = (
        "CREATE TABLE archive () INHERITS (medical_records)",
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "INSERT INTO archive SELECT * FROM medical_records",
    )

    def test_only_the_rows_without_a_value_are_filled(self, database: Database, expected: Expectations):
        """The n-th row of the child is at the place at which the table's own n-th row is."""
        database.execute(
            *self.CHILD,
            "UPDATE archive SET id = id + 1000, is_deleted = NULL",
            "UPDATE ONLY medical_records SET is_deleted = true",
        )
        expected.converges(database, filled={**FILLED, "archive.is_deleted": "false"}, inserts=False)
        assert database.value("SELECT bool_and(is_deleted) FROM ONLY medical_records")

    def test_a_child_larger_than_the_table_is_filled_to_its_end(self, database: Database, expected: Expectations):
        database.execute(
            *self.CHILD,
            "INSERT INTO archive SELECT r.* FROM medical_records r, generate_series(1, 20)",
            "UPDATE archive SET is_deleted = NULL",
        )
        expected.converges(database, filled={**FILLED, "archive.is_deleted": "false"}, inserts=False)


class TestTriggers:
    KEEP_NULL = (
        """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN NEW.created_at := OLD.created_at; RETURN NEW; END $$""",
        "CREATE TRIGGER keep BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION keep()",
    )

    def test_one_that_takes_the_filled_value_away_again(self, database: Database, expected: Expectations, settings):
        """A column that may not be changed can't be filled either: that is refused, and not tried for ever."""
        settings.RECONCILIATION = {"batch_rows": ROWS // 10}
        database.execute(
            "ALTER TABLE medical_records ALTER created_at DROP NOT NULL",
            "UPDATE medical_records SET created_at = NULL",
            *self.KEEP_NULL,
        )
        expected.refuses(
            database,
            naming=("medical_records.created_at",),
            remedy=("DROP TRIGGER keep ON medical_records",),
            filled={"medical_records.created_at": None},
        )

    def test_one_that_allows_no_update(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
            """CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN RAISE 'records are for ever'; END $$""",
            "CREATE TRIGGER forbid BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION forbid()",
        )
        expected.refuses(
            database,
            naming=("medical_records.is_deleted", "records are for ever"),
            remedy=("DROP TRIGGER forbid ON medical_records",),
            keeping=named("forbid"),
            filled=FILLED,
        )
