"""`django_migrations` is lost, or has lost rows (state 28)."""

import pytest

from clinic_project.reconciliation.tests.support.catalog import (
    object_ids,
)
from clinic_project.reconciliation.tests.support.databases import (
    Database,
)

from .outcomes import MIGRATIONS, Expectations, recorded
from .tables import TABLES


class TestState28LostHistory:
    """django_migrations is gone, or holds only some of our rows."""

    @pytest.mark.parametrize(
        "lost",
        [
            "DELETE FROM django_migrations WHERE app = 'clinics'",
            "DELETE FROM django_migrations WHERE app = 'medical_records'",
            "DELETE FROM django_migrations WHERE app IN ('clinics', 'medical_records')",
        ],
        ids=["clinics", "medical_records", "both"],
    )
    def test_28_some_rows(self, lost: str, database: Database, expected: Expectations):
        """Other apps' rows are still there, as the admin's, which depends on ours: that is no reason to stop."""
        before = object_ids(database, TABLES)
        database.execute(lost)
        expected.converges(database)
        assert object_ids(database, TABLES) == before

    def test_28_some_rows_and_damage(self, database: Database, expected: Expectations):
        database.execute(
            "DELETE FROM django_migrations WHERE app = 'clinics'",
            "ALTER TABLE medical_records DROP COLUMN deleted_at, ALTER version DROP NOT NULL",
            "DROP INDEX idx_patients_clinic_phone",
        )
        expected.converges(database)

    @pytest.mark.parametrize("option", ["--plan", "--check"])
    def test_28_some_rows_and_a_dry_run(self, option: str, database: Database, expected: Expectations):
        """A dry run says what a run would do, and changes nothing."""
        database.execute("DELETE FROM django_migrations WHERE app = 'clinics'")
        outcome = database.manage("migrate", option)
        assert outcome.status != 0
        assert "applied before its dependency" in outcome.errors
        assert "Traceback" not in outcome.printed
        expected.converges(database)

    def test_28_the_whole_table(self, database: Database, expected: Expectations):
        """Ours are adopted, one by one; Django's own are recorded by --fake."""
        database.execute("DROP TABLE django_migrations")
        outcome = database.migrate("clinics")
        assert outcome.status == 0, outcome.printed
        outcome = database.migrate("medical_records")
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert recorded(database) == MIGRATIONS
        assert database.manage("migrate", "--fake").status == 0
        expected.converges(database)

    @pytest.mark.parametrize(
        ("lost", "remedy"),
        [
            (
                ("ALTER TABLE django_content_type RENAME TO aside",),
                ("ALTER TABLE aside RENAME TO django_content_type",),
            ),
            (
                (
                    "ALTER TABLE django_content_type ADD more int DEFAULT 1 NOT NULL",
                    "ALTER TABLE django_content_type ALTER more DROP DEFAULT",
                ),
                ("ALTER TABLE django_content_type DROP more",),
            ),
        ],
        ids=["gone", "different"],
    )
    def test_28_another_apps_tables_differ_from_its_migrations(
        self, lost: tuple[str, ...], remedy: tuple[str, ...], database: Database, expected: Expectations
    ):
        """Recorded migrations depend on it, so that a person has to decide. Our own tables are repaired."""
        database.execute("DELETE FROM django_migrations WHERE app = 'contenttypes'", *lost)
        expected.refuses(database, naming=(r"contenttypes \[history-lost\]", "django_content_type"), remedy=remedy)

    @pytest.mark.parametrize(
        "damage",
        [
            ("ALTER TABLE django_migrations ALTER id DROP IDENTITY",),
            ("SELECT setval('django_migrations_id_seq', 1)",),
            (
                "ALTER TABLE django_migrations RENAME TO django_migrations_before",
                "CREATE TABLE django_migrations AS TABLE django_migrations_before",
                "DROP TABLE django_migrations_before",
            ),
        ],
        ids=["without identity", "behind", "without constraints"],
    )
    def test_28_no_row_can_be_added(self, damage: tuple[str, ...], database: Database, expected: Expectations):
        database.execute("DELETE FROM django_migrations WHERE app = 'medical_records'", *damage)
        expected.converges(database)
        assert database.value("SELECT count(DISTINCT id) = count(*) FROM django_migrations")
