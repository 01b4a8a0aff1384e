"""A standby is promoted while the server has work: what was answered with 2xx stays, nothing is answered with 500."""

import http.client
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from medical_records.tests.servers import Answer, JSONClient, environment, free_port, gunicorn
from medical_records.tests.standbys import PRIMARY, STANDBY, Pair, running_pair

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).resolve().parents[1] / "README.md").read_text().split("\n### A standby, and failover\n")[1]
SYNCHRONOUS, PROMOTE = re.findall(r"```sql\n(.*?)```", PAGE.split("\n### ")[0].split("\n## ")[0], re.DOTALL)

#: Makes a clinic, and prints what a client of a member has to know of it.
FILL = """
import json
import django; django.setup()
from django.test import Client
from clinic_project.api.models import AccessToken
from clinic_project.clinics.factories import MembershipFactory, PASSWORD, PatientFactory
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory
member = MembershipFactory(admin=True, user__superuser=True)
patient = PatientFactory(clinic=member.clinic)
template = MedicalRecordTemplateFactory(clinic=member.clinic, fields=[])
record = MedicalRecordFactory(patient=patient, template=template)
token, _ = AccessToken.objects.issue(member.user)
browser = Client()
browser.force_login(member.user)
print(json.dumps({"email": member.user.email, "password": PASSWORD, "token": token, "clinic": member.clinic_id,
                  "patient": patient.pk, "template": template.pk, "record": record.pk,
                  "session": browser.cookies["sessionid"].value}))
"""

CSRF_TOKEN = "t" * 32


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
def known(pair: Pair, tmp_path: Path) -> dict[str, Any]:
    key = environment("", tmp_path)["SECRET_KEY"]  # by which the session is signed
    filled = pair.run(PRIMARY, "-c", FILL, SECRET_KEY=key)
    assert filled.status == 0, filled.errors
    pair.wait_for_replay()
    found: dict[str, Any] = json.loads(filled.output)
    return found


def run(pair: Pair, page: str, port: int) -> None:
    """Run the page's statements as a superuser."""
    pair.execute(*filter(None, map(str.strip, page.split(";"))), port=port, user="postgres")


@dataclass
class Load:
    """Clients that make records until they are told to stop; one that isn't answered with 2xx sends the same again."""

    port: int
    known: dict[str, Any]
    ended: Event = field(default_factory=Event)
    #: When each was answered, and with what.
    answers: list[tuple[float, str, Answer]] = field(default_factory=list)

    def write(self, number: int) -> None:
        path = f"clinic/patients/{self.known['patient']}/medical-records"
        new = {"template_id": self.known["template"], "values": {}}
        made = 0
        while not self.ended.is_set():
            if self.send("POST", path, new, Idempotency_Key=f"{number}-{made}").status == 201:
                made += 1

    def read(self, number: int) -> None:
        while not self.ended.is_set():
            self.send("GET", f"clinic/medical-records/{self.known['record']}")

    def administer(self, number: int) -> None:
        """Change the patient's name in the admin, and look at the record."""
        form = {"clinic": self.known["clinic"], "csrfmiddlewaretoken": CSRF_TOKEN}
        while not self.ended.is_set():
            named = urlencode({**form, "full_name": f"Grace Hopper {len(self.answers)}"})
            self.browse("POST", f"clinics/patient/{self.known['patient']}/change/", named)
            self.browse("GET", f"medical_records/medicalrecord/{self.known['record']}/change/")

    def browse(self, method: str, page: str, body: str | None = None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        cookie = f"sessionid={self.known['session']}; csrftoken={CSRF_TOKEN}"
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, f"/admin/{page}", body, headers)
        answer = connection.getresponse()
        answer.read()
        self.answers.append((time.monotonic(), f"admin {method}", Answer(answer.status, answer.headers, None)))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = JSONClient(self.port, self.known["token"]).send(method, path, body, **headers)
        self.answers.append((time.monotonic(), method, answer))
        if answer.status == 503:
            time.sleep(0.1)
        return answer

    def statuses(self) -> Counter[tuple[str, int]]:
        return Counter((method, answer.status) for _, method, answer in self.answers)

    def made(self) -> set[int]:
        return {answer.body["id"] for _, method, answer in self.answers if (method, answer.status) == ("POST", 201)}

    def answered_again(self, method: str, status: int, since: float) -> float:
        """Return the seconds from `since` to the first such answer after one that was 503."""
        times = [at for at, one, answer in self.answers if (one, answer.status) == (method, status) and at > since]
        failed = [at for at, one, answer in self.answers if (one, answer.status) == (method, 503)]
        return min((at for at in times if at > min(failed, default=since)), default=math.inf) - since


def killed(pair: Pair) -> None:
    pair.servers.stop_one("primary", "immediate")


def stopped(pair: Pair) -> None:
    pair.servers.stop_one("primary", "fast")


def closed_to_writes(pair: Pair) -> None:
    """It goes on, and so do its sessions."""
    pair.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()", user="postgres")


@pytest.mark.parametrize("primary_is", [killed, stopped, closed_to_writes])
def test_a_failover_under_load(
    pair: Pair, known: dict[str, Any], primary_is: Callable[[Pair], None], tmp_path: Path, capsys
):
    run(pair, SYNCHRONOUS, PRIMARY)
    wait_until_synchronous(pair)
    port = free_port()
    load = Load(port, known)
    settings = environment(pair.url(PRIMARY, STANDBY), tmp_path)
    with (
        gunicorn(settings, port, tmp_path / "log", "--workers", "2", "--threads", "8", "--preload"),
        ThreadPoolExecutor(12) as pool,
    ):
        work = [load.write] * 8 + [load.read] * 2 + [load.administer] * 2
        clients = [pool.submit(each, number) for number, each in enumerate(work)]
        time.sleep(3)
        began = time.monotonic()
        primary_is(pair)
        gone = time.monotonic()
        time.sleep(1)
        run(pair, PROMOTE, STANDBY)
        promoted = time.monotonic()
        time.sleep(6)
        load.ended.set()
        for client in clients:
            client.result()
    found = load.statuses()
    again = load.answered_again("POST", 201, promoted)
    with capsys.disabled():
        print(  # noqa: T201 - a measurement
            f"\n{primary_is.__name__}: {dict(found)}; stopped in {gone - began:.1f} s,"
            f" promoted in {promoted - gone:.1f} s, written again {again:.1f} s later"
        )
    rest = {("admin GET", 200), ("admin GET", 503), ("admin POST", 302), ("admin POST", 503)}
    assert set(found) == {("POST", 201), ("POST", 503), ("GET", 200), ("GET", 503), *rest}
    assert all(int(answer.headers["Retry-After"]) > 0 for _, _, answer in load.answers if answer.status == 503)
    rows = pair.rows(STANDBY, "SELECT id FROM medical_records")
    there = {pk for (pk,) in rows} - {known["record"]}
    assert load.made() <= there, "a record that was answered with 201 is lost"
    # What was committed before its answer was lost is found by its key, and not made twice.
    keys = pair.rows(STANDBY, "SELECT count(*) FROM api_idempotency_keys")
    assert keys == [(len(there),)]
    assert again < 3


def wait_until_synchronous(pair: Pair) -> None:
    for _ in range(100):
        found = pair.rows(PRIMARY, "SELECT sync_state FROM pg_stat_replication", user="postgres")
        if found == [("sync",)]:
            return
        time.sleep(0.1)
    pytest.fail(f"the standby isn't synchronous: {found}")


def test_on_a_standby_reading_works_and_the_rest_is_503(pair: Pair, known: dict[str, Any], tmp_path: Path):
    pair.wait_for_replay()
    port = free_port()
    record, patient = f"clinic/medical-records/{known['record']}", f"clinic/patients/{known['patient']}"
    with gunicorn(environment(pair.url(STANDBY), tmp_path), port, tmp_path / "log"):
        api = JSONClient(port, known["token"])
        for path in ("auth/me", "clinic/patients", f"{patient}/medical-records", record, f"{record}/history",
                     f"{patient}/access-log"):  # fmt: skip
            assert api.send("GET", path).status == 200, path
        writes = [
            api.send("POST", f"{patient}/medical-records", {"template_id": known["template"], "values": {}}),
            api.send("PATCH", record, {"values": {}, "version": 1}),
            api.send("DELETE", record, {"version": 1}),
            api.send("POST", "auth/login", {"email": known["email"], "password": known["password"]}),
            api.send("POST", "auth/logout"),
        ]
        assert {(one.status, one.body["type"]) for one in writes} == {(503, "/problems/database-read-only")}
        assert all(int(one.headers["Retry-After"]) > 0 for one in writes)
        with pytest.raises(HTTPError) as not_ready:
            urlopen(f"http://127.0.0.1:{port}/readyz")
        assert not_ready.value.code == 503
        assert api.send("GET", record).status == 200, "the same connection goes on"
