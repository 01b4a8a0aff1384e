"""A standby is promoted while the server has work: what was answered with 2xx stays, nothing is answered with 500."""

import json
import math
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from clinic_project.audit.waiting_commits import COMMITS_WAIT, MAX_WAIT
from clinic_project.reconciliation.tests.support.waiting import wait_until
from medical_records.tests.servers import (
    Answer,
    JSONClient,
    SessionClient,
    configured_pgbouncer,
    environment,
    free_port,
    gunicorn,
)
from medical_records.tests.standbys import (
    PAGE,
    PRIMARY,
    PROMOTE,
    STANDBY,
    SYNCHRONOUS,
    Pair,
    filled,
    running_pair,
    start_standby,
)

from .networks import Network, made_network, start_within
from .test_pgbouncer import CONFIGURATION

pytestmark = pytest.mark.slow

#: What the page tells: how to count the commits that wait, and how to let them go on.
(WAITING,) = re.findall(r"`(SELECT [^`]*'SyncRep');`", PAGE)
(RESET,) = re.findall(r"`(ALTER SYSTEM RESET [^`]*)`", PAGE)


@pytest.fixture
def network() -> Iterator[Network]:
    with made_network() as network:
        yield network


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
def known(pair: Pair, tmp_path: Path) -> dict[str, Any]:
    return filled(pair, environment("", tmp_path)["SECRET_KEY"])


def run(pair: Pair, page: str, port: int) -> None:
    """Run the page's statements as a superuser."""
    pair.execute(*filter(None, map(str.strip, page.split(";"))), port=port, user="postgres")


@dataclass
class Load:
    """Clients that make records until they are told to stop; one that isn't answered with 2xx sends the same again."""

    known: dict[str, Any]
    port: int = field(default_factory=free_port)
    ended: Event = field(default_factory=Event)
    answered: list["Answered"] = field(default_factory=list)

    def during_a_failover(
        self,
        pair: Pair,
        url: str,
        lose_primary: Callable[[], None],
        folder: Path,
        *,
        follow: Callable[[], None] = lambda: None,
        **settings: str,
    ) -> float:
        """Send requests to a server with this URL while the primary is lost and, after a second, the standby is promoted.

        `follow` is then called: what doesn't find the new primary by itself is told of it. It goes on for three seconds
        after a record was made again.

        Returns the seconds from the promotion to that record.
        """
        run(pair, SYNCHRONOUS, PRIMARY)
        wait_until_synchronous(pair, PRIMARY)
        options = ("--workers", "2", "--threads", "8", "--preload")
        work = [self.write] * 8 + [self.read] * 2 + [self.administer] * 2
        with (
            gunicorn({**environment(url, folder), **settings}, self.port, folder / "log", *options),
            ThreadPoolExecutor(len(work)) as pool,
        ):
            clients = [pool.submit(each, number) for number, each in enumerate(work)]
            wait_until(lambda: len(self.made()) > 20)
            lose_primary()
            time.sleep(1)
            run(pair, PROMOTE, STANDBY)
            promoted = time.monotonic()
            follow()
            try:
                wait_until(lambda: self.made_again(promoted) < math.inf)
                time.sleep(3)
            finally:
                self.ended.set()
            for client in clients:
                client.result()
        return self.made_again(promoted)

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
        while not self.ended.is_set():
            self.rename_patient(f"Grace Hopper {len(self.answered)}")
            self.browse("GET", f"medical_records/medicalrecord/{self.known['record']}/change/")

    def rename_patient(self, name: str) -> None:
        form = {"clinic": self.known["clinic"], "full_name": name}
        self.browse("POST", f"clinics/patient/{self.known['patient']}/change/", form)

    def browse(self, method: str, page: str, form: dict[str, Any] | None = None) -> None:
        began = time.monotonic()
        answer = SessionClient(self.port, self.known["session"]).send_form(method, page, form)
        self.answered.append(Answered(began, time.monotonic(), f"admin {method}", answer))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        began = time.monotonic()
        answer = JSONClient(self.port, self.known["token"]).send(method, path, body, **headers)
        self.answered.append(Answered(began, time.monotonic(), method, answer))
        if answer.status == 503:
            time.sleep(0.1)
        return answer

    def statuses(self) -> Counter[tuple[str, int]]:
        return Counter((one.method, one.answer.status) for one in self.answered)

    def made(self) -> set[int]:
        return {one.answer.body["id"] for one in self.answered if (one.method, one.answer.status) == ("POST", 201)}

    def longest(self) -> float:
        """Return how many seconds the slowest request took."""
        return max(one.at - one.began for one in self.answered)

    def summary(self, again: float) -> str:
        statuses = ", ".join(
            f"{method} {status}: {times}" for (method, status), times in sorted(self.statuses().items())
        )
        return f"{statuses}; written again after {again:.1f} s, the slowest took {self.longest():.1f} s"

    def made_again(self, promoted: float) -> float:
        made = (one.at for one in self.answered if (one.method, one.answer.status) == ("POST", 201))
        return min((at for at in made if at > promoted), default=math.inf) - promoted


@dataclass(frozen=True)
class Answered:
    """A request, when it was sent and answered, in seconds, and with what."""

    began: float
    at: float
    method: str
    answer: Answer


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
    load = Load(known)
    again = load.during_a_failover(pair, pair.url(PRIMARY, STANDBY), lambda: primary_is(pair), tmp_path)
    assert nothing_is_lost(load, pair)
    report(f"{primary_is.__name__}: {load.summary(again)}", capsys)
    assert load.statuses()["POST", 503]


def test_a_failover_to_the_replica_which_lags(pair: Pair, known: dict[str, Any], tmp_path: Path, capsys):
    run(pair, "ALTER SYSTEM SET recovery_min_apply_delay = '300ms'; SELECT pg_reload_conf()", STANDBY)
    load = Load(known)
    again = load.during_a_failover(
        pair, pair.url(PRIMARY, STANDBY), lambda: killed(pair), tmp_path, REPLICA_URL=pair.url(STANDBY)
    )
    assert nothing_is_lost(load, pair)
    report(f"with a replica: {load.summary(again)}", capsys)
    assert load.statuses()["GET", 200]


def report(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - a measurement


def nothing_is_lost(load: "Load", pair: Pair) -> bool:
    """Whether all was answered as it should be, and what was answered with 201 is on the new primary."""
    expected = {"POST": 201, "GET": 200, "admin POST": 302, "admin GET": 200}
    assert set(load.statuses()) <= {*expected.items(), *((method, 503) for method in expected)}
    refused = [one.answer for one in load.answered if one.answer.status == 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    there = {pk for (pk,) in pair.rows(STANDBY, "SELECT id FROM medical_records")} - {load.known["record"]}
    # What was committed before its answer was lost was found by its key, and not made twice.
    assert pair.rows(STANDBY, "SELECT count(*) FROM api_idempotency_keys") == [(len(there),)]
    return load.made() <= there


def test_a_machine_that_falls_silent(pair: Pair, known: dict[str, Any], network: Network, tmp_path: Path, capsys):
    pair.servers.stop_one("primary", "fast")
    start_within(network, pair, "primary", PRIMARY)
    load = Load(known)
    url = f"postgresql://clinic@/clinic?host={network.address},{pair.folder}&port={PRIMARY},{STANDBY}"
    again = load.during_a_failover(pair, url, network.fall_silent, tmp_path)
    assert nothing_is_lost(load, pair)
    report(f"silent: {load.summary(again)}", capsys)


def test_behind_pgbouncer(pair: Pair, known: dict[str, Any], tmp_path: Path, capsys):
    """It is told of the new primary, and keeps its clients."""
    port = free_port()
    listening = CONFIGURATION.replace("listen_port = 6432", f"listen_port = {port}")

    def before(server: int) -> str:
        return listening.replace("host=127.0.0.1 port=5432", f"host={pair.folder} port={server}")

    users = {"userlist.txt": '"clinic" "password"\n'}
    load = Load(known)
    with configured_pgbouncer(before(PRIMARY), port, user="postgres", **users) as pooler:
        again = load.during_a_failover(
            pair,
            f"postgresql://clinic:password@127.0.0.1:{port}/clinic",
            lambda: killed(pair),
            tmp_path,
            follow=lambda: pooler.reload(before(STANDBY)),
        )
    assert nothing_is_lost(load, pair)
    report(f"PgBouncer: {load.summary(again)}", capsys)


def wait_until_synchronous(pair: Pair, primary: int) -> None:
    wait_for_rows(pair, primary, "SELECT sync_state FROM pg_stat_replication", [("sync",)])


def wait_for_rows(pair: Pair, port: int, query: str, expected: list[tuple[Any, ...]]) -> None:
    wait_until(lambda: pair.rows(port, query, user="postgres") == expected)


def test_the_old_primary_comes_back_as_a_standby(pair: Pair):
    killed(pair)
    run(pair, PROMOTE, STANDBY)
    shutil.rmtree(pair.folder / "primary")
    start_standby(pair.servers, "primary", PRIMARY, of=STANDBY)
    run(pair, SYNCHRONOUS, STANDBY)
    wait_until_synchronous(pair, STANDBY)
    pair.execute("CREATE TABLE written ()", port=STANDBY)
    pair.rows(PRIMARY, "SELECT FROM written")


def test_while_no_standby_is_attached_reading_goes_on_and_writes_are_refused_once_one_has_waited(
    pair: Pair, known: dict[str, Any], tmp_path: Path
):
    run(pair, SYNCHRONOUS, PRIMARY)
    wait_until_synchronous(pair, PRIMARY)
    pair.servers.stop_one("standby", "fast")
    port, record = free_port(), f"clinic/medical-records/{known['record']}"

    def send(*request: Any) -> Answer:
        return JSONClient(port, known["token"]).send(*request)  # gunicorn closes a connection that is idle

    accesses = "SELECT count(*) FROM audit_accesses"
    [(before,)] = pair.rows(PRIMARY, accesses)
    settings = {**environment(pair.url(PRIMARY, STANDBY), tmp_path), "REPLICA_URL": pair.url(STANDBY)}
    with gunicorn(settings, port, tmp_path / "log", "--threads", "4"), ThreadPoolExecutor(1) as pool:
        assert send("GET", record).status == 200
        assert pair.rows(PRIMARY, accesses) == [(before + 1,)]
        assert health(port)["problems"][0]["found"] == "none that is attached"
        writing = pool.submit(send, "PATCH", record, {"values": {}, "version": 1})
        wait_until_it_has_waited_too_long(pair)
        assert_that_nothing_waits(known, port)
        assert pair.rows(PRIMARY, WAITING) == [(1,)]
        assert not writing.done()
        assert send("GET", record).status == 200
        assert_that_the_health_page_tells_the_remedy(pair, port)
        run(pair, RESET, PRIMARY)
        assert writing.result().status == 200
        assert send("PATCH", record, {"values": {}, "version": 2}).status == 200
        assert health(port) == {"status": "ready", "degraded": False, "differences": 0}

        attach_another_than_is_named(pair)
        writing = pool.submit(send, "PATCH", record, {"values": {}, "version": 3})
        wait_until_it_has_waited_too_long(pair)
        assert health(port)["problems"][0]["found"] == "one that doesn't confirm them; commits that wait: 1"
        cancel_until_done(pair, writing)
        assert writing.result().status == 200


def wait_until_it_has_waited_too_long(pair: Pair) -> None:
    wait_for_rows(pair, PRIMARY, WAITING, [(1,)])
    time.sleep(MAX_WAIT + 1)


def assert_that_the_health_page_tells_the_remedy(pair: Pair, port: int) -> None:
    found = health(port)
    [problem] = found["problems"]
    assert (found["status"], found["degraded"], found["differences"]) == ("ready", True, 0)
    assert problem["found"] == "none that is attached; commits that wait: 1"
    assert problem["remedy"].endswith(f": {RESET}")
    commits_wait = f"SELECT {COMMITS_WAIT}"
    assert pair.rows(PRIMARY, commits_wait) == [(True,)]
    assert pair.rows(PRIMARY, f"SET synchronous_commit = local; {commits_wait}") == [(False,)]


def attach_another_than_is_named(pair: Pair) -> None:
    """The role sees that a standby is attached, and not that it isn't the one for which commits wait."""
    pair.servers.start("standby", STANDBY)
    wait_for_rows(pair, PRIMARY, "SELECT state FROM pg_stat_replication", [("streaming",)])
    run(pair, SYNCHRONOUS.replace("'*'", "'another'"), PRIMARY)


def cancel_until_done(pair: Pair, writing: "Future[Answer]") -> None:
    """It waits twice: for what it wrote, and for the note that it wrote."""
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    while not writing.done():
        pair.rows(PRIMARY, cancel, user="postgres")
        time.sleep(0.1)


def health(port: int) -> dict[str, Any]:
    """Return what /readyz says with 200."""
    with urlopen(f"http://127.0.0.1:{port}/readyz") as ready:
        assert ready.status == 200
        found: dict[str, Any] = json.loads(ready.read())
    return found


def assert_that_nothing_waits(known: dict[str, Any], port: int) -> None:
    """Assert that changes and logins, of the API and in the admin, are 503."""
    api, in_the_admin = JSONClient(port, known["token"]), Load(known, port)
    new = {"template_id": known["template"], "values": {}}
    records = f"clinic/patients/{known['patient']}/medical-records"
    refused = [
        api.send("POST", records, new),
        api.send("POST", records, new, Idempotency_Key="one"),
        api.send("PATCH", f"clinic/medical-records/{known['record']}", {"values": {}, "version": 1}),
        api.send("POST", "auth/login", {"email": known["email"], "password": known["password"]}),
    ]
    assert {(one.status, one.body["type"]) for one in refused} == {(503, "/problems/commits-wait")}
    in_the_admin.rename_patient("Grace Hopper")
    in_the_admin.browse("POST", "login/", {"username": known["email"], "password": known["password"]})
    answers = [*refused, *(one.answer for one in in_the_admin.answered)]
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)


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
        in_the_admin = Load(known, port)
        for page in ("clinics/patient/", f"medical_records/medicalrecord/{known['record']}/change/"):
            in_the_admin.browse("GET", page)
        in_the_admin.rename_patient("Grace Hopper")
        assert [one.answer.status for one in in_the_admin.answered] == [200, 200, 503]
        assert int(in_the_admin.answered[-1].answer.headers["Retry-After"]) > 0
