"""Sessions of other roles, of the server and with old snapshots, and locks on the tables that Django uses (31, 34, 36)."""

import contextlib
import importlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from clinic_project.reconciliation.execution.executor import Executor
from clinic_project.reconciliation.migration_history import forecast_migrate
from clinic_project.reconciliation.pipeline import Forecast
from clinic_project.reconciliation.planning.plan import Plan
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .outcomes import MIGRATIONS, Expectations, recorded
from .sessions import MIGRATION_LOCK_OF_PUBLIC, held, released_once_told

pytestmark = pytest.mark.slow  # each waits for seconds

DEFAULT_IS_MISSING = "ALTER TABLE medical_records ALTER version DROP DEFAULT"
INDEX_IS_MISSING = "DROP INDEX idx_medical_records_created"

#: Seconds: nobody ends what these tests hold.
SHORT = override_settings(
    RECONCILIATION={"lock_timeout": 0.2, "lock_budget": 1.5, "build_budget": 3, "migration_budget": 1.5}
)


def refused(database: Database, *arguments: str) -> str:
    outcome = database.manage(*(arguments or ("migrate",)))
    assert outcome.status == 1, outcome.printed
    assert "Traceback" not in outcome.printed
    return outcome.errors


class TestState31HiddenSessions:
    """The role is no superuser, and the server hides other roles' states, times and queries from it."""

    @SHORT
    def test_31_another_role_holds_the_table(self, database: Database, owner: Database, expected: Expectations):
        database.execute(DEFAULT_IS_MISSING)
        with held(database, "LOCK TABLE medical_records IN ACCESS SHARE MODE") as other:
            errors = refused(owner)
            who = f"pid {other.pid}, a session of the role {other.role}, state and query hidden"
            assert "[locked]" in errors
            assert who in errors
        assert owner.migrate().status == 0
        expected.is_declared(database)

    @SHORT
    @pytest.mark.parametrize(
        "hold",
        [
            "UPDATE medical_records SET version = version WHERE id = 1",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM clinics",
        ],
        ids=["writer", "snapshot"],
    )
    def test_31_a_build_waits_for_another_role(
        self, hold: str, database: Database, owner: Database, expected: Expectations
    ):
        database.execute(INDEX_IS_MISSING)
        with held(database, hold) as other:
            outcome = owner.migrate()
        for printed in (outcome.output, outcome.errors):
            assert f"pid {other.pid}, a session of the role {other.role}" in printed
        assert outcome.status == 1
        assert owner.migrate().status == 0
        expected.is_declared(database)

    @SHORT
    def test_31_another_role_migrates(self, database: Database, owner: Database):
        with held(database, f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK_OF_PUBLIC})") as other:
            outcome = owner.migrate()
        assert outcome.status == 1
        who = f"pid {other.pid}, a session of the role {other.role}"
        assert f"Waiting for another migrate to end: {who}" in outcome.output
        assert f"another migrate is still running: {who}" in outcome.errors

    def test_31_an_autovacuum_prevents_wraparound(self, database: Database, owner: Database):
        """It isn't cancelled by sessions that wait for it, and the server says little about it.

        Both roles meet the same one: two tests at once would reset the server's autovacuum_naptime for each other.
        """
        database.execute(
            DEFAULT_IS_MISSING,
            "INSERT INTO medical_records (clinic_id, patient_id, template_id, template_name, template_snapshot, version,"
            " \"values\") SELECT clinic_id, patient_id, template_id, 'x', '{}', 1, '{}' FROM medical_records,"
            " generate_series(1, 100)",
            # One page in ten seconds.
            "ALTER TABLE medical_records SET (autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100,"
            " autovacuum_vacuum_cost_limit = 1)",
        )
        budgets = {"lock_budget": 6, "build_budget": 3}
        with autovacuum_of(database, "medical_records") as pid, override_settings(RECONCILIATION=budgets):
            told = [refused(owner), refused(database)]
        for errors in told:
            assert f"pid {pid}" in errors
            assert "autovacuum" in errors.partition("To do")[0]
        database.execute("ALTER TABLE medical_records RESET (autovacuum_freeze_max_age, autovacuum_vacuum_cost_delay)")


@pytest.fixture
def not_atomic(monkeypatch) -> None:
    """Makes a migration of Django's one that isn't atomic."""
    module = importlib.import_module("django.contrib.sessions.migrations.0001_initial")
    monkeypatch.setattr(module.Migration, "atomic", False)


def _wait_for_migrate(database: Database, cursor: Any) -> None:
    """Wait for the lock that a `migrate` holds, once it does."""
    held_here = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    wait_until(lambda: database.value(held_here))
    cursor.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK_OF_PUBLIC})")


@contextlib.contextmanager
def autovacuum_of(database: Database, table: str) -> Iterator[int]:
    """Let an autovacuum that prevents wraparound run on the table, slowly, and yield its pid."""
    with database.cursor() as cursor:
        cursor.execute("SHOW autovacuum_naptime")
        for statement in ("ALTER SYSTEM SET autovacuum_naptime = 1", "SELECT pg_reload_conf()"):
            cursor.execute(statement)
        try:
            _use_up_transaction_ids(cursor, 110_000)
            yield _pid_of_autovacuum(database, table)
        finally:
            for statement in ("ALTER SYSTEM RESET autovacuum_naptime", "SELECT pg_reload_conf()"):
                cursor.execute(statement)


def _use_up_transaction_ids(cursor: Any, count: int) -> None:
    cursor.execute(
        "DO $$ BEGIN FOR number IN 1..%s LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$", [count]
    )


def _pid_of_autovacuum(database: Database, table: str) -> int:
    query = (
        "SELECT DISTINCT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
        " WHERE l.relation = %s::regclass AND a.datname = current_database() AND a.query LIKE %s"
    )
    # The workers of the autovacuum may have the server's other databases to do before.
    [(pid,)] = wait_until(lambda: database.rows(query, [table, "autovacuum: VACUUM%wraparound%"]), seconds=300)
    return int(pid)


DJANGOS = ["django_migrations", "django_content_type", "auth_permission"]

#: What makes Django write to the table in the next migrate.
WRITES = {
    "django_migrations": "DELETE FROM django_migrations WHERE app = 'medical_records'",
    "django_content_type": (
        "DELETE FROM auth_permission; DELETE FROM django_content_type WHERE app_label = 'medical_records'"
    ),
    "auth_permission": "DELETE FROM auth_permission WHERE codename LIKE '%medicalrecord'",
}


class TestState34LockedTablesOfDjango:
    """A table that Django itself reads or writes in a migrate is locked."""

    @SHORT
    @pytest.mark.parametrize("table", DJANGOS)
    def test_34_it_stays_locked(self, table: str, database: Database, owner: Database, expected: Expectations):
        database.execute(DEFAULT_IS_MISSING, INDEX_IS_MISSING)
        with held(database, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE") as other:
            outcome = owner.migrate()
            pid = f"pid {other.pid}"
        assert outcome.status == 1, outcome.printed
        assert f"waiting for {pid}" in outcome.output
        assert f"{table} [locked]" in outcome.errors
        assert pid in outcome.errors
        assert outcome.output.count("Operations to perform") <= 1
        assert ("before repairs can begin" in outcome.errors) == (table == "django_migrations")
        assert "Schema verified" not in outcome.output
        assert owner.migrate().status == 0
        expected.is_declared(database)

    @override_settings(RECONCILIATION={"lock_timeout": 0.1, "lock_budget": 60})
    @pytest.mark.parametrize("table", DJANGOS)
    @pytest.mark.parametrize("lock", ["SHARE", "ACCESS EXCLUSIVE"])
    def test_34_it_is_released_in_time(
        self, table: str, lock: str, database: Database, owner: Database, expected: Expectations
    ):
        database.execute(DEFAULT_IS_MISSING, WRITES[table])
        with held(database, f"LOCK TABLE {table} IN {lock} MODE") as other, released_once_told(other):
            outcome = owner.migrate()
        assert outcome.status == 0, outcome.printed
        assert f"waiting for pid {other.pid}" in outcome.output
        assert outcome.output.count("Operations to perform") == 1
        assert "Schema verified" in outcome.output
        assert recorded(database) == MIGRATIONS
        assert database.value("SELECT count(*) FROM auth_permission WHERE codename LIKE '%medicalrecord'") == 4
        expected.is_declared(database)

    @SHORT
    @pytest.mark.parametrize("command", [("migrate", "--plan"), ("migrate", "--check")], ids=" ".join)
    def test_34_what_only_reads_is_refused_too(self, command: tuple[str, ...], database: Database, owner: Database):
        with held(database, "LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE") as other:
            errors = refused(owner, *command)
        assert f"pid {other.pid}" in errors

    @SHORT
    @pytest.mark.parametrize("option", ["--check", "--plan", "--json"])
    def test_34_a_reconcile_that_only_reads(self, option: str, database: Database, owner: Database):
        with held(database, "LOCK TABLE patient_photos IN ACCESS EXCLUSIVE MODE") as other:
            errors = refused(owner, "reconcile", option)
        assert "patient_photos [locked]" in errors
        assert f"pid {other.pid}" in errors

    @SHORT
    def test_34_a_reconcile(self, database: Database, owner: Database):
        with held(database, "LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE") as other:
            errors = refused(owner, "reconcile")
        assert "django_migrations [locked]" in errors
        assert f"pid {other.pid}" in errors

    @SHORT
    def test_34_a_migration_of_another_app(self, database: Database, owner: Database):
        """It is rolled back when it doesn't get its locks, so it is applied again, as soon as it does."""
        database.execute(
            "DELETE FROM django_migrations WHERE app = 'auth' AND name = '0012_alter_user_first_name_max_length'",
        )
        unapplied = "SELECT count(*) FROM django_migrations WHERE name = '0012_alter_user_first_name_max_length'"
        with held(database, "LOCK TABLE django_migrations IN SHARE MODE") as other:
            errors = refused(owner)
            assert f"pid {other.pid}" in errors
        assert database.value(unapplied) == 0
        assert owner.migrate().status == 0
        assert database.value(unapplied) == 1

    @SHORT
    def test_34_it_is_locked_after_repairs(self, database: Database, owner: Database, monkeypatch):
        """What was repaired before is said."""
        database.execute(DEFAULT_IS_MISSING)
        run = Executor.run
        with contextlib.closing(database.connect()) as other, other.cursor() as cursor:

            def run_then_lock(executor: Executor, plan: Plan) -> None:
                run(executor, plan)
                cursor.execute("BEGIN; LOCK TABLE patients IN ACCESS EXCLUSIVE MODE")

            monkeypatch.setattr(Executor, "run", run_then_lock)
            errors = refused(owner, "reconcile")
        assert "patients [locked]" in errors
        assert "before repairs can begin" not in errors
        assert "What was safe has been done" in errors

    @SHORT
    @pytest.mark.parametrize(
        ("command", "module"),
        [
            (("reconcile", "--plan"), "reconcile"),
            (("reconcile", "--json"), "reconcile"),
            (("migrate", "--plan"), "migrate"),
        ],
    )
    def test_34_it_is_locked_before_the_forecast(
        self, command: tuple[str, ...], module: str, database: Database, owner: Database, monkeypatch
    ):
        with contextlib.closing(database.connect()) as other, other.cursor() as cursor:

            def lock_then_forecast(*arguments: Any) -> Forecast:
                cursor.execute("BEGIN; LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
                return forecast_migrate(*arguments)

            name = f"clinic_project.reconciliation.management.commands.{module}.forecast_migrate"
            monkeypatch.setattr(name, lock_then_forecast)
            errors, pid = refused(owner, *command), other.get_backend_pid()
        assert "django_migrations [locked]" in errors
        assert f"pid {pid}" in errors

    NOT_APPLIED = ("DROP TABLE django_session", "DELETE FROM django_migrations WHERE app = 'sessions'")

    def test_34_a_migration_that_is_not_atomic(self, database: Database, owner: Database, not_atomic: None):
        """It can't be run again, so it waits once, and says for whom."""
        database.execute(*self.NOT_APPLIED)
        with held(database, "LOCK TABLE django_migrations IN SHARE MODE") as other, released_once_told(other):
            outcome = owner.migrate()
        assert outcome.status == 0, outcome.printed
        assert f"apply sessions.0001_initial: waiting for pid {other.pid}" in outcome.output
        assert "Schema verified" in outcome.output

    def test_34_a_deadlock_of_a_migration_that_is_not_atomic(
        self, database: Database, owner: Database, not_atomic: None
    ):
        """It isn't told as a lock that was waited for in vain."""
        database.execute(*self.NOT_APPLIED)
        with contextlib.closing(database.connect()) as other, other.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '1min'")  # it is the migration that is ended
            cursor.execute("BEGIN; LOCK TABLE django_migrations IN SHARE MODE")
            circle = threading.Thread(target=_wait_for_migrate, args=(database, cursor))
            circle.start()
            errors = refused(owner)
            circle.join()
        assert "[statement-failed]" in errors
        assert "apply sessions.0001_initial" in errors
        assert "40P01" in errors
        assert owner.migrate().status == 0


class TestState36Snapshots:
    """A concurrent build waits for the snapshot of a session that uses other tables."""

    @pytest.mark.parametrize("build_budget", [0.5, 3], ids=["before it is monitored", "while it is monitored"])
    def test_36_the_session_is_named(
        self, build_budget: float, database: Database, owner: Database, settings, expected: Expectations
    ):
        settings.RECONCILIATION = {"build_budget": build_budget}
        database.execute(INDEX_IS_MISSING, DEFAULT_IS_MISSING)
        with held(owner, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM clinics") as other:
            errors = refused(owner)
            who = f"pid {other.pid}, idle in transaction for"
            assert who in errors
            assert "by its snapshot, which is older than the index: SELECT count(*) FROM clinics" in errors
            assert "any more" not in errors
        assert owner.migrate().status == 0
        expected.is_declared(database)
