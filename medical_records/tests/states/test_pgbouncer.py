"""`migrate` through a PgBouncer of either pool mode."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinic_project.reconciliation.tests.support.databases import Database, server_parameters

from .damages import BACKFILLED, LARGE_DAMAGE
from .outcomes import Expectations


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
        database.execute(*LARGE_DAMAGE)
        outcome = pooled.run("migrate")
        assert outcome.status == 0, outcome.printed
        expected.converges(database, backfilled=BACKFILLED)

    @pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
    def test_other_pooling_is_refused(self, pooled: Database, database: Database, expected: Expectations):
        """After each transaction another client could have the session with its locks and settings: nothing is begun."""
        database.execute(*LARGE_DAMAGE)
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
