"""What others hung onto the tables, and how they set up the server: children, triggers, row security, defaults."""

from collections.abc import Iterator

import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key, named, read_catalog
from clinic_project.reconciliation.tests.support.databases import Database, create_database, drop_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations
from .rows import ROWS
from .tables import TABLES

BACKFILLED = {"medical_records.is_deleted": "false"}


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
        expected.converges(database, backfilled={**BACKFILLED, "archive.is_deleted": "false"}, inserts=False)
        assert database.value("SELECT bool_and(is_deleted) FROM ONLY medical_records")

    def test_a_child_larger_than_the_table_is_filled_to_its_end(self, database: Database, expected: Expectations):
        database.execute(
            *self.CHILD,
            "INSERT INTO archive SELECT r.* FROM medical_records r, generate_series(1, 20)",
            "UPDATE archive SET is_deleted = NULL",
        )
        expected.converges(database, backfilled={**BACKFILLED, "archive.is_deleted": "false"}, inserts=False)

    def test_they_are_told(self, database: Database):
        """With what they may break; and so are rules, which rewrite what a repair writes."""
        database.execute(
            *self.CHILD[:1],
            "CREATE RULE keep AS ON DELETE TO medical_records DO INSTEAD NOTHING",
        )
        outcome = database.migrate()
        assert outcome.status == 0
        assert "medical_records.public.archive: isn't declared, and is left alone: it inherits" in outcome.printed
        assert "medical_records.keep: isn't declared, and is left alone: it rewrites statements" in outcome.printed


class TestTriggers:
    KEEP_NULL = (
        """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN NEW.created_at := OLD.created_at; RETURN NEW; END $$""",
        "CREATE TRIGGER keep BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION keep()",
    )

    def test_one_that_takes_the_filled_value_away_again(self, database: Database, expected: Expectations, settings):
        """A column that may not be changed can't be backfilled either: that is refused, and not tried for ever."""
        settings.RECONCILIATION = {"batch_rows": ROWS // 10}
        database.execute(
            "ALTER TABLE medical_records ALTER created_at DROP NOT NULL",
            "UPDATE medical_records SET created_at = NULL",
            *self.KEEP_NULL,
        )
        expected.refuses(
            database,
            naming=("medical_records.created_at", "nulls-kept", "trigger"),
            remedy=("DROP TRIGGER keep ON medical_records",),
            backfilled={"medical_records.created_at": None},
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
            backfilled=BACKFILLED,
        )


class TestEventTriggers:
    """Somebody's event trigger forbids statements."""

    FORBID = """CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE 'not on a Friday'; END $$"""

    @pytest.mark.parametrize("command", [("migrate",), ("reconcile",), ("reconcile", "--check"), ("migrate", "--plan")])
    def test_tables_are_forbidden(self, command: tuple[str, ...], database: Database, owner: Database):
        """What is declared can't be worked out then: whoever runs it is told why, and sees no traceback."""
        database.execute(
            self.FORBID,
            "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
        )
        outcome = owner.manage(*command)
        assert outcome.status == 1
        assert "found the event trigger forbid against it: not on a Friday (SQLSTATE P0001)" in outcome.errors
        assert 'ALTER EVENT TRIGGER "forbid" DISABLE' in outcome.errors

    def test_who_may_passes_them_by(self, database: Database, expected: Expectations):
        """Only for the tables that are rolled back: what is done to the real ones fires them."""
        if database.value("SELECT current_setting('server_version_num')::int") < 170000:
            pytest.skip("event triggers can't be passed by before PostgreSQL 17")
        database.execute(
            self.FORBID,
            "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
        )
        assert database.manage("reconcile", "--check").status == 0
        database.execute("DROP TABLE patient_photos")
        expected.refuses(database, naming=("not on a Friday",), remedy=("DROP EVENT TRIGGER forbid",), unrelated=False)


class TestOtherEncodings:
    @pytest.fixture
    def latin(self) -> Iterator[Database]:
        latin = create_database("template0", "ENCODING 'LATIN1' LOCALE 'C'")
        yield latin
        drop_database(latin)

    def test_orphans_in_a_database_of_latin_1(self, latin: Database, expected: Expectations):
        """No question holds a character that such a database doesn't know."""
        assert latin.migrate().status == 0
        name = foreign_key(latin, "patients", "clinic_id")
        latin.execute(
            f"ALTER TABLE patients DROP CONSTRAINT {name}",
            "INSERT INTO patients (clinic_id, full_name) VALUES (77, 'Søren Ærø')",
        )
        outcome = latin.migrate()
        assert outcome.status == 1
        assert "id 1 -> 77" in outcome.errors
        assert "id 1 -> 77" in latin.manage("reconcile", "--plan").printed


class TestForeignParents:
    def test_orphans_of_a_table_that_may_not_be_read(self, database: Database, owner: Database):
        """The role may point to a table and not read it: it is told of the orphans in PostgreSQL's own words."""
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(
            f"ALTER TABLE medical_records DROP CONSTRAINT {name}",
            "UPDATE medical_records SET patient_id = 9999 WHERE id = 1",
            "ALTER TABLE patients OWNER TO CURRENT_USER",
            f"GRANT REFERENCES ON patients TO {owner.role['user']}",
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert f"medical_records.{name} [statement-failed]" in outcome.errors
        assert "SQLSTATE 23503" in outcome.errors
        assert owner.manage("reconcile", "--plan").status == 0


class TestNames:
    def test_a_type_of_an_indexs_name(self, database: Database, expected: Expectations):
        """It isn't in the way: only tables have types of their names."""
        database.execute(
            "DROP INDEX idx_medical_records_created", "CREATE TYPE idx_medical_records_created AS ENUM ('theirs')"
        )
        expected.converges(database)

    def test_a_schema_with_a_per_cent_sign(self, database: Database, expected: Expectations):
        database.execute(
            "CREATE SCHEMA \"100%s 'own'\"",
            *(f"ALTER TABLE {table} SET SCHEMA \"100%s 'own'\"" for table in TABLES),
            "ALTER TABLE \"100%s 'own'\".medical_records ALTER version DROP DEFAULT",
            f"ALTER DATABASE {database.name} SET search_path = \"100%s 'own'\", public",
        )
        outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        assert read_catalog(database, TABLES, "100%s 'own'").keys() == expected.clean.keys()


class TestSettings:
    """Settings of the role or the database that PostgreSQL reads and prints SQL by."""

    DAMAGE = (
        "DROP INDEX idx_medical_records_created",
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
        "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    )

    @pytest.mark.parametrize(
        "setting",
        [
            "standard_conforming_strings = off",
            "DateStyle = 'German, DMY'",
            "session_replication_role = replica",
            "default_transaction_isolation = serializable",
            "idle_session_timeout = '50ms'",
            "statement_timeout = '20ms'",
            "transaction_timeout = '50ms'",
        ],
    )
    def test_they_change_nothing(self, setting: str, database: Database, expected: Expectations):
        if not database.rows("SELECT FROM pg_settings WHERE name = %s", [setting.partition(" ")[0]]):
            pytest.skip("the server is older than this setting")
        database.execute(*self.DAMAGE, f"ALTER DATABASE {database.name} SET {setting}")
        before = fingerprints(database, BACKFILLED)
        outcome = database.run("migrate")
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert lost_or_changed(database, before, BACKFILLED) == []
