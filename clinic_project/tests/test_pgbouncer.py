"""The server behind PgBouncer, configured as the page tells: 200 clients at once on 20 connections."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psycopg2
import pytest

from clinic_project.api.models import AccessToken, IdempotencyKey
from clinic_project.audit.models import Access, HistoryEntry
from clinic_project.clinics.factories import PASSWORD, ClinicFactory, MembershipFactory, PatientFactory, UserFactory
from clinic_project.clinics.models import Patient, User
from clinic_project.clinics.tests.conftest import media
from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database
from clinic_project.reconciliation.tests.support.fixtures import own_database
from medical_records.factories import MedicalRecordTemplateFactory
from medical_records.models import MedicalRecord
from medical_records.tests.concurrency import in_parallel
from medical_records.tests.servers import (
    JSONClient,
    configured_pgbouncer,
    environment,
    free_port,
    gunicorn,
    where_the_server_is,
)

__all__ = ["media", "own_database"]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PAGE = (Path(__file__).resolve().parents[1] / "README.md").read_text().split("\n### Behind PgBouncer\n")[1]
[SHOWN] = re.findall(r"```ini\n(.*?)```", PAGE.split("\n### ")[0], re.DOTALL)
#: With the file of users in the folder where a test runs it.
CONFIGURATION = SHOWN.replace("/etc/pgbouncer/userlist.txt", "userlist.txt")

CLIENTS, CONNECTIONS = 200, 20
ROLE = "clinic_web_pooled"

#: A thread for each client, so that each has its own connection to PgBouncer.
THREADS = ("--workers", "4", "--threads", "50", "--preload")


@dataclass(frozen=True)
class Pooled:
    """The database of the test as the server sees it, through PgBouncer."""

    url: str
    media: Path

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT_FOLDER,
            env=environment(self.url, self.media),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def pooled(request: pytest.FixtureRequest, own_database: Database, media: Path) -> Iterator[Pooled]:
    """As the page tells, but for where the servers are, own names, and the lines that a test adds."""
    assert f"default_pool_size = {CONNECTIONS}\n" in CONFIGURATION
    port = free_port()
    said = f"{CONFIGURATION}{getattr(request, 'param', '')}"
    own = re.sub("^clinic = .*$", f"{own_database.name} = {where_the_server_is('host', 'port')}", said, flags=re.M)
    own = own.replace("listen_port = 6432", f"listen_port = {port}")
    name = f"{ROLE}_{os.getpid()}"
    own_database.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    try:
        with configured_pgbouncer(own, port, **{"userlist.txt": f'"{name}" "{PASSWORD}"\n'}):
            at = f"postgresql://{name}:{PASSWORD}@127.0.0.1:{port}/{own_database.name}"
            yield Pooled(f"{at}?application_name=clinic-web", media)
    finally:
        own_database.execute(f"DROP ROLE {name}")


@dataclass(frozen=True)
class Person:
    user: User
    patient: Patient
    template: int
    token: str


@pytest.fixture
def people() -> list[Person]:
    """Of four clinics; each has a patient."""
    templates = [
        MedicalRecordTemplateFactory.create(clinic=clinic, fields=[]) for clinic in ClinicFactory.create_batch(4)
    ]
    made = []
    for number in range(CLIENTS):
        template = templates[number % len(templates)]
        user = MembershipFactory.create(clinic=template.clinic).user
        patient = PatientFactory.create(clinic=template.clinic)
        made.append(Person(user, patient, template.pk, AccessToken.objects.issue(user)[0]))
    return made


def test_everybody_is_served_as_themselves(
    pooled: Pooled, people: list[Person], own_database: Database, tmp_path: Path
):
    port = free_port()
    with gunicorn(environment(pooled.url, pooled.media), port, tmp_path / "log", *THREADS):
        done = in_parallel(lambda number: work_of(people[number], people[number - 1], port), CLIENTS)
        assert {outcome for outcome in done if outcome is not None} == set()
        used = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'clinic-web'"
        assert 1 < own_database.value(used, [own_database.name]) <= CONNECTIONS
        with urlopen(f"http://127.0.0.1:{port}/readyz") as ready:
            assert json.load(ready) == {"status": "ready", "degraded": False, "differences": 0}
    each_is_written_down(people)


def work_of(person: Person, neighbour: Person, port: int) -> None:
    """A morning: a record is made twice with one key, changed and read; the neighbour's patient is another clinic's."""
    api = JSONClient(port, person.token)
    records = f"clinic/patients/{person.patient.pk}/medical-records"
    new = {"template_id": person.template, "values": {}}
    first, again = (api.send("POST", records, new, Idempotency_Key="morning") for _ in range(2))
    assert (first.status, again.status) == (201, 201), (first.body, again.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.body == first.body
    record = f"clinic/medical-records/{first.body['id']}"
    changed = api.send("PATCH", record, {"values": {}, "appointment_id": None, "version": 1})
    assert changed.status == 200, changed.body
    assert api.send("GET", record).status == 200
    assert api.send("GET", f"clinic/patients/{neighbour.patient.pk}").status == 404
    assert api.send("GET", "auth/me").body["user"]["email"] == person.user.email


def each_is_written_down(people: list[Person]) -> None:
    """The history, the access log and the keys have each person with what they did themselves, and nothing else."""
    owners = {person.patient.pk: person.user.pk for person in people}
    records = {record.pk: owners[record.patient_id] for record in MedicalRecord.objects.all()}
    assert len(records) == CLIENTS
    entries = HistoryEntry.objects.filter(table_name="medical_records")
    assert Counter(entry.action for entry in entries) == {"insert": CLIENTS, "update": CLIENTS}
    contexts = [json.loads(entry.context or "") for entry in entries]
    assert [context["by"] for context in contexts] == [records[entry.row_id or 0] for entry in entries]
    assert {context["via"] for context in contexts} == {"api"}
    assert len({context["request_id"] for context in contexts}) == 2 * CLIENTS
    assert {entry.application_name for entry in entries} == {"clinic-web"}
    for access in Access.objects.all():
        assert [records[pk] for pk in access.record_ids] == [access.user_id]
    # Made, replayed, changed, read.
    assert Access.objects.count() == 4 * CLIENTS
    assert IdempotencyKey.objects.count() == CLIENTS


#: Reads some users, and the others while another client is in a transaction: it has the session that was used last.
READ_IN_PARTS = """
from django.db import connection
from clinic_project.clinics.models import User
users = User.objects.iterator(chunk_size=10)
next(users)
other = connection.copy()
other.set_autocommit(False)
other.cursor().execute("SELECT 1")
print(1 + len(list(users)))
"""


def test_rows_are_read_without_a_cursor_in_the_database(pooled: Pooled, people: list[Person]):
    ran = pooled.run("shell", "--no-imports", "-c", READ_IN_PARTS)
    assert ran.stdout == f"{CLIENTS}\n", ran.stderr


def test_failed_logins_are_counted_together(pooled: Pooled, tmp_path: Path):
    user = UserFactory.create()
    wrong = {"email": user.email, "password": "wrong"}
    port = free_port()
    with gunicorn(environment(pooled.url, pooled.media), port, tmp_path / "log", *THREADS):
        answers = in_parallel(lambda number: JSONClient(port).send("POST", "auth/login", wrong).status, 15)
    assert Counter(answers) == {401: 10, 429: 5}


def test_commands(pooled: Pooled, people: list[Person]):
    for command in ("seal_history", "verify_history", "verify_records", "purge_trash", "clearsessions"):
        ran = pooled.run(command)
        assert (ran.returncode, ran.stderr) == (0, ""), command
    for command in ("migrate", "reconcile"):
        ran = pooled.run(command)
        assert ran.returncode == 1
        assert "pool_mode = session" in ran.stderr


def test_a_setting_of_a_session_is_refused_in_the_url_and_holds_for_the_role(pooled: Pooled, own_database: Database):
    [statement] = re.findall(r"`(ALTER ROLE clinic_web SET .*?;)`", PAGE)
    own_database.execute(statement.replace("clinic_web", f"{ROLE}_{os.getpid()}"))
    with closing(psycopg2.connect(pooled.url)) as connected, connected.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)
    with pytest.raises(psycopg2.OperationalError, match="unsupported startup parameter"):
        psycopg2.connect(f"{pooled.url}&options=-cstatement_timeout%3D30s")


LOG_IN = """
from rest_framework.test import APIClient
wrong = {"email": "nobody@clinic.example", "password": "wrong"}
sent = APIClient().post("/api/auth/login", wrong, headers={"host": "localhost"})
print(sent.status_code, sent["Retry-After"], sent.json()["type"])
"""


def test_postgresql_takes_no_connection(pooled: Pooled, own_database: Database):
    own_database.execute(f"ALTER ROLE {ROLE}_{os.getpid()} NOLOGIN")
    ran = pooled.run("shell", "--no-imports", "-c", LOG_IN)
    assert ran.stdout == "503 5 /problems/database-unavailable\n", ran.stderr


@pytest.mark.parametrize("pooled", ["query_wait_timeout = 1\nmax_user_connections = 1\n"], indirect=True)
def test_no_connection_is_free(pooled: Pooled):
    with closing(psycopg2.connect(pooled.url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1")  # and the transaction goes on
        ran = pooled.run("shell", "--no-imports", "-c", LOG_IN)
        assert ran.stdout == "503 5 /problems/database-unavailable\n", ran.stderr
