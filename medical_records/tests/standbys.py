"""A primary and its standby: servers of Debian's PostgreSQL, on sockets."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Outcome
from clinic_project.reconciliation.tests.support.waiting import wait_until

PRIMARY, STANDBY = 5432, 5433

PAGE = (PROJECT_FOLDER / "clinic_project" / "README.md").read_text().split("\n### A standby, and failover\n")[1]
#: What the page has superusers run, and the options of its pg_basebackup.
ROLE, SYNCHRONOUS, PROMOTE = re.findall(r"```sql\n(.*?)```", PAGE.split("\n### ")[0], re.DOTALL)
OPTIONS = re.findall(r"--[\w-]+(?:=\w+)?", PAGE.split("$ pg_basebackup ")[1].split("--pgdata")[0])


@dataclass
class Servers:
    """Servers of Debian's PostgreSQL in one folder, with their data and sockets."""

    folder: Path
    programs: Path
    running: list[str] = field(default_factory=list)

    def run(self, program: str, *arguments: str, within: Sequence[str] = ()) -> None:
        """Run a program of PostgreSQL, which refuses to be run as root, by the command `within`."""
        command = [str(self.programs / program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run([*within, *command], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def data(self, name: str) -> str:
        return f"--pgdata={self.folder / name}"

    def start(self, name: str, port: int, address: str = "", within: Sequence[str] = ()) -> None:
        """Start a server on a socket and, if there is one, an address; `within` is as for `run`."""
        options = f"-c listen_addresses='{address}' -k {self.folder} -p {port} -c fsync=off -c wal_level=logical"
        log = f"--log={self.folder / name}.log"
        self.run("pg_ctl", self.data(name), log, "--wait", f"--options={options}", "start", within=within)
        self.running.append(name)

    def stop(self) -> None:
        for name in reversed(self.running.copy()):
            self.stop_one(name)

    def stop_one(self, name: str, mode: str = "immediate") -> None:
        self.run("pg_ctl", self.data(name), f"--mode={mode}", "stop")
        self.running.remove(name)


@dataclass(frozen=True)
class Pair:
    """A primary and its standby, and a database that the role `clinic`, no superuser, owns."""

    servers: Servers

    @property
    def folder(self) -> Path:
        return self.servers.folder

    @property
    def programs(self) -> Path:
        return self.servers.programs

    def url(self, *ports: int) -> str:
        """Return the URL of the database on the servers of these ports."""
        hosts = ",".join(str(self.folder) for _ in ports)
        return f"postgresql://clinic@/clinic?host={hosts}&port={','.join(map(str, ports))}"

    def connect(self, port: int, user: str = "clinic", dbname: str = "clinic") -> psycopg2.extensions.connection:
        made = psycopg2.connect(host=str(self.folder), port=port, user=user, dbname=dbname)
        made.autocommit = True
        return made

    def execute(self, *statements: str, port: int = PRIMARY, **connection: str) -> None:
        with contextlib.closing(self.connect(port, **connection)) as made, made.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def run(self, port: int, *arguments: str, **settings: str) -> Outcome:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "clinic_project.settings",
            "DATABASE_URL": self.url(port),
            "SECRET_KEY": "only for tests " * 4,
            "ALLOWED_HOSTS": "localhost",
            **settings,
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

    def rows(self, port: int, query: str, **connection: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(self.connect(port, **connection)) as made, made.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def wait_for_replay(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        with contextlib.closing(self.connect(PRIMARY)) as made, made.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_lsn()")
            (position,) = cursor.fetchone()
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
        wait_until(lambda: self.rows(STANDBY, replayed) == [(True,)])


def start_pair(servers: Servers) -> None:
    servers.run("initdb", servers.data("primary"), "--username=postgres", "--auth=trust", "--encoding=UTF8")
    servers.start("primary", PRIMARY)
    Pair(servers).execute(ROLE, user="postgres", dbname="postgres")
    start_standby(servers, "standby", STANDBY, of=PRIMARY)


def start_standby(servers: Servers, name: str, port: int, *, of: int) -> None:
    """Make and start a standby of the server of the port `of`, as the page says; its slot has its name."""
    options = [option.replace("=db2", f"={name}") for option in OPTIONS]
    primary = f"--dbname=postgresql://standby@?host={servers.folder}&port={of}"
    servers.run("pg_basebackup", *options, servers.data(name), primary)
    servers.start(name, port)


def migrated_pair(servers: Servers) -> Pair:
    made = Pair(servers)
    made.execute("CREATE ROLE clinic LOGIN", user="postgres", dbname="postgres")
    made.execute("CREATE DATABASE clinic OWNER clinic", user="postgres", dbname="postgres")
    made.execute("ALTER SCHEMA public OWNER TO clinic", user="postgres")
    migrated = made.run(PRIMARY, "manage.py", "migrate")
    assert migrated.status == 0, migrated.printed
    made.wait_for_replay()
    return made


@contextlib.contextmanager
def running_pair() -> Iterator[Pair]:
    """Run a primary with a migrated database, and its standby, to the end of the block; skips without the programs."""
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


#: Makes a clinic, and prints what clients of two of its members know of it; the first has a session, too.
FILL = """
import json
import django; django.setup()
from django.test import Client
from clinic_project.api.models import AccessToken
from clinic_project.clinics.factories import MembershipFactory, PASSWORD, PatientFactory
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
member = MembershipFactory(admin=True, user__superuser=True)
patient = PatientFactory(clinic=member.clinic)
template = MedicalRecordTemplateFactory(clinic=member.clinic, fields=[])
record = MedicalRecordFactory(patient=patient, template=template)
PatientPhotoFactory(patient=patient, medical_record=record)
token, _ = AccessToken.objects.issue(member.user)
browser = Client()
browser.force_login(member.user)
colleague = MembershipFactory(clinic=member.clinic, roles=["practitioner"])
colleagues_token, _ = AccessToken.objects.issue(colleague.user)
print(json.dumps({"email": member.user.email, "password": PASSWORD, "token": token, "clinic": member.clinic_id,
                  "patient": patient.pk, "template": template.pk, "record": record.pk,
                  "colleague": colleague.user_id, "colleagues_token": colleagues_token,
                  "session": browser.cookies["sessionid"].value}))
"""


def filled(pair: Pair, secret_key: str) -> dict[str, Any]:
    """Make a clinic, wait until the standby has it, and return what is printed. The key signs the session."""
    outcome = pair.run(PRIMARY, "-c", FILL, SECRET_KEY=secret_key)
    assert outcome.status == 0, outcome.errors
    pair.wait_for_replay()
    found: dict[str, Any] = json.loads(outcome.output)
    return found
