"""Event triggers that forbid statements."""

import pytest

from clinic_project.reconciliation.tests.support.databases import Database

from .outcomes import Expectations


class TestEventTriggers:
    """An event trigger of somebody else forbids statements."""

    FORBID = """CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE 'not on a Friday'; END $$"""

    @pytest.mark.parametrize("command", [("migrate",), ("reconcile",), ("reconcile", "--check"), ("migrate", "--plan")])
    def test_create_table_is_forbidden(self, command: tuple[str, ...], database: Database, owner: Database):
        """The declared schema can't be built then: the error names the event trigger, without a traceback."""
        database.execute(
            self.FORBID,
            "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
        )
        outcome = owner.manage(*command)
        assert outcome.status == 1
        assert "found that the event trigger forbid prevents it: not on a Friday (SQLSTATE P0001)" in outcome.errors
        assert 'ALTER EVENT TRIGGER "forbid" DISABLE' in outcome.errors

    def test_a_superuser_disables_them_for_temporary_tables(self, database: Database, expected: Expectations):
        """That is for the tables that are rolled back. Changes of the real tables still fire event triggers."""
        if database.value("SELECT current_setting('server_version_num')::int") < 170000:
            pytest.skip("event triggers can't be disabled for a session before PostgreSQL 17")
        database.execute(
            self.FORBID,
            "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
        )
        assert database.manage("reconcile", "--check").status == 0
        database.execute("DROP TABLE patient_photos")
        expected.refuses(database, naming=("not on a Friday",), remedy=("DROP EVENT TRIGGER forbid",), unrelated=False)
