"""RECONCILIATION["apps"]: whose tables are kept as declared, and what is left alone where an app's migrations run SQL."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import modify_settings, override_settings

from ...checks import check_setting
from ...migration_history import _pending_apps_with_tables, creation_refusals, reconciled_labels
from ..support.catalog import read_catalog
from ..support.databases import Database, default_connection_to, temporary_database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from ..support.remedies import Remedy, try_remedy

TABLES = ("oddities_note", "oddities_tag", "oddities_tag_notes", "oddities_totals", "legacy_rows")

ROWS = """
    INSERT INTO oddities_note (title, body, stars) SELECT 'Note ' || n, 'text', n FROM generate_series(1, 30) AS n;
    INSERT INTO oddities_tag (name) SELECT 'Tag ' || n FROM generate_series(1, 5) AS n;
    INSERT INTO oddities_tag_notes (tag_id, note_id) SELECT 1 + n % 5, n FROM generate_series(1, 30) AS n
"""


class Nowhere:
    """A router that keeps the app out of every database."""

    def allow_migrate(self, db, app_label, **hints):
        return False if app_label == "oddities" else None


class NoGroups:
    """A router that keeps one model out of every database."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return False if (app_label, model_name) == ("auth", "group") else None


@pytest.fixture(scope="module")
def oddities(unblocked: None) -> Iterator[None]:
    """The app is installed, and all apps are reconciled."""
    with (
        modify_settings(INSTALLED_APPS={"append": "clinic_project.reconciliation.tests.oddities"}),
        override_settings(RECONCILIATION={"apps": "*", "lock_budget": 10}),
    ):
        yield


@pytest.fixture(scope="module")
def template(oddities: None) -> Iterator[Database]:
    with temporary_database() as template:
        outcome = template.migrate()
        assert outcome.status == 0, outcome.printed
        assert "Repairing" not in outcome.output
        template.execute(ROWS)
        yield template


@pytest.fixture
def database(copy_of, template: Database) -> Database:
    return copy_of(template)


# Which apps


def test_by_default_apps_that_use_reconcile_schema():
    with override_settings(RECONCILIATION={}):
        assert reconciled_labels() == {"audit", "clinics", "clinics_api", "medical_records"}


def test_more_labels():
    with override_settings(RECONCILIATION={"apps": ["auth", "sessions"]}):
        assert reconciled_labels() == {"audit", "auth", "clinics", "clinics_api", "medical_records", "sessions"}


def test_every_app_with_migrations():
    with override_settings(RECONCILIATION={"apps": "*"}):
        assert reconciled_labels() >= {"admin", "auth", "clinics", "contenttypes", "sessions"}


def test_an_unknown_label_is_named():
    with (
        override_settings(RECONCILIATION={"apps": ["auth", "sesions"]}),
        pytest.raises(ImproperlyConfigured, match="found sesions"),
    ):
        reconciled_labels()


def test_a_check_names_it_too():
    with override_settings(RECONCILIATION={"apps": ["sesions"]}):
        (error,) = check_setting()
    assert (error.id, "found sesions" in error.msg) == ("reconciliation.E001", True)
    assert check_setting() == []


def test_a_table_of_another_app_is_left_alone_without_the_setting(database: Database):
    with override_settings(RECONCILIATION={}):
        database.execute("DROP INDEX django_session_expire_date_a5c62663")
        outcome = database.migrate()
        assert outcome.status == 0
        assert "Schema verified: 19 tables are as declared." in outcome.output
    with override_settings(RECONCILIATION={"apps": ["sessions"]}):
        outcome = database.migrate()
        assert "Schema verified: 20 tables are as declared." in outcome.output
        assert database.value("SELECT to_regclass('django_session_expire_date_a5c62663') IS NOT NULL")


# An app whose migrations run SQL


def test_what_its_own_sql_made_is_left_alone(database: Database):
    before = read_catalog(database, TABLES)
    assert_changes_nothing(database)
    assert database.manage("reconcile").status == 0
    assert read_catalog(database, TABLES) == before
    assert database.manage("reconcile", "--check").status == 0


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE oddities_note ALTER title DROP NOT NULL",
        "ALTER TABLE oddities_note DROP COLUMN stars",
        "ALTER TABLE oddities_tag DROP CONSTRAINT oddities_tag_name_key",
        "ALTER TABLE oddities_tag_notes DROP CONSTRAINT oddities_tag_notes_pkey",
        "ALTER TABLE oddities_tag ALTER id RESTART WITH 1",
    ],
)
def test_what_its_models_declare_is_repaired(damage: str, database: Database):
    before = read_catalog(database, TABLES)
    database.execute(damage)
    rows = fingerprints(database)
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    assert read_catalog(database, TABLES) == before
    assert lost_or_changed(database, rows, {}) == []


@pytest.mark.parametrize("lost", ["name > '0003'", "name > '0002'", "true"])
def test_its_migrations_are_recorded_and_not_run_again(lost: str, database: Database):
    before = read_catalog(database, TABLES)
    database.execute(f"DELETE FROM django_migrations WHERE app = 'oddities' AND {lost}")
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    assert read_catalog(database, TABLES) == before
    assert database.value("SELECT count(*) FROM django_migrations WHERE app = 'oddities'") == 3
    assert database.value("SELECT count(*) FROM oddities_runs") == 1


def test_a_remedy_keeps_the_default_that_its_own_sql_set(database: Database):
    """The model declares none, and the column is of another type."""
    remedy = Remedy(
        ("DROP VIEW oddities_titles", "ALTER TABLE oddities_note ALTER title TYPE text"),
        "a type",
    )
    try_remedy(remedy, database, database)
    assert database.value("INSERT INTO oddities_note (body, stars) VALUES ('', 1) RETURNING title") == "untitled"


def test_a_table_of_a_long_name_shows_that_migrations_were_run(database: Database, monkeypatch: pytest.MonkeyPatch):
    """PostgreSQL has shortened the name."""
    note = apps.get_model("oddities", "note")
    monkeypatch.setattr(note._meta, "db_table", "oddities_" + "é" * 40)
    database.execute(
        "DELETE FROM django_migrations WHERE app = 'oddities'",
        "DROP TABLE oddities_tag_notes, oddities_tag",
        f"ALTER TABLE oddities_note RENAME TO {note._meta.db_table}",
    )
    with default_connection_to(database):
        assert _pending_apps_with_tables(connection, MigrationLoader(connection)) == ["oddities"]


@pytest.mark.parametrize("setting", [{}, {"apps": "*"}])
def test_they_are_recorded_where_only_names_differ(setting: dict[str, str], database: Database):
    """PostgreSQL keeps the name of a constraint where a migration renames its table."""
    database.execute(
        "ALTER TABLE oddities_tag RENAME CONSTRAINT oddities_tag_name_key TO formerly_name_key",
        "ALTER TABLE oddities_tag_notes RENAME CONSTRAINT oddities_tag_notes_pkey TO formerly_pkey",
        "DELETE FROM django_migrations WHERE app = 'oddities'",
    )
    with override_settings(RECONCILIATION=setting):
        outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    assert "oddities: recorded its migrations (3) as applied" in outcome.output
    assert database.value("SELECT count(*) FROM django_migrations WHERE app = 'oddities'") == 3


def test_a_pending_migration_is_djangos_though_what_is_recorded_is_damaged(database: Database):
    database.execute(
        "DELETE FROM django_migrations WHERE app = 'oddities' AND name > '0003'",
        "ALTER TABLE oddities_note DROP COLUMN stars",
        "ALTER TABLE oddities_tag DROP CONSTRAINT oddities_tag_name_key",
    )
    assert "stars" not in database.manage("reconcile", "--plan").output
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    assert "Applying oddities.0003_stars... OK" in outcome.output
    assert "add oddities_tag_name" in outcome.output


def test_a_router_keeps_an_app_out(oddities: None, empty_database: Database):
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.Nowhere"]):
        outcome = empty_database.migrate("--skip-checks", "oddities", "0001")
        assert outcome.status == 0, outcome.printed
    assert empty_database.value("SELECT to_regclass('oddities_note') IS NULL")


def test_a_table_that_django_would_not_create_may_be_filled_elsewhere(empty_database: Database):
    """Nothing is created beside it: its model is swapped for another one, or a router keeps it out."""
    empty_database.execute(
        "CREATE TABLE django_migrations (id integer PRIMARY KEY)",
        "CREATE SCHEMA legacy",
        "CREATE TABLE legacy.auth_user (id integer PRIMARY KEY)",
        "CREATE TABLE legacy.auth_group (id integer PRIMARY KEY)",
        "INSERT INTO legacy.auth_user VALUES (1)",
        "INSERT INTO legacy.auth_group VALUES (1)",
        f'ALTER DATABASE "{empty_database.name}" SET search_path = public, legacy',
    )
    with default_connection_to(empty_database):
        migrations = [MigrationLoader(None).get_migration("auth", "0001_initial")]
        assert [refusal.table for refusal in creation_refusals(connection, migrations)] == ["auth_group"]
        with override_settings(DATABASE_ROUTERS=[f"{__name__}.NoGroups"]):
            assert creation_refusals(connection, migrations) == ()
