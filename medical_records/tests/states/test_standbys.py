"""A standby is attached: what waits there for a repair, and that it is said. The servers are Debian's, on a socket."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import psycopg2
import pytest
from psycopg2 import errors

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Outcome
from clinic_project.reconciliation.tests.support.remedies import has_met, tries

pytestmark = pytest.mark.slow

PRIMARY, STANDBY = 5432, 5433

READYZ = """
import django; django.setup()
from django.test import Client
response = Client(headers={"host": "localhost"}).get("/readyz")
print(response.status_code, response.content.decode())
"""


@dataclass(frozen=True)
class Pair:
    """A primary and its standby, and a database that the role `clinic`, no superuser, owns."""

    folder: Path
    programs: Path

    def connect(self, port: int, user: str = "clinic", dbname: str = "clinic") -> psycopg2.extensions.connection:
        made = psycopg2.connect(host=str(self.folder), port=port, user=user, dbname=dbname)
        made.autocommit = True
        return made

    def execute(self, *statements: str, **connection: str) -> None:
        with contextlib.closing(self.connect(PRIMARY, **connection)) as made, made.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def run(self, port: int, *arguments: str) -> Outcome:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "clinic_project.settings",
            "DATABASE_URL": f"postgresql://clinic@/clinic?host={self.folder}&port={port}",
            "SECRET_KEY": "only for tests " * 4,
            "ALLOWED_HOSTS": "localhost",
        }
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT_FOLDER,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(ran.returncode, ran.stdout, ran.stderr)

    def wait_for_replay(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        with contextlib.closing(self.connect(PRIMARY)) as made, made.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_lsn()")
            (position,) = cursor.fetchone()
        deadline = time.monotonic() + 30
        with contextlib.closing(self.connect(STANDBY)) as made, made.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
                if cursor.fetchone() == (True,):
                    return
                time.sleep(0.1)
        pytest.fail("the standby is behind")


@dataclass
class Servers:
    """Servers of Debian's PostgreSQL in one folder, with their data and sockets."""

    folder: Path
    programs: Path
    running: list[str] = field(default_factory=list)

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL, which refuses to be run as root."""
        command = [str(self.programs / program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def data(self, name: str) -> str:
        return f"--pgdata={self.folder / name}"

    def start(self, name: str, port: int) -> None:
        options = f"-c listen_addresses='' -k {self.folder} -p {port} -c fsync=off -c wal_level=logical"
        log = f"--log={self.folder / name}.log"
        self.run("pg_ctl", self.data(name), log, "--wait", f"--options={options}", "start")
        self.running.append(name)

    def stop(self) -> None:
        for name in reversed(self.running):
            self.run("pg_ctl", self.data(name), "--mode=immediate", "stop")


def start_pair(servers: Servers) -> None:
    servers.run("initdb", servers.data("primary"), "--username=postgres", "--auth=trust", "--encoding=UTF8")
    servers.start("primary", PRIMARY)
    host = f"--host={servers.folder}"
    servers.run("pg_basebackup", host, "--username=postgres", servers.data("standby"), "-R", "-c", "fast")
    servers.start("standby", STANDBY)


def migrated_pair(servers: Servers) -> Pair:
    made = Pair(servers.folder, servers.programs)
    made.execute("CREATE ROLE clinic LOGIN", user="postgres", dbname="postgres")
    made.execute("CREATE DATABASE clinic OWNER clinic", user="postgres", dbname="postgres")
    made.execute("ALTER SCHEMA public OWNER TO clinic", user="postgres")
    migrated = made.run(PRIMARY, "manage.py", "migrate")
    assert migrated.status == 0, migrated.printed
    made.wait_for_replay()
    return made


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
    if not programs:
        pytest.skip("Debian's PostgreSQL isn't installed")
    servers = Servers(Path(mkdtemp()), programs[-1].parent)
    if os.getuid() == 0:
        shutil.chown(servers.folder, "postgres")
    try:
        start_pair(servers)
        yield migrated_pair(servers)
    finally:
        servers.stop()
        shutil.rmtree(servers.folder)


def waits(cursor: psycopg2.extensions.cursor) -> bool:
    """Whether a reader has to wait, once the replay has come to the change."""
    for _ in range(20):
        try:
            cursor.execute("SELECT count(*) FROM medical_records")
        except errors.QueryCanceled:
            return True
        time.sleep(0.1)
    return False


def test_nothing_is_noted_where_nothing_is_changed(pair: Pair):
    assert "standby" not in pair.run(PRIMARY, "manage.py", "migrate").printed
    pair.execute("DROP INDEX idx_medical_records_created")  # a new one blocks no reader anywhere
    outcome = pair.run(PRIMARY, "manage.py", "migrate")
    assert outcome.status == 0
    assert "standby" not in outcome.printed


def test_readers_on_the_standby_wait_for_a_repair_and_it_is_noted(pair: Pair):
    pair.execute("ALTER TABLE medical_records ALTER version DROP DEFAULT")
    pair.wait_for_replay()
    report = json.loads(pair.run(PRIMARY, "manage.py", "reconcile", "--json").output)
    assert [note["code"] for note in report["notes"]] == ["standby"]
    with contextlib.closing(pair.connect(STANDBY)) as first, first.cursor() as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM medical_records")
        outcome = pair.run(PRIMARY, "manage.py", "migrate")
        assert outcome.status == 0, outcome.printed
        assert "clinic: a standby is attached (" in outcome.output
        assert "max_standby_streaming_delay" in outcome.output
        with contextlib.closing(pair.connect(STANDBY)) as second, second.cursor() as waiting:
            waiting.execute("SET statement_timeout = '2s'")
            assert waits(waiting)
        reading.execute("COMMIT")
    pair.wait_for_replay()
    with contextlib.closing(pair.connect(STANDBY)) as made, made.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM medical_records")
        assert cursor.fetchone() == (0,)
    again = pair.run(PRIMARY, "manage.py", "migrate")
    assert again.status == 0
    assert "standby" not in again.printed


def test_a_logical_subscriber_is_no_standby(pair: Pair):
    pair.execute("ALTER TABLE medical_records ALTER version DROP DEFAULT")
    pair.execute("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')", user="postgres")
    pair.execute("CREATE PUBLICATION theirs FOR ALL TABLES", user="postgres")
    options = ("--option=proto_version=1", "--option=publication_names=theirs", "--no-loop", "--file=/dev/null")
    where = (f"--host={pair.folder}", "--username=postgres", "--dbname=clinic", "--slot=theirs")
    subscriber = subprocess.Popen([str(pair.programs / "pg_recvlogical"), *where, *options, "--start"])
    try:
        with contextlib.closing(pair.connect(PRIMARY)) as made, made.cursor() as cursor:
            for _ in range(100):
                cursor.execute("SELECT count(*), count(state) FROM pg_stat_replication")
                if (found := cursor.fetchone()) == (2, 0):
                    break
                time.sleep(0.1)
            assert found == (2, 0), "both are there, and their states are hidden from this role"
        (note,) = json.loads(pair.run(PRIMARY, "manage.py", "reconcile", "--json").output)["notes"]
        assert note["text"].startswith("a standby is attached (")
    finally:
        subscriber.terminate()
        subscriber.wait()
        pair.execute("SELECT pg_drop_replication_slot('theirs')", "DROP PUBLICATION theirs", user="postgres")
    assert pair.run(PRIMARY, "manage.py", "migrate").status == 0


@tries("a standby")
def test_the_standby_itself_is_refused_and_not_ready(pair: Pair):
    for command in (("migrate",), ("reconcile", "--check"), ("reconcile", "--json")):
        outcome = pair.run(STANDBY, "manage.py", *command)
        assert outcome.status == 1
        assert "found a read-only standby" in outcome.errors
    has_met("a standby", json.loads(outcome.output)["refusals"])
    answer = pair.run(STANDBY, "-c", READYZ).output
    assert answer.startswith("503")
    assert "read-only standby" in answer
    assert pair.run(PRIMARY, "manage.py", "migrate").status == 0
    assert pair.run(PRIMARY, "-c", READYZ).output.startswith('200 {"status": "ready", "degraded": false')
