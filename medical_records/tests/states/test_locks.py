"""Lock holders that a repair waits for, and writers that wait for the repair (state 22)."""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import override_settings

from clinic_project.reconciliation.tests.support.catalog import foreign_key
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .damages import BACKFILLED, SMALL_DAMAGE
from .outcomes import Expectations

LOCK = "LOCK TABLE medical_records IN ACCESS SHARE MODE"


WRITE = "UPDATE medical_records SET version = version WHERE id = 1"


class TestState22Locks:
    """Another session holds a lock that a repair needs."""

    @pytest.mark.parametrize("lock", ["ACCESS SHARE", "ROW EXCLUSIVE"])
    @pytest.mark.slow
    def test_22_the_lock_is_released_in_time(self, lock: str, database: Database, expected: Expectations):
        """`migrate` tries for short times, and succeeds once the old transaction is over."""
        database.execute(*SMALL_DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE medical_records, patient_photos IN {lock} MODE")
            release = threading.Timer(1.5, cursor.execute, args=["ROLLBACK"])
            release.start()
            expected.converges(database, backfilled=BACKFILLED)
            release.join()

    def test_22_a_prepared_transaction(self, database: Database, settings):
        """No session holds the lock any more: the refusal names the transaction and how to end it."""
        if database.value("SHOW max_prepared_transactions") == "0":
            pytest.skip("the server has no prepared transactions")
        settings.RECONCILIATION = {"lock_budget": 1.5, "build_budget": 1.5}
        database.execute(*SMALL_DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE medical_records IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'of a job'")
        try:
            outcome = database.migrate()
        finally:
            database.execute("ROLLBACK PREPARED 'of a job'")
        assert outcome.status == 1
        assert "COMMIT PREPARED 'of a job' or ROLLBACK PREPARED 'of a job' ends it" in outcome.errors
        assert database.migrate().status == 0

    def test_22_writers_go_on_between_the_tries(self, database: Database, expected: Expectations):
        """`migrate` waits for a reader who waits until the writer, who waits behind `migrate`, has gone on."""
        database.execute(*SMALL_DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor, writer(database) as written:
            cursor.execute("BEGIN; LOCK TABLE medical_records IN ACCESS SHARE MODE")
            with ThreadPoolExecutor(1) as pool:
                gone_on = pool.submit(goes_on_behind, database, written)
                gone_on.add_done_callback(lambda _: cursor.execute("ROLLBACK"))
                assert database.migrate().status == 0
            assert gone_on.result()
        expected.is_declared(database)

    @override_settings(RECONCILIATION={"lock_timeout": 0.1, "lock_budget": 1, "build_budget": 1})
    @pytest.mark.parametrize("begin", [LOCK, WRITE], ids=["lock", "build"])
    @pytest.mark.slow
    def test_22_the_budget_is_used_up(self, begin: str, database: Database, expected: Expectations):
        """The lock is never released: the refusal names the lock holder. The other tables are repaired."""
        database.execute(*SMALL_DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute(f"BEGIN; {begin}")
            outcome = database.migrate()
            assert outcome.status != 0
            for part in ("medical_records", f"pid {old.info.backend_pid}", "idle in transaction", begin[:20]):
                assert part in outcome.errors, outcome.errors
            assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL"), "the rest isn't done"
            cursor.execute("ROLLBACK")
        expected.converges(database, backfilled=BACKFILLED)


@pytest.mark.parametrize(
    ("command", "table"),
    [
        pytest.param(("migrate",), "medical_records", id="table"),
        pytest.param(("migrate",), "patients", id="parent"),
        pytest.param(("migrate", "medical_records", "zero"), "medical_records", id="rollback"),
        pytest.param(("migrate", "medical_records", "zero"), "patients", id="rollback, parent"),
    ],
)
@pytest.mark.slow
def test_22_no_writer_waits_while_maintenance_holds_a_table(command, table, database):
    """VACUUM and the like block an ALTER and no writers. Waiting for them blocks no writers either."""
    if command == ("migrate",):
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(f"ALTER TABLE medical_records ALTER is_deleted DROP DEFAULT, DROP CONSTRAINT {name}")
    with contextlib.closing(database.connect()) as maintenance:
        maintenance.autocommit = False
        maintenance.cursor().execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        migrate = database.start(*command)
        waiting = _first_waiting_lock(database, table)
        with database.cursor() as writer:
            writer.execute("SET lock_timeout = '30ms'")
            writer.execute("UPDATE medical_records SET version = version + 1 WHERE id = 1")
            writer.execute("UPDATE patients SET notes = notes WHERE id = 1")
        maintenance.rollback()
    output, errors = migrate.communicate(timeout=60)

    assert waiting == "ShareUpdateExclusiveLock"
    assert migrate.returncode == 0, output + errors


@contextlib.contextmanager
def writer(database: Database) -> Iterator[list[int]]:
    """Update medical_records all the time in another thread; yield the ids of the updated rows."""
    written: list[int] = []
    done = threading.Event()

    def write() -> None:
        with database.cursor() as cursor:
            for number in itertools.count():
                if done.wait(0.01):
                    return
                pk = 1 + number % 200
                cursor.execute("UPDATE medical_records SET template_name = template_name WHERE id = %s", [pk])
                written.append(pk)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        done.set()
        thread.join()


def goes_on_behind(database: Database, written: list[int]) -> bool:
    """Wait until somebody waits for the table, and a hundred rows were written after that."""
    _first_waiting_lock(database, "medical_records")
    before = len(written)
    return wait_until(lambda: len(written) > before + 100)


def _first_waiting_lock(database: Database, table: str) -> str:
    query = (
        "SELECT mode FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " ORDER BY waitstart LIMIT 1"
    )
    [(mode,)] = wait_until(lambda: database.rows(query, [table]))
    return str(mode)
