"""`migrate` as real processes: many at once, killed at any moment, behind a pooler (states 24 and 25)."""

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinic_project.reconciliation.tests.support.databases import Database, Outcome, server_parameters
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.profiles import NIGHTLY

from .outcomes import Expectations

DAMAGE = (
    "DROP INDEX idx_medical_records_created, idx_patient_photos_dedup, idx_medical_records_clinic",
    "CREATE INDEX idx_medical_records_clinic ON medical_records (patient_id)",
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
    "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    "ALTER TABLE patient_photos DROP COLUMN updated_by_user_id, DROP CONSTRAINT patient_photos_pkey",
    "ALTER TABLE medical_record_templates ALTER name TYPE varchar(200)",
)
BACKFILLED = {"medical_records.is_deleted": "false"}
CROWD = 16 if NIGHTLY else 4
KILLS = 60 if NIGHTLY else 4


#: A line about a step that was done.
_REPAIR = re.compile(r": (build|create) .* \([\d.]+ m?s")


@pytest.mark.slow
class TestState24ManyAtOnce:
    @pytest.mark.parametrize("broken", [False, True], ids=["empty", "broken"])
    def test_24_all_succeed_and_one_does_the_work(
        self, broken: bool, empty_database: Database, database: Database, expected: Expectations
    ):
        target = database if broken else empty_database
        if broken:
            database.execute(*DAMAGE)
        outcomes = at_once(target, CROWD)
        assert [outcome.status for outcome in outcomes] == [0] * CROWD, [o.errors for o in outcomes if o.status]
        assert sum(bool(_REPAIR.search(outcome.output)) for outcome in outcomes) == 1
        expected.converges(target)

    def test_24_none_waits_for_a_concurrent_build_that_waits_for_it(self, database: Database, expected: Expectations):
        """An old transaction holds up the first one's index build; the others wait without standing in its way."""
        database.execute(*DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute("BEGIN; UPDATE medical_records SET version = version WHERE id = 1")
            processes = [database.start("migrate") for _ in range(3)]
            time.sleep(4)
            cursor.execute("ROLLBACK")
            told = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], told
        expected.converges(database)


def at_once(database: Database, number: int) -> list[Outcome]:
    processes = [database.start("migrate") for _ in range(number)]
    told = [process.communicate(timeout=300) for process in processes]
    return [Outcome(process.returncode, *words) for process, words in zip(processes, told, strict=True)]


@pytest.mark.slow
class TestState25Killed:
    def test_25_by_minus_nine_at_random_moments(self, database: Database, expected: Expectations):
        """Killed again and again while it repairs; then one that is let run finishes the work."""
        database.execute(*DAMAGE)
        before = fingerprints(database, BACKFILLED)
        moments = random.Random(25)  # noqa: S311 (the same moments in every run)
        for _ in range(KILLS):
            kill_while_it_works(database, moments.uniform(0, 0.4))
            assert lost_or_changed(database, before, BACKFILLED) == []
        expected.converges(database, backfilled=BACKFILLED)


def kill_while_it_works(database: Database, seconds: float) -> None:
    """Kill a `migrate`, `seconds` after it connected."""
    process = database.start("migrate")
    while process.poll() is None and not sessions(database):
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    while sessions(database):
        time.sleep(0.01)


def sessions(database: Database) -> int:
    number: int = database.value(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    )
    return number


@pytest.fixture
def pooled(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    """The database through a real PgBouncer of the pool mode that the test names."""
    if shutil.which("pgbouncer", path=_WITH_SBIN) is None:
        pytest.skip("PgBouncer isn't installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = start_pgbouncer(Path(folder), port, request.param)
        try:
            yield Database(database.name, {"host": "127.0.0.1", "port": str(port)})
        finally:
            process.terminate()
            process.wait()


class TestPgBouncer:
    @pytest.mark.parametrize("pooled", ["session"], indirect=True)
    def test_session_pooling_works(self, pooled: Database, database: Database, expected: Expectations):
        database.execute(*DAMAGE)
        outcome = pooled.run("migrate")
        assert outcome.status == 0, outcome.printed
        expected.converges(database, backfilled=BACKFILLED)

    @pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
    def test_other_pooling_is_refused(self, pooled: Database, database: Database, expected: Expectations):
        """Locks and settings of a session would be another's after each transaction: nothing is begun."""
        database.execute(*DAMAGE)
        outcome = pooled.run("migrate")
        assert outcome.status != 0
        assert "Traceback" not in outcome.errors
        assert "pool" in outcome.errors.lower()
        assert "session" in outcome.errors
        assert database.value("SELECT to_regclass('idx_medical_records_created') IS NULL")
        expected.converges(database, backfilled=BACKFILLED)


_WITH_SBIN = os.environ.get("PATH", "") + ":/usr/sbin"


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
    return port


def start_pgbouncer(folder: Path, port: int, pool_mode: str) -> "subprocess.Popen[bytes]":
    server = server_parameters()
    where = " ".join(f"{key}={server[key]}" for key in ("host", "port", "user", "password") if server.get(key))
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = {where}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {pool_mode}\n"
    )
    folder.chmod(0o755)
    # It refuses to run as root. The embedded server's socket is in a folder that is open to its own user alone.
    host = str(server.get("host", ""))
    user = ["-u", Path(host).owner() if host.startswith("/") else "nobody"] if os.getuid() == 0 else []
    program = shutil.which("pgbouncer", path=_WITH_SBIN) or "pgbouncer"
    process = subprocess.Popen([program, "-q", *user, str(configuration)], stderr=subprocess.PIPE)
    wait_for(port)
    return process


def wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail("PgBouncer didn't start")
