"""Tables of apps that don't use ReconcileSchema, Django's own above all (state 35), and their history (state 28)."""

import json

import pytest

from clinic_project.reconciliation import extensions
from clinic_project.reconciliation.tests.support.catalog import (
    Catalog,
    differences,
    foreign_key,
    nothing,
    read_catalog,
)
from clinic_project.reconciliation.tests.support.databases import Database, Outcome
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.idempotence import assert_changes_nothing

pytestmark = pytest.mark.slow

DJANGO_TABLES = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "django_session",
)

ROWS = """
    INSERT INTO auth_group (name) SELECT 'Group ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO auth_group_permissions (group_id, permission_id)
    SELECT auth_group.id, permission.id
    FROM auth_group CROSS JOIN (SELECT id FROM auth_permission LIMIT 3) AS permission;
    INSERT INTO django_session SELECT md5(n::text), 'data', now() FROM generate_series(1, 20) AS n;
    INSERT INTO django_admin_log (action_time, object_repr, action_flag, change_message, user_id, content_type_id)
    SELECT now(), 'somebody', 1, '', users.id, (SELECT min(id) FROM django_content_type) FROM users LIMIT 5
"""


@pytest.fixture(scope="session")
def clean(migrated_template: Database) -> Catalog:
    return read_catalog(migrated_template, DJANGO_TABLES)


@pytest.fixture
def filled(owner: Database, database: Database) -> Database:
    """The database as its owner sees it, with rows in Django's own tables."""
    database.execute(ROWS)
    return owner


def converges(database: Database, clean: Catalog, *arguments: str) -> Outcome:
    """Migrate, and fail unless Django's own tables are as declared then, with every row as it was."""
    before = fingerprints(database)
    written = {query: database.rows(query) for table, query in _WRITTEN.items() if _exists(database, table)}
    outcome = database.migrate(*arguments)
    assert outcome.status == 0, outcome.printed
    assert "Schema verified: 25 tables are as declared." in outcome.output
    left = differences(clean, read_catalog(database, DJANGO_TABLES), nothing)
    assert left == [], "\n".join(left)
    assert lost_or_changed(database, before, {}) == []
    for query, rows in written.items():
        assert set(rows) <= set(database.rows(query))
    assert database.migrate().status == 0
    assert database.manage("reconcile", "--check").status == 0
    return outcome


#: Tables to which Django's own migrate adds rows.
_WRITTEN = {
    "django_content_type": "SELECT id, app_label, model FROM django_content_type",
    "auth_permission": "SELECT id, name, content_type_id, codename FROM auth_permission",
}


def _exists(database: Database, table: str) -> bool:
    exists: bool = database.value("SELECT to_regclass(%s) IS NOT NULL", [table])
    return exists


DAMAGES = {
    "a table": ("DROP TABLE django_session",),
    "tables that point to each other": ("DROP TABLE auth_group_permissions, auth_group, django_admin_log",),
    "all tables": (
        "DROP TABLE auth_group_permissions, auth_group, auth_permission, django_admin_log, django_content_type CASCADE",
    ),
    "an index": ("DROP INDEX django_session_expire_date_a5c62663",),
    "a unique key": ("ALTER TABLE auth_group DROP CONSTRAINT auth_group_name_key",),
    "a primary key": ("ALTER TABLE django_session DROP CONSTRAINT django_session_pkey",),
    "a check": ("ALTER TABLE django_admin_log DROP CONSTRAINT django_admin_log_action_flag_check",),
    "a nullable column": ("ALTER TABLE auth_permission ALTER name DROP NOT NULL",),
    "a column that is missing": ("ALTER TABLE django_admin_log DROP COLUMN object_id",),
    "an older length": ("ALTER TABLE auth_group ALTER name TYPE varchar(80)",),
    "an undeclared default": ("ALTER TABLE auth_group ALTER name SET DEFAULT 'x'",),
    "no identity": ("ALTER TABLE django_content_type ALTER id DROP IDENTITY",),
    "the history's key": ("ALTER TABLE django_migrations DROP CONSTRAINT django_migrations_pkey",),
    "the history's times": ("ALTER TABLE django_migrations DROP COLUMN applied",),
    "the history's column": ("ALTER TABLE django_migrations ALTER name DROP NOT NULL",),
}


class TestState35OtherApps:
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    def test_35_damages(self, damage: tuple[str, ...], filled: Database, clean: Catalog):
        filled.execute(*damage)
        converges(filled, clean)

    @pytest.mark.parametrize("option", ["--check", "--plan", "--json"])
    def test_35_a_history_that_cant_be_read_yet(self, option: str, filled: Database):
        filled.execute(*DAMAGES["the history's times"])
        outcome = filled.manage("reconcile", option)
        assert outcome.status == 0, outcome.printed

    def test_35_a_foreign_key_elsewhere(self, filled: Database, clean: Catalog):
        name = foreign_key(filled, "auth_permission", "content_type_id")
        filled.execute(
            "CREATE TABLE aside AS TABLE django_content_type",
            "ALTER TABLE aside ADD PRIMARY KEY (id)",
            f"ALTER TABLE auth_permission DROP CONSTRAINT {name},"
            f" ADD CONSTRAINT {name} FOREIGN KEY (content_type_id) REFERENCES aside DEFERRABLE INITIALLY DEFERRED",
        )
        converges(filled, clean)

    def test_35_sequences_are_advanced_before_django_adds_rows(self, filled: Database, clean: Catalog):
        filled.execute(
            "DELETE FROM auth_group_permissions",
            "DELETE FROM auth_permission WHERE content_type_id IN"
            " (SELECT id FROM django_content_type WHERE model = 'patientphoto')",
            "DELETE FROM django_content_type WHERE model = 'patientphoto'",
            "ALTER TABLE django_content_type ALTER id RESTART WITH 1",
            "ALTER TABLE auth_permission ALTER id RESTART WITH 1",
        )
        converges(filled, clean)
        assert filled.value("SELECT count(*) FROM django_content_type WHERE model = 'patientphoto'") == 1
        assert filled.value("SELECT count(*) FROM auth_permission WHERE codename LIKE '%patientphoto'") == 4

    def test_35_orphans_are_refused_by_name(self, filled: Database, clean: Catalog):
        name = foreign_key(filled, "django_admin_log", "user_id")
        filled.execute(
            f"ALTER TABLE django_admin_log DROP CONSTRAINT {name}",
            "UPDATE django_admin_log SET user_id = 100000 WHERE id = (SELECT min(id) FROM django_admin_log)",
        )
        outcome = filled.migrate()
        assert outcome.status == 1
        assert f"django_admin_log.{name} [orphan-rows]" in outcome.errors
        filled.execute("UPDATE django_admin_log SET user_id = (SELECT min(id) FROM users) WHERE user_id = 100000")
        converges(filled, clean)

    def test_35_what_django_itself_needs_is_refused_by_name(self, filled: Database, clean: Catalog):
        """Django's own handlers fail after the migrations, since they write to it: the refusal is what is printed."""
        filled.execute(
            "ALTER TABLE auth_permission RENAME TO permissions",
            "CREATE VIEW auth_permission AS SELECT id FROM permissions",
        )
        outcome = filled.migrate()
        assert outcome.status == 1
        assert "auth_permission [not-a-table]" in outcome.errors
        assert "Traceback" not in outcome.printed
        filled.execute("DROP VIEW auth_permission", "ALTER TABLE permissions RENAME TO auth_permission")
        converges(filled, clean)

    def test_35_a_plan_shows_it_and_changes_nothing(self, filled: Database, clean: Catalog):
        filled.execute("DROP TABLE django_session")
        assert filled.manage("reconcile", "--check").status == 1
        assert "django_session" in filled.migrate("--plan").output
        assert not _exists(filled, "django_session")
        converges(filled, clean)

    def test_35_plpgsql_is_created_again(self, filled: Database, database: Database, clean: Catalog):
        database.execute("DROP EXTENSION plpgsql CASCADE", "DROP INDEX django_session_expire_date_a5c62663")
        outcome = converges(filled, clean)
        assert "plpgsql: create the extension" in outcome.output
        assert filled.value("SELECT count(*) FROM pg_extension WHERE extname = 'plpgsql'") == 1

    def test_35_without_plpgsql_where_the_role_may_not_create_it(
        self, filled: Database, database: Database, clean: Catalog
    ):
        database.execute(
            "DROP EXTENSION plpgsql CASCADE",
            "DROP INDEX django_session_expire_date_a5c62663",
            "ALTER TABLE auth_group ALTER id RESTART WITH 1",
            f'ALTER DATABASE "{database.name}" OWNER TO CURRENT_USER',
        )
        outcome = filled.migrate()
        assert outcome.status == 1
        assert "audit_record_change() [function-rejected]" in outcome.errors
        assert filled.rows("SELECT FROM pg_indexes WHERE indexname = 'django_session_expire_date_a5c62663'")
        database.execute("CREATE EXTENSION plpgsql")
        converges(filled, clean)

    def test_35_an_extension_of_a_recorded_migration_is_created_again(
        self, filled: Database, clean: Catalog, monkeypatch: pytest.MonkeyPatch
    ):
        trusted = (
            "SELECT name FROM pg_available_extension_versions WHERE trusted AND NOT installed ORDER BY name LIMIT 1"
        )
        if not filled.rows(trusted):
            pytest.skip("the server has no trusted extension but PL/pgSQL")
        name = filled.value(trusted)
        monkeypatch.setattr(extensions, "created_extensions", lambda: {("auth", "0001_initial"): [name]})
        assert f"{name}: create the extension" in converges(filled, clean).output
        assert filled.value("SELECT count(*) FROM pg_extension WHERE extname = %s", [name]) == 1

    def test_35_an_extension_that_the_role_cant_create_is_refused_by_name(
        self, filled: Database, clean: Catalog, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(extensions, "created_extensions", lambda: {("auth", "0001_initial"): ["nowhere"]})
        filled.execute("DROP INDEX django_session_expire_date_a5c62663")
        outcome = filled.migrate()
        assert outcome.status == 1
        assert "nowhere [extension-missing]" in outcome.errors
        assert 'run CREATE EXTENSION "nowhere" as a superuser' in outcome.errors
        (refusal,) = json.loads(filled.manage("reconcile", "--json").output)["refusals"]
        assert (refusal["code"], refusal["statements"]) == ("extension-missing", ['CREATE EXTENSION "nowhere"'])
        monkeypatch.undo()
        converges(filled, clean)

    def test_35_nothing_to_do_is_no_ddl(self, database: Database):
        assert_changes_nothing(database)


class TestState28OtherAppsHistory:
    @pytest.mark.parametrize(
        "lost",
        [
            "app = 'auth' AND name > '0005'",
            "app = 'auth'",
            "app = 'contenttypes' AND name > '0002'",
            "app = 'contenttypes'",
            "app IN ('auth', 'admin', 'sessions')",
            "app NOT IN ('clinics', 'clinics_api')",
        ],
    )
    @pytest.mark.parametrize("damaged", [False, True], ids=["", "damaged"])
    def test_28_rows_of_other_apps(self, lost: str, damaged: bool, filled: Database, clean: Catalog):
        """What the tables show to have been run is recorded, and not run again."""
        recorded = "SELECT DISTINCT app, name FROM django_migrations ORDER BY 1, 2"
        before = filled.rows(recorded)
        filled.execute(f"DELETE FROM django_migrations WHERE {lost}")
        if damaged:
            filled.execute(
                "ALTER TABLE auth_group DROP CONSTRAINT auth_group_name_key",
                "DROP INDEX django_session_expire_date_a5c62663",
                "ALTER TABLE django_admin_log ALTER change_message DROP NOT NULL",
            )
        converges(filled, clean)
        assert filled.rows(recorded) == before

    def test_28_what_was_not_run_is_run(self, empty_database: Database, clean: Catalog):
        """A state in the middle, of which the last record is lost: one is recorded, the others are run."""
        assert empty_database.migrate("auth", "0003").status == 0
        empty_database.execute(
            "DELETE FROM django_migrations WHERE app = 'auth' AND name > '0002'",  # and 0002_… itself
            "ALTER TABLE auth_permission ALTER codename DROP NOT NULL",
        )
        outcome = converges(empty_database, clean)
        assert "auth: recorded its migrations (1) as applied" in outcome.output
        assert "Applying auth.0010_alter_group_name_max_length... OK" in outcome.output

    @pytest.mark.parametrize(
        ("damage", "code"),
        [
            ("ALTER TABLE django_migrations DROP COLUMN id", "column-needs-rewrite"),
            ("ALTER TABLE django_migrations SET UNLOGGED", "unlogged"),
        ],
    )
    def test_28_a_history_that_cant_be_repaired_is_refused_by_name(
        self, damage: str, code: str, filled: Database, clean: Catalog
    ):
        filled.execute(damage)
        outcome = filled.migrate()
        assert outcome.status == 1
        assert f"[{code}]" in outcome.errors
        (refusal,) = json.loads(filled.manage("reconcile", "--json").output)["refusals"]
        assert (refusal["code"], refusal["table"]) == (code, "django_migrations")
        filled.execute(*refusal["statements"])
        converges(filled, clean)

    def test_28_an_app_that_is_gone_with_its_history(self, filled: Database, clean: Catalog):
        """Recorded migrations depend on it, and rows point to it. Its tables are restored, or made anew by the remedy."""
        filled.execute(
            "DELETE FROM django_migrations WHERE app = 'contenttypes'",
            "CREATE TABLE backup AS TABLE django_content_type",
            "DROP TABLE django_content_type CASCADE",
        )
        outcome = filled.migrate()
        assert outcome.status == 1
        assert "contenttypes [history-lost]" in outcome.errors
        assert not _exists(filled, "django_content_type")
        (refusal,) = json.loads(filled.manage("reconcile", "--json").output)["refusals"]
        filled.execute(*refusal["statements"])
        outcome = filled.migrate()
        assert outcome.status == 1
        assert "[orphan-rows]" in outcome.errors
        # Django would add content types with the keys from 1 on, to which the permissions of others point.
        assert filled.value("SELECT count(*) FROM django_content_type") == 0
        filled.execute("INSERT INTO django_content_type TABLE backup", "DROP TABLE backup")
        converges(filled, clean)

    def test_28_the_remedy_lets_migrate_repair(self, filled: Database):
        filled.execute(
            "DELETE FROM django_migrations WHERE app = 'sessions'",
            "DROP INDEX django_session_expire_date_a5c62663",
            "ALTER TABLE django_session ADD more int",
            "UPDATE django_session SET more = 1",
            "ALTER TABLE django_session ALTER more SET NOT NULL",
        )
        outcome = filled.migrate()
        assert outcome.status == 1
        assert "sessions [history-lost]" in outcome.errors
        before = fingerprints(filled)
        (refusal,) = json.loads(filled.manage("reconcile", "--json").output)["refusals"]
        assert refusal["code"] == "history-lost"
        filled.execute(*refusal["statements"])
        assert filled.migrate().status == 0
        assert lost_or_changed(filled, before, {}) == []
        assert filled.value("SELECT to_regclass('django_session_expire_date_a5c62663') IS NOT NULL")
