"""Privileges that the role lacks, and databases in which nobody may write (state 23)."""

import re

import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key, read_catalog
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.remedies import run_remedies
from clinic_project.reconciliation.tests.support.roles import role_of

from .damages import BACKFILLED, SMALL_DAMAGE
from .outcomes import Expectations
from .tables import TABLES


class TestState23Privileges:
    """The role lacks a privilege, or nobody has it: refused before the first change."""

    def refuses_before_the_first_change(self, database: Database, migrating: Database, *parts: str) -> None:
        before = read_catalog(database, TABLES)
        outcome = migrating.migrate()
        assert outcome.status != 0
        assert "Traceback" not in outcome.printed
        for part in parts:
            assert part in outcome.errors, outcome.errors
        assert read_catalog(database, TABLES) == before

    def test_23_not_the_owner(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*SMALL_DAMAGE, "ALTER TABLE patient_photos OWNER TO CURRENT_USER")
        self.refuses_before_the_first_change(database, owner, "patient_photos", "own")
        database.execute(f"ALTER TABLE patient_photos OWNER TO {owner.role['user']}")
        assert owner.migrate().status == 0
        expected.is_declared(database)

    def test_23_no_references_on_a_parent(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*SMALL_DAMAGE, "ALTER TABLE users OWNER TO CURRENT_USER")
        role = owner.role["user"]
        database.execute(f"GRANT SELECT, INSERT, UPDATE ON users TO {role}")
        self.refuses_before_the_first_change(database, owner, "users", "REFERENCES")
        database.execute(f"GRANT REFERENCES ON users TO {role}")
        assert owner.migrate().status == 0
        expected.is_declared(database)

    @pytest.mark.parametrize(
        "damage",
        [
            "DROP INDEX idx_medical_records_created",
            "ALTER INDEX idx_medical_records_created RENAME TO theirs",
            "ALTER TABLE medical_records ALTER id DROP IDENTITY",
        ],
    )
    def test_23_may_not_create(self, damage: str, database: Database, owner: Database, expected: Expectations):
        """It owns the tables and lacks CREATE on the schema, which indexes and sequences need, too."""
        database.execute(
            damage,
            "ALTER TABLE medical_records ALTER version DROP DEFAULT",
            "ALTER SCHEMA public OWNER TO CURRENT_USER",
            "REVOKE CREATE ON SCHEMA public FROM public",
            f"GRANT USAGE ON SCHEMA public TO {owner.role['user']}",
        )
        self.refuses_before_the_first_change(database, owner, "[may-not-create]", "before repairs can begin")
        database.execute(f"GRANT CREATE ON SCHEMA public TO {owner.role['user']}")
        assert owner.migrate().status == 0
        expected.is_declared(database)

    @pytest.mark.slow  # it migrates twice
    def test_23_the_owner_has_revoked_its_own(self, database: Database, owner: Database, expected: Expectations):
        """Nothing differs, but whoever connects as it can't add rows: that is told, with the GRANT."""
        database.execute(f"REVOKE INSERT ON patients FROM {owner.role['user']}")
        outcome = owner.migrate()
        assert outcome.status == 0
        (grant,) = re.findall(
            r"patients: its owner, .* lacks the privileges INSERT on it.* run (GRANT .*)", outcome.errors
        )
        owner.execute(grant, "INSERT INTO patients (clinic_id, full_name) VALUES (1, 'New')")
        assert "GRANT" not in owner.migrate().printed

    @pytest.mark.slow  # it migrates three times
    def test_23_the_owner_of_a_table_may_not_own_its_function(self, database: Database, owner: Database):
        """As where a role that nobody logs in as owns the tables: the function stays with who migrates."""
        with role_of(database, "group") as group:
            database.execute(
                "ALTER TABLE medical_records ALTER version DROP DEFAULT",
                f"ALTER TABLE medical_records OWNER TO {group.role['user']}",
                f"GRANT {group.role['user']} TO {owner.role['user']}",
            )
            assert owner.migrate().status == 0
            assert owner.manage("reconcile", "--check").status == 0
            database.execute(f"GRANT CREATE ON SCHEMA public TO {group.role['user']}")
            assert owner.migrate().status == 0
            owned = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'medical_records_keep_signed'"
            assert database.value(owned) == group.role["user"]

    @pytest.mark.slow  # it migrates
    def test_23_settings_that_public_may_not_read(self, database: Database, owner: Database, expected: Expectations):
        """As on shared servers, which hide the databases of others."""
        hidden = "pg_settings, pg_database, pg_stat_replication, pg_replication_slots"
        database.execute(f"REVOKE SELECT ON {hidden} FROM PUBLIC", *SMALL_DAMAGE)
        assert owner.migrate().status == 0
        expected.is_declared(database)

    def test_23_to_own_them_is_enough(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*SMALL_DAMAGE)
        assert owner.migrate().status == 0
        expected.is_declared(database)

    def test_23_not_the_owner_and_nothing_to_do(self, database: Database, owner: Database):
        database.execute(
            "ALTER TABLE patient_photos OWNER TO CURRENT_USER",
            f"GRANT SELECT ON patient_photos TO {owner.role['user']}",
        )
        assert owner.migrate().status == 0

    def test_23_the_remedies_as_they_are_told(self, database: Database, owner: Database, expected: Expectations):
        """Tables of somebody else, a parent that may not be referenced, and a schema in which it may not create."""
        role = owner.role["user"]
        database.execute(
            *SMALL_DAMAGE,
            "DROP TABLE patient_photos",
            "ALTER TABLE medical_records OWNER TO CURRENT_USER",
            "ALTER TABLE users OWNER TO CURRENT_USER",
            f"GRANT SELECT ON users, medical_records TO {role}",
            "ALTER SCHEMA public OWNER TO CURRENT_USER",
            "REVOKE CREATE ON SCHEMA public FROM public",
            f"GRANT USAGE ON SCHEMA public TO {role}",
        )
        self.refuses_before_the_first_change(
            database, owner, "[not-owner]", "[may-not-create]", "[may-not-reference]", "before repairs can begin"
        )
        codes = run_remedies(database, owner)
        assert set(codes) == {"not-owner", "may-not-create", "may-not-reference"}
        assert owner.migrate().status == 0
        expected.is_declared(database)

    def test_23_read_only(self, database: Database, expected: Expectations):
        database.execute(*SMALL_DAMAGE, f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
        self.refuses_before_the_first_change(database, database, "read_only")
        assert "read_only" in database.manage("sqlmigrate", "medical_records", "0001").errors
        database.execute("SET default_transaction_read_only = off", f'ALTER DATABASE "{database.name}" RESET ALL')
        expected.converges(database, backfilled=BACKFILLED)

    @pytest.mark.parametrize("path", ["gone", "pg_catalog, public", "pg_temp, public"])
    def test_23_no_schema_to_create_in(self, path: str, database: Database, expected: Expectations):
        """The first schema on the search path is missing, PostgreSQL's own, or temporary."""
        database.execute(*SMALL_DAMAGE, f'ALTER DATABASE "{database.name}" SET search_path = {path}')
        self.refuses_before_the_first_change(database, database, "a schema to create tables in", "search_path")
        database.execute(f'ALTER DATABASE "{database.name}" RESET ALL')
        expected.converges(database, backfilled=BACKFILLED)

    def test_23_orphans_of_a_parent_that_may_not_be_read(self, database: Database, owner: Database):
        """The role has REFERENCES on the parent and no SELECT: PostgreSQL's own error reports the orphans."""
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
