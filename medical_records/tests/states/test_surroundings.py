"""What is around the tables: row security, locks, rights, others at work, sudden ends (states 20 and 22 to 25)."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from django.test import override_settings

from clinic_project.reconciliation.tests.support.catalog import read_catalog
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.interruptions import session_ended

from .outcomes import Expectations
from .tables import TABLES

DAMAGE = (
    "DROP INDEX idx_medical_records_created, idx_patient_photos_dedup",
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
    "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    "ALTER TABLE patient_photos DROP COLUMN updated_by_user_id",
)
BACKFILLED = {"medical_records.is_deleted": "false"}


class TestState20RowSecurity:
    """Row level security is forced: not even the owner sees the rows that a fill is for."""

    SECURED = (
        *DAMAGE,
        "ALTER TABLE medical_records ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE medical_records FORCE ROW LEVEL SECURITY",
        "CREATE POLICY own_clinic ON medical_records USING (clinic_id = 1)",
    )

    def test_20_is_refused(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*self.SECURED)
        before = fingerprints(database, BACKFILLED)
        nulls = database.value("SELECT count(*) FROM medical_records WHERE is_deleted IS NULL")
        outcome = owner.migrate()
        assert outcome.status != 0
        assert "medical_records" in outcome.errors
        assert "row level security" in outcome.errors.lower().replace("-", " ")
        assert database.value("SELECT count(*) FROM medical_records WHERE is_deleted IS NULL") in (nulls, 0)
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL"), "the rest isn't done"
        database.execute("ALTER TABLE medical_records NO FORCE ROW LEVEL SECURITY")
        assert owner.migrate().status == 0
        database.execute(
            "DROP POLICY own_clinic ON medical_records", "ALTER TABLE medical_records DISABLE ROW LEVEL SECURITY"
        )
        expected.is_declared(database)
        assert lost_or_changed(database, before, BACKFILLED) == []

    def test_20_does_not_hinder_who_may_bypass_it(self, database: Database, expected: Expectations):
        """A superuser's fill sees every row. The security stays on."""
        database.execute(*self.SECURED)
        assert database.migrate().status == 0
        assert database.value("SELECT relforcerowsecurity FROM pg_class WHERE oid = 'medical_records'::regclass")
        database.execute(
            "ALTER TABLE medical_records NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE medical_records DISABLE ROW LEVEL SECURITY",
        )
        expected.is_declared(database)
        assert database.value("SELECT count(*) FROM medical_records WHERE is_deleted IS NULL") == 0


LOCK = "LOCK TABLE medical_records IN ACCESS SHARE MODE"
WRITE = "UPDATE medical_records SET version = version WHERE id = 1"


class TestState22Locks:
    """Somebody holds a lock that a repair needs."""

    @pytest.mark.parametrize("lock", ["ACCESS SHARE", "ROW EXCLUSIVE"])
    def test_22_a_lock_that_is_given_up_in_time(self, lock: str, database: Database, expected: Expectations):
        """We wait for the old transaction in short tries, and get there once it is over."""
        database.execute(*DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE medical_records, patient_photos IN {lock} MODE")
            release = threading.Timer(1.5, cursor.execute, args=["ROLLBACK"])
            release.start()
            expected.converges(database, backfilled=BACKFILLED)
            release.join()

    def test_22_a_prepared_transaction(self, database: Database, settings):
        """No session has it any more: we are told its name, and how to end it."""
        if database.value("SHOW max_prepared_transactions") == "0":
            pytest.skip("the server has no prepared transactions")
        settings.RECONCILIATION = {"lock_budget": 1.5, "build_budget": 1.5}
        database.execute(*DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE medical_records IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'of a job'")
        try:
            outcome = database.migrate()
        finally:
            database.execute("ROLLBACK PREPARED 'of a job'")
        assert outcome.status == 1
        assert "COMMIT PREPARED 'of a job' or ROLLBACK PREPARED 'of a job' ends it" in outcome.errors
        assert database.migrate().status == 0

    def test_22_writers_pass_between_the_tries(self, database: Database, expected: Expectations):
        """While we wait for a reader, no writer queues behind us for much longer than the lock timeout."""
        database.execute(*DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor, writer(database) as stalls:
            cursor.execute("BEGIN; LOCK TABLE medical_records IN ACCESS SHARE MODE")
            release = threading.Timer(2.5, cursor.execute, args=["ROLLBACK"])
            release.start()
            assert database.migrate().status == 0
            release.join()
        expected.is_declared(database)
        assert len(stalls) > 20
        assert max(stalls) < 1.0, sorted(stalls)[-5:]

    @override_settings(RECONCILIATION={"lock_timeout": 0.1, "lock_budget": 1, "build_budget": 1})
    @pytest.mark.parametrize("begin", [LOCK, WRITE], ids=["lock", "build"])
    def test_22_until_the_budget_is_used_up(self, begin: str, database: Database, expected: Expectations):
        """Somebody never lets go: refused with who it is and what they do. The other tables are repaired."""
        database.execute(*DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute(f"BEGIN; {begin}")
            outcome = database.migrate()
            assert outcome.status != 0
            for part in ("medical_records", f"pid {old.info.backend_pid}", "idle in transaction", begin[:20]):
                assert part in outcome.errors, outcome.errors
            assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL"), "the rest isn't done"
            cursor.execute("ROLLBACK")
        expected.converges(database, backfilled=BACKFILLED)


@contextlib.contextmanager
def writer(database: Database) -> Iterator[list[float]]:
    """Update medical_records all the time in another thread; yields how many seconds each update took."""
    stalls: list[float] = []
    done = threading.Event()

    def write() -> None:
        with database.cursor() as cursor:
            for number in itertools.count():
                if done.wait(0.01):
                    return
                begun = time.monotonic()
                cursor.execute(
                    "UPDATE medical_records SET template_name = template_name WHERE id = %s", [1 + number % 200]
                )
                stalls.append(time.monotonic() - begun)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield stalls
    finally:
        done.set()
        thread.join()


class TestState23Rights:
    """The role may not do what is needed, or nobody may: refused before the first change."""

    def refuses_before_the_first_change(self, database: Database, migrating: Database, *parts: str) -> None:
        before = read_catalog(database, TABLES)
        outcome = migrating.migrate()
        assert outcome.status != 0
        assert "Traceback" not in outcome.printed
        for part in parts:
            assert part in outcome.errors, outcome.errors
        assert read_catalog(database, TABLES) == before

    def test_23_not_the_owner(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*DAMAGE, "ALTER TABLE patient_photos OWNER TO CURRENT_USER")
        self.refuses_before_the_first_change(database, owner, "patient_photos", "own")
        database.execute(f"ALTER TABLE patient_photos OWNER TO {owner.role['user']}")
        assert owner.migrate().status == 0
        expected.is_declared(database)

    def test_23_no_references_on_a_parent(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*DAMAGE, "ALTER TABLE users OWNER TO CURRENT_USER")
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
        """It owns the tables and not the schema, where indexes and sequences are made, too."""
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

    def test_23_to_own_them_is_enough(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*DAMAGE)
        assert owner.migrate().status == 0
        expected.is_declared(database)

    def test_23_not_the_owner_and_nothing_to_do(self, database: Database, owner: Database):
        database.execute(
            "ALTER TABLE patient_photos OWNER TO CURRENT_USER",
            f"GRANT SELECT ON patient_photos TO {owner.role['user']}",
        )
        assert owner.migrate().status == 0

    def test_23_read_only(self, database: Database, expected: Expectations):
        database.execute(*DAMAGE, f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
        self.refuses_before_the_first_change(database, database, "read_only")
        assert "read_only" in database.manage("sqlmigrate", "medical_records", "0001").errors
        database.execute("SET default_transaction_read_only = off", f'ALTER DATABASE "{database.name}" RESET ALL')
        expected.converges(database, backfilled=BACKFILLED)

    @pytest.mark.parametrize("path", ["gone", "pg_catalog, public", "pg_temp, public"])
    def test_23_no_schema_to_create_in(self, path: str, database: Database, expected: Expectations):
        """The first one on the search path isn't there, is PostgreSQL's own, or is gone with the session."""
        database.execute(*DAMAGE, f'ALTER DATABASE "{database.name}" SET search_path = {path}')
        self.refuses_before_the_first_change(database, database, "a schema to create tables in", "search_path")
        database.execute(f'ALTER DATABASE "{database.name}" RESET ALL')
        expected.converges(database, backfilled=BACKFILLED)


class TestState25SuddenEnds:
    """Killed on the way; the next `migrate` goes on."""

    @pytest.mark.parametrize("statement", [3, 8, 15, 30])
    def test_25_the_connection_is_lost(self, statement: int, database: Database, expected: Expectations):
        """The server ends our session right before one of our statements."""
        database.execute(*DAMAGE)
        before = fingerprints(database, BACKFILLED)
        with contextlib.suppress(Exception), session_ended(before=statement):
            database.migrate()
        assert lost_or_changed(database, before, BACKFILLED) == []
        expected.converges(database, backfilled=BACKFILLED)
