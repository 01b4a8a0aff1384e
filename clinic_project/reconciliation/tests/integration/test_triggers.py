"""Declared triggers and functions are created, put back where they are lost or altered, and record what they should."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any
from unittest import mock

import psycopg2
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models
from django.db.backends.sqlite3 import base as sqlite3
from django.test import modify_settings, override_settings

from ...checks import check_functions, check_schema
from ...triggers import Function
from ..journal.apps import JournalConfig
from ..support.catalog import Catalog, differences, nothing, read_catalog
from ..support.databases import Database, database_of_models, default_connection_to, migrated_database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from ..support.models import create, found, project, reconciled
from ..support.remedies import has_met, refusals_of, run_remedies, told_everywhere, tries
from ..support.roles import owner_of, role_of

TABLES = ("journal_entry", "journal_ward")

FUNCTIONS = """
    SELECT proname, pg_get_functiondef(oid), pg_get_userbyid(proowner), has_function_privilege('public', oid, 'EXECUTE')
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proname IN ('keep_old_row', 'refuse_change', 'journal_size') ORDER BY 1
"""

ROWS = """
    INSERT INTO journal_ward (name, beds) SELECT 'Ward ' || n, n FROM generate_series(1, 20) AS n;
    UPDATE journal_ward SET beds = beds - 1 WHERE id = 1
"""

HISTORY = """\"ward's history\""""


OWN = JournalConfig.database_functions

SUM = Function("total", "SELECT a + b", arguments="a integer, b integer", returns="integer", language="sql")


@contextmanager
def declaring(*functions: Function, label: str = "journal") -> Iterator[None]:
    """Let an app declare these functions, and no others."""
    with mock.patch.object(apps.get_app_config(label), "database_functions", functions, create=True):
        yield


@pytest.fixture(scope="module")
def journal(unblocked: None) -> Iterator[None]:
    with (
        modify_settings(INSTALLED_APPS={"append": "clinic_project.reconciliation.tests.journal"}),
        override_settings(RECONCILIATION={"apps": ["journal"], "lock_budget": 5}),
    ):
        yield


@pytest.fixture(scope="module")
def template(journal: None) -> Iterator[Database]:
    with migrated_database("journal", rows=ROWS) as template:
        yield template


@pytest.fixture
def database(copy_of: Callable[[Database], Database], template: Database) -> Database:
    return copy_of(template)


@pytest.fixture(scope="module")
def declared(journal: None) -> Iterator[Catalog]:
    """The catalog of what plain Django makes of the models."""
    with database_of_models("journal") as reference:
        yield read_catalog(reference, TABLES)


def without_casts(catalog: Catalog) -> Catalog:
    """What PostgreSQL prints of a condition that was printed and parsed again has other casts; it means the same."""
    return {key: tuple(map(_without_casts, facts)) for key, facts in catalog.items()}


def _without_casts(fact: Any) -> Any:
    return re.sub(r"::(character varying|text)(\[\])?|[()]", "", fact) if isinstance(fact, str) else fact


def is_declared(database: Database, declared: Catalog, template: Database) -> None:
    left = differences(without_casts(declared), without_casts(read_catalog(database, TABLES)), nothing)
    assert left == [], "\n".join(left)
    assert database.rows(FUNCTIONS) == template.rows(FUNCTIONS)


def test_an_empty_database_gets_what_plain_django_makes(database: Database, declared: Catalog, template: Database):
    is_declared(database, declared, template)
    assert len(database.rows(FUNCTIONS)) == 3
    assert_changes_nothing(database, "journal")


def test_makemigrations_finds_nothing_to_do(journal: None):
    call_command("makemigrations", "journal", check=True, dry_run=True)


def test_a_change_is_recorded_whoever_makes_it(database: Database):
    database.execute(
        "SET session_replication_role = replica; UPDATE journal_ward SET beds = 0 WHERE id = 5",
        "DELETE FROM journal_ward WHERE id = 6",
    )
    found = database.rows("SELECT old ->> 'id', action FROM journal_entry ORDER BY id OFFSET 2")
    assert found == [("5", "it's over"), ("6", "it's over")]


DAMAGES = {
    "a trigger is restored from a dump": """
        DO $$ DECLARE restored text = pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'renamed_ward'; BEGIN
            DROP TRIGGER renamed_ward ON journal_ward; EXECUTE restored;
            ALTER TABLE journal_ward ENABLE ALWAYS TRIGGER renamed_ward; END $$
    """,
    "a trigger is missing": f"DROP TRIGGER {HISTORY} ON journal_ward",
    "a trigger is disabled": f"ALTER TABLE journal_ward DISABLE TRIGGER {HISTORY}",
    "a trigger isn't for all sessions": f"ALTER TABLE journal_ward ENABLE TRIGGER {HISTORY}",
    "a trigger has another name": f"ALTER TRIGGER {HISTORY} ON journal_ward RENAME TO history",
    "a trigger has other events": (
        f"CREATE OR REPLACE TRIGGER {HISTORY} AFTER DELETE ON journal_ward"
        " FOR EACH ROW EXECUTE FUNCTION keep_old_row('it''s over')"
    ),
    "a trigger calls another function": (
        "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f"CREATE OR REPLACE TRIGGER {HISTORY} AFTER UPDATE OR DELETE ON journal_ward FOR EACH ROW EXECUTE FUNCTION other()"
    ),
    "all triggers are disabled": "ALTER TABLE journal_ward DISABLE TRIGGER ALL",
    "a constraint trigger has its name": (
        f"DROP TRIGGER {HISTORY} ON journal_ward; CREATE CONSTRAINT TRIGGER {HISTORY} AFTER UPDATE OR DELETE ON journal_ward"
        " FOR EACH ROW EXECUTE FUNCTION keep_old_row('it''s over')"
    ),
    "a trigger has another condition": (
        "CREATE OR REPLACE TRIGGER ward_beds AFTER UPDATE OF beds ON journal_ward"
        " FOR EACH ROW WHEN (OLD.beds < NEW.beds) EXECUTE FUNCTION keep_old_row('fewer beds')"
    ),
    "a function does nothing": (
        "CREATE OR REPLACE FUNCTION keep_old_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    ),
    "a function runs as its caller": "ALTER FUNCTION keep_old_row() SECURITY INVOKER",
    "a function has another search path": "ALTER FUNCTION keep_old_row() SET search_path = public",
    "a function has another owner": "ALTER FUNCTION keep_old_row() OWNER TO pg_monitor",
    "a function that runs as its owner is everybody's": "GRANT EXECUTE ON FUNCTION keep_old_row() TO PUBLIC",
    "a function is missing": "DROP FUNCTION refuse_change() CASCADE",
    "all functions are missing": "DROP FUNCTION journal_size, refuse_change, keep_old_row CASCADE",
    "PL/pgSQL is dropped": "DROP EXTENSION plpgsql CASCADE",
    "a table is missing": "DROP TABLE journal_ward",
    "a column that a trigger names is missing": "ALTER TABLE journal_ward DROP beds CASCADE",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_put_back(damage: str, database: Database, declared: Catalog, template: Database):
    database.execute(damage)
    database.execute("DROP FUNCTION IF EXISTS other CASCADE") if "other()" not in damage else None
    before = fingerprints(database)
    outcome = database.migrate("journal")
    assert outcome.status == 0, outcome.printed
    database.execute("DROP FUNCTION IF EXISTS other")
    is_declared(database, declared, template)
    assert lost_or_changed(database, before, {}) == []
    assert_changes_nothing(database, "journal")


@pytest.mark.slow  # it runs psql
def test_the_plan_runs_as_a_script(database: Database, declared: Catalog, template: Database):
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql isn't installed")
    database.execute("DROP FUNCTION refuse_change, journal_size CASCADE", f"DROP TRIGGER {HISTORY} ON journal_ward")
    script = database.manage("reconcile", "--sql").output
    ran = subprocess.run([psql, database.url], input=script, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    is_declared(database, declared, template)


def test_a_backfill_is_recorded(database: Database):
    """The trigger is there before the rows are changed."""
    database.execute(
        f"DROP TRIGGER {HISTORY} ON journal_ward",
        "ALTER TABLE journal_ward ALTER is_open DROP NOT NULL",
        "UPDATE journal_ward SET is_open = NULL WHERE id > 15",
        "DELETE FROM journal_ward WHERE id = 20",
    )
    assert database.migrate("journal").status == 0
    assert database.value("SELECT count(*) FROM journal_ward WHERE is_open IS NULL") == 0
    found = "SELECT count(*) FROM journal_entry WHERE (old ->> 'is_open') IS NULL AND action = 'it''s over'"
    assert database.value(found) == 4


class TestAppendOnly:
    def test_rows_are_never_filled(self, database: Database):
        database.execute(
            "ALTER TABLE journal_entry ALTER remark DROP NOT NULL",
            "INSERT INTO journal_entry (source, action, old, remark) VALUES ('x', 'y', '{}', NULL)",
        )
        outcome = database.migrate("journal")
        assert outcome.status == 1
        assert "[append-only]" in outcome.errors
        assert "1 row is NULL, and the table is append-only" in outcome.errors, outcome.errors
        assert database.value("SELECT count(*) FROM journal_entry WHERE remark IS NULL") == 1

    def test_where_no_row_is_null_a_column_is_made_not_null(
        self, database: Database, declared: Catalog, template: Database
    ):
        database.execute("ALTER TABLE journal_entry ALTER remark DROP NOT NULL")
        assert database.migrate("journal").status == 0
        is_declared(database, declared, template)

    def test_a_table_that_was_dropped_is_told(self, database: Database, declared: Catalog, template: Database):
        database.execute("DROP TABLE journal_entry")
        outcome = database.migrate("journal")
        assert outcome.status == 0
        assert "journal_entry: the table was missing, and is created empty." in outcome.printed
        is_declared(database, declared, template)

    def test_a_first_migrate_tells_nothing_of_it(self, journal: None, empty_database: Database):
        outcome = empty_database.migrate("journal")
        assert (outcome.status, "created empty" in outcome.printed) == (0, False)

    def test_it_isnt_dropped_with_rows(self, database: Database):
        outcome = database.migrate("journal", "0001", "--allow-data-loss")
        assert outcome.status == 0, outcome.printed
        assert "journal_entry: kept, since it is append-only and holds rows." in outcome.printed
        assert database.value("SELECT count(*) FROM journal_entry") == 2
        assert database.rows("SELECT tgname FROM pg_trigger WHERE tgrelid = 'journal_ward'::regclass") == []

    def test_changes_are_refused(self, database: Database):
        for change in ("UPDATE journal_entry SET action = ''", "DELETE FROM journal_entry", "TRUNCATE journal_entry"):
            with pytest.raises(psycopg2.Error, match="append-only"):
                database.execute(change)


def test_other_vendors_have_no_triggers(journal: None):
    """Django's own migrate makes the tables there."""
    ward = apps.get_model("journal", "ward")
    other = sqlite3.DatabaseWrapper({**connection.settings_dict, "NAME": ":memory:"}, "default")
    editor = other.schema_editor(collect_sql=True)
    editor.deferred_sql = []
    editor.create_model(ward)
    editor.remove_constraint(ward, ward._meta.constraints[0])
    editor.add_constraint(ward, ward._meta.constraints[0])
    assert "TRIGGER" not in " ".join([*editor.collected_sql, *map(str, editor.deferred_sql)])


def test_a_trigger_follows_a_table_that_is_renamed_in_the_same_migration(journal: None, empty_database: Database):
    ward = apps.get_model("journal", "ward")
    with default_connection_to(empty_database), connection.schema_editor() as editor:
        editor.create_model(ward)
        editor.alter_db_table(ward, "journal_ward", "journal_room")
    found = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'journal_room'::regclass AND NOT tgisinternal"
    assert empty_database.value(found) == len(ward._meta.constraints)


class TestPendingMigrations:
    """A function may use what only a pending migration creates."""

    def test_a_function_is_replaced_after_them(self, database: Database, declared: Catalog, template: Database):
        before = "CREATE OR REPLACE FUNCTION journal_size() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'"
        database.execute(before, "DELETE FROM django_migrations WHERE app = 'sessions'")
        outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        django, ours = (outcome.output.index(words) for words in ("Applying sessions", "replace the function"))
        assert django < ours
        assert database.value("SELECT journal_size()") == 2

    def test_what_was_dropped_is_told_though_migrations_are_pending(self, database: Database):
        database.execute("DROP TABLE journal_entry", "DELETE FROM django_migrations WHERE app = 'sessions'")
        outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        assert "Warning: journal_entry: the table was missing, and is created empty." in outcome.errors


class TestRefusals:
    @tries("a function of another kind")
    def test_a_function_of_the_name_returns_something_else(
        self, database: Database, declared: Catalog, template: Database
    ):
        database.execute(
            "DROP FUNCTION refuse_change CASCADE",
            "CREATE FUNCTION refuse_change() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        )
        outcome = database.migrate("journal")
        assert outcome.status == 1
        assert "expected a function that returns trigger, found one that returns integer." in outcome.errors
        has_met("a function of another kind", refusals_of(database))
        run_remedies(database, database)
        assert database.migrate("journal").status == 0
        is_declared(database, declared, template)

    @tries("a function of another owner")
    def test_a_function_is_another_roles(self, database: Database, declared: Catalog):
        with owner_of(database) as owner:
            database.execute(
                "ALTER FUNCTION keep_old_row() SECURITY INVOKER", "ALTER FUNCTION keep_old_row() OWNER TO CURRENT_USER"
            )
            outcome = owner.migrate("journal")
            assert outcome.status == 1
            assert "journal_entry" not in outcome.errors
            has_met("a function of another owner", refusals_of(owner))
            run_remedies(database, owner)
            assert owner.migrate("journal").status == 0
            assert differences(without_casts(declared), without_casts(read_catalog(database, TABLES)), nothing) == []

    @tries("rows that never change")
    def test_a_column_of_an_append_only_table_is_let_be_null(self, journal: None, empty_database: Database):
        """The person changes the model."""
        append_only = apps.get_model("journal", "entry")._meta.constraints[0]
        strict, lenient = (
            project(entry=([("remark", models.TextField(db_default="", null=null))], {"constraints": [append_only]}))
            for null in (False, True)
        )
        create(empty_database, strict)
        empty_database.execute(
            "ALTER TABLE shop_entry ALTER remark DROP NOT NULL", "INSERT INTO shop_entry (remark) VALUES (NULL)"
        )
        has_met("rows that never change", map(asdict, reconciled(empty_database, strict).refusals))
        assert reconciled(empty_database, lenient).refusals == ()
        assert found(empty_database, lenient) == []
        assert empty_database.rows("SELECT remark FROM shop_entry") == [(None,)]

    @tries("a function that can't be created")
    def test_a_function_requires_a_type_that_is_missing(self, database: Database):
        with declaring(*OWN, Function("area", "SELECT 1", arguments="of shape", returns="integer", language="sql")):
            outcome = database.migrate("journal")
            assert outcome.status == 1
            assert "[function-rejected]" in outcome.errors
            assert "as journal declares it: type shape does not exist (SQLSTATE 42704)." in outcome.errors
            has_met("a function that can't be created", refusals_of(database))
            database.execute("CREATE TYPE shape AS ENUM ('round')")
            assert database.migrate("journal").status == 0
            assert_changes_nothing(database, "journal")
        assert database.value("SELECT area('round'::shape)") == 1

    @tries("a function of other parameters")
    def test_something_depends_on_a_function_of_other_parameters(self, database: Database):
        with declaring(*OWN, SUM):
            assert database.migrate("journal").status == 0
        database.execute("CREATE VIEW report AS SELECT total(1, 2) AS three")
        with declaring(*OWN, replace(SUM, arguments="first integer, second integer", body="SELECT first + second")):
            outcome = database.migrate("journal")
            assert outcome.status == 1
            assert "expected the parameters (integer first, integer second) with 0 defaults" in outcome.errors
            assert "something depends on it: rule _RETURN on view public.report." in outcome.errors
            has_met("a function of other parameters", refusals_of(database))
            run_remedies(database, database)
            assert database.migrate("journal").status == 0
            assert_changes_nothing(database, "journal")
        assert database.rows("SELECT three, total(first => 2, second => 2) FROM report") == [(3, 4)]
        database.execute(
            "CREATE OR REPLACE VIEW report AS SELECT total(1, 2) AS three", "DROP FUNCTION total_undeclared"
        )


class TestFunctionsThatCantBeCreated:
    """Each is refused by itself; everything else is repaired."""

    BROKEN = Function("broken", "BEGIN nope")

    def test_the_others_are_put_back(self, database: Database, declared: Catalog, template: Database):
        database.execute(
            "DROP FUNCTION refuse_change CASCADE",
            f"ALTER TABLE journal_ward DISABLE TRIGGER {HISTORY}, ALTER is_open DROP NOT NULL",
        )
        with declaring(*OWN, self.BROKEN):
            outcome = database.migrate("journal")
        assert outcome.status == 1
        assert "broken()" in outcome.errors
        assert "(SQLSTATE 42601)" in outcome.errors
        assert len(re.findall(r"\[[a-z-]+\]", outcome.errors)) == 1
        is_declared(database, declared, template)

    def test_it_is_told_by_everything_that_compares(self, database: Database):
        with declaring(*OWN, self.BROKEN):
            told_everywhere(database, "function-rejected", "broken()")
            assert database.manage("reconcile", "--check").status == 1
            with default_connection_to(database):
                warnings = {str(warning.obj): warning.msg for warning in check_schema(["default"])}
        assert "PostgreSQL refuses to create it as journal declares it" in warnings["broken()"]

    def test_a_trigger_that_calls_it_is_blocked_by_it(self, database: Database, declared: Catalog, template: Database):
        """The triggers of the one that is there stay."""
        database.execute("DROP FUNCTION keep_old_row CASCADE", "DROP TABLE journal_entry")
        with declaring(*(replace(each, language="nope") if each.name == "keep_old_row" else each for each in OWN)):
            outcome = database.migrate("journal")
            assert outcome.status == 1
            (refusal,) = refusals_of(database)
        assert 'language "nope" does not exist (SQLSTATE 42704)' in refusal["reason"]
        blocked = {f"{each['table']}.{each['name']}" for each in refusal["blocked"]}
        assert blocked == {"journal_ward.renamed_ward", "journal_ward.ward's history", "journal_ward.ward_beds"}
        assert database.value("SELECT count(*) FROM journal_entry") == 0
        assert database.migrate("journal").status == 0
        is_declared(database, declared, template)

    def test_without_plpgsql_all_else_is_put_back(self, database: Database, declared: Catalog, template: Database):
        """This role may not create it."""
        with owner_of(database) as owner:
            database.execute(
                "ALTER TABLE journal_ward ALTER is_open DROP NOT NULL",
                "DROP EXTENSION plpgsql CASCADE",
                f'ALTER DATABASE "{database.name}" OWNER TO CURRENT_USER',
            )
            outcome = owner.migrate("journal")
            assert outcome.status == 1
            assert {r["code"] for r in refusals_of(owner)} == {"function-rejected"}
            assert 'language "plpgsql" does not exist (SQLSTATE 42704)' in outcome.errors
            assert database.value(
                "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'journal_ward'::regclass AND attname = 'is_open'"
            )
            database.execute("CREATE EXTENSION plpgsql")
            assert owner.migrate("journal").status == 0
            assert differences(without_casts(declared), without_casts(read_catalog(database, TABLES)), nothing) == []

    def test_a_pending_migration_creates_what_it_requires(self, database: Database):
        counting = Function("keys", "SELECT 1", arguments="of django_session", returns="integer", language="sql")
        with declaring(*OWN, counting):
            outcome = database.migrate()
            assert outcome.status == 0, outcome.printed
            assert "function-rejected" not in outcome.printed
        assert database.value("SELECT to_regprocedure('keys(django_session)') IS NOT NULL")

    def test_a_table_that_is_yet_to_be_created_is_the_type_that_it_requires(
        self, journal: None, empty_database: Database
    ):
        newest = Function("newest", "SELECT w FROM journal_ward w", returns="journal_ward", language="sql")
        with declaring(*OWN, newest):
            outcome = empty_database.migrate()
            assert outcome.status == 0, outcome.printed
            assert_changes_nothing(empty_database)

    def test_a_function_that_isnt_declared_any_more(self, database: Database):
        with declaring(*(each for each in OWN if each.name != "refuse_change")):
            outcome = database.migrate("journal")
        assert outcome.status == 1
        assert "no function journal.refuse_change is declared: expected one without arguments" in outcome.errors
        assert "Traceback" not in outcome.printed


class TestFunctionsOfOneName:
    OTHER = Function("keep_old_row", "BEGIN RETURN NULL; END")

    def test_a_check_names_both_apps(self, journal: None):
        assert check_functions() == []
        with declaring(self.OTHER, label="contenttypes"):
            (error,) = check_functions()
        assert error.id == "reconciliation.E011"
        assert "keep_old_row() are declared by contenttypes and journal" in error.msg

    def test_the_same_function_in_two_apps_is_one(self, journal: None):
        with declaring(*OWN, label="contenttypes"):
            assert check_functions() == []

    def test_without_the_check_both_are_refused(self, database: Database, declared: Catalog, template: Database):
        database.execute(f"ALTER TABLE journal_ward DISABLE TRIGGER {HISTORY}")
        with declaring(self.OTHER, label="contenttypes"):
            told = database.migrate("journal")
            assert told.status == 1
            assert "contenttypes and journal declare different functions of this name" in told.errors
            is_declared(database, declared, template)
        with declaring(replace(self.OTHER, name="another"), label="contenttypes"):
            assert database.migrate("journal").status == 0

    def test_arguments_that_are_written_otherwise(self, database: Database):
        """Only PostgreSQL knows that these are one function: the second is refused."""
        with declaring(*OWN, SUM, replace(SUM, arguments="c int, d int4")):
            outcome = database.migrate("journal")
        assert outcome.status == 1
        assert 'function "total" already exists with same argument types (SQLSTATE 42723)' in outcome.errors


class TestParameters:
    """CREATE OR REPLACE changes no name of a parameter, and takes no default away."""

    @pytest.fixture(params=[("first integer, second integer", "first + second"), ("a integer, b integer", "a + b")])
    def changed(self, request: pytest.FixtureRequest) -> Function:
        arguments, sum_of = request.param
        return replace(SUM, arguments=arguments, body=f"SELECT {sum_of}")

    def test_a_function_of_others_is_dropped_and_created(self, changed: Function, database: Database):
        with declaring(*OWN, replace(SUM, arguments="a integer, b integer DEFAULT 1")):
            assert database.migrate("journal").status == 0
        with role_of(database) as reader:
            role = reader.role["user"]
            database.execute(
                "REVOKE ALL ON FUNCTION total FROM PUBLIC",
                f"GRANT EXECUTE ON FUNCTION total TO {role} WITH GRANT OPTION",
                "COMMENT ON FUNCTION total IS 'it''s a sum'",
            )
            privileges = "SELECT proacl::text, pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'total'"
            before = database.rows(privileges)
            with declaring(*OWN, changed):
                outcome = database.migrate("journal")
                assert outcome.status == 0, outcome.printed
                assert_changes_nothing(database, "journal")
            assert database.rows(privileges) == before
            assert database.value("SELECT obj_description('total'::regproc)") == "it's a sum"
            assert reader.value("SELECT total(1, 2)") == 3

    def test_a_default_more_is_a_replacement(self, database: Database):
        with declaring(*OWN, SUM):
            assert database.migrate("journal").status == 0
        database.execute("CREATE VIEW report AS SELECT total(1, 2) AS three")
        with declaring(*OWN, replace(SUM, arguments="a integer, b integer DEFAULT 1")):
            assert database.migrate("journal").status == 0
        assert database.rows("SELECT three, total(1) FROM report") == [(3, 2)]
