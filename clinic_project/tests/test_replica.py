"""What a clinic has is read from a replica, and nobody misses what they wrote, whatever the replica does."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.request import Request, urlopen
from zipfile import ZipFile

import psutil
import psycopg2
import pytest

from clinic_project.api.replica import MAX_LAG, PAUSE
from clinic_project.database import REPLICA_OPTIONS
from clinic_project.reconciliation.tests.support.waiting import SECONDS, wait_until
from medical_records.tests.servers import Answer, JSONClient, SessionClient, environment, free_port, gunicorn
from medical_records.tests.standbys import PRIMARY, STANDBY, Pair, filled, running_pair

from .networks import made_network, start_within

pytestmark = pytest.mark.slow


@dataclass
class Clinic:
    """A clinic's server, which reads from the standby, and clients of two members."""

    pair: Pair
    port: int
    known: dict[str, Any]
    log: Path

    @property
    def member(self) -> JSONClient:
        return JSONClient(self.port, self.known["token"])

    @property
    def colleague(self) -> JSONClient:
        return JSONClient(self.port, self.known["colleagues_token"])

    @property
    def record(self) -> str:
        return f"clinic/medical-records/{self.known['record']}"

    @property
    def patient(self) -> str:
        return f"clinic/patients/{self.known['patient']}"

    @property
    def session(self) -> SessionClient:
        """The member, with their session instead of their token."""
        return SessionClient(self.port, self.known["session"])

    def rename_patient(self, name: str) -> int:
        """Change the patient's name in the admin, as the member, and return the status."""
        form = {"clinic": self.known["clinic"], "full_name": name}
        return self.session.send_form("POST", f"clinics/patient/{self.known['patient']}/change/", form).status

    def download(self, path: str) -> bytes:
        """Return what the member gets of `path`, below /api/."""
        headers = {"Authorization": f"Bearer {self.known['token']}"}
        with urlopen(Request(f"http://127.0.0.1:{self.port}/api/{path}", headers=headers)) as answer:
            return bytes(answer.read())

    def name_seen_by(self, client: JSONClient) -> str:
        answer = client.send("GET", self.patient)
        assert answer.status == 200
        return str(answer.body["full_name"])

    def change(self, client: JSONClient, version: int | None = None) -> Answer:
        """Make a new version of the record."""
        version = version or self.version_on(PRIMARY)
        return client.send("PATCH", self.record, {"values": {}, "version": version})

    def version_on(self, port: int) -> int:
        [(version,)] = self.pair.rows(port, f"SELECT version FROM medical_records WHERE id = {self.known['record']}")
        return int(version)

    def rename_by_another_program(self, name: str) -> None:
        self.pair.execute(f"UPDATE patients SET full_name = '{name}' WHERE id = {self.known['patient']}")

    def wait_until_read_from_replica(self) -> None:
        """Let the access log say that the replica isn't behind."""
        self.pair.wait_for_replay()
        assert self.colleague.send("GET", self.record).status == 200
        self.pair.wait_for_replay()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("replica")
    with running_pair() as pair:
        settings = environment(pair.url(PRIMARY), folder)
        known = filled(pair, settings["SECRET_KEY"])
        port, log = free_port(), folder / "log"
        with gunicorn({**settings, "REPLICA_URL": pair.url(STANDBY)}, port, log, "--threads", "8"):
            yield Clinic(pair, port, known, log)


@pytest.fixture
def clinic(running: Clinic) -> Iterator[Clinic]:
    """The standby has all, and is read."""
    running.wait_until_read_from_replica()
    yield running
    replay(running.pair)


def pause(pair: Pair) -> None:
    """From now on the standby is what it is."""
    pair.execute("SELECT pg_wal_replay_pause()", port=STANDBY, user="postgres")
    state = "SELECT pg_get_wal_replay_pause_state()"
    wait_until(lambda: pair.rows(STANDBY, state, user="postgres") == [("paused",)])


def replay(pair: Pair) -> None:
    pair.execute("SELECT pg_wal_replay_resume()", port=STANDBY, user="postgres")


def test_gets_are_read_from_the_replica_unless_it_is_too_far_behind(clinic: Clinic):
    clinic.rename_by_another_program("Before")
    clinic.wait_until_read_from_replica()
    pause(clinic.pair)
    clinic.rename_by_another_program("After")
    assert clinic.name_seen_by(clinic.colleague) == "Before"
    time.sleep(MAX_LAG)
    assert clinic.name_seen_by(clinic.colleague) == "After"
    replay(clinic.pair)
    clinic.wait_until_read_from_replica()
    pause(clinic.pair)
    clinic.rename_by_another_program("Later")
    assert clinic.name_seen_by(clinic.colleague) == "After"


def test_who_wrote_by_the_api_sees_it_by_token_and_by_session(clinic: Clinic):
    before = clinic.version_on(PRIMARY)
    pause(clinic.pair)
    assert clinic.change(clinic.member).body["version"] == before + 1
    assert clinic.member.send("GET", clinic.record).body["version"] == before + 1
    assert clinic.session.send_json("GET", clinic.record).body["version"] == before + 1
    # Another may see it a little later.
    assert clinic.colleague.send("GET", clinic.record).body["version"] == before


def test_who_wrote_in_the_admin_sees_it_in_the_api(clinic: Clinic):
    clinic.rename_by_another_program("Before")
    clinic.wait_until_read_from_replica()
    pause(clinic.pair)
    assert clinic.rename_patient("After") == 302
    assert clinic.name_seen_by(clinic.member) == "After"
    assert clinic.session.send_json("GET", clinic.patient).body["full_name"] == "After"
    assert clinic.name_seen_by(clinic.colleague) == "Before"


def test_once_the_replica_has_what_they_wrote_it_is_read_again(clinic: Clinic):
    assert clinic.rename_patient("Mine") == 302
    clinic.wait_until_read_from_replica()
    pause(clinic.pair)
    clinic.rename_by_another_program("Of another program")
    assert clinic.name_seen_by(clinic.member) == "Mine"


def test_who_was_refused_sees_why(clinic: Clinic):
    known = clinic.version_on(PRIMARY)
    pause(clinic.pair)
    assert clinic.change(clinic.member).status == 200
    refused = clinic.change(clinic.colleague, version=known)
    assert refused.status == 409
    assert clinic.colleague.send("GET", clinic.record).body["version"] == refused.body["current"]["version"]


def test_what_is_not_there_yet_is_found(clinic: Clinic):
    pause(clinic.pair)
    new = {"template_id": clinic.known["template"], "values": {}}
    made = clinic.member.send("POST", f"{clinic.patient}/medical-records", new)
    assert made.status == 201
    path = f"clinic/medical-records/{made.body['id']}"
    assert clinic.colleague.send("GET", path).status == 200
    assert clinic.colleague.send("GET", f"{path}/history").status == 200
    listed = clinic.colleague.send("GET", f"{clinic.patient}/medical-records").body["results"]
    assert made.body["id"] not in {row["id"] for row in listed}


def test_a_records_history_is_read_there_with_that_of_its_photos(clinic: Clinic):
    pause(clinic.pair)
    with contextlib.closing(clinic.pair.connect(PRIMARY)) as locking, locking.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE audit_history")
        assert clinic.colleague.send("GET", f"{clinic.record}/history").status == 200
        assert clinic.colleague.send("GET", f"{clinic.record}/history/1").status == 200


def test_what_is_only_done_is_not_read(clinic: Clinic):
    for method in ("GET", "HEAD"):
        assert clinic.member.send(method, f"{clinic.record}/restore").status == 405


@pytest.mark.parametrize("privilege", ["INSERT", "UPDATE"])
def test_it_is_not_read_where_writes_cant_be_counted(privilege: str, clinic: Clinic):
    clinic.pair.execute(f"REVOKE {privilege} ON api_last_writes FROM clinic")
    try:
        clinic.wait_until_read_from_replica()
        pause(clinic.pair)
        changed = clinic.change(clinic.member)
        assert changed.status == 200
        assert clinic.member.send("GET", clinic.record).body["version"] == changed.body["version"]
    finally:
        clinic.pair.execute(f"GRANT {privilege} ON api_last_writes TO clinic")


def test_who_wrote_just_before_the_primary_was_lost_sees_it(clinic: Clinic):
    """The session ends between the write and its count, and each that tries again."""
    execute = clinic.pair.execute
    execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'",
        "CREATE TRIGGER lost BEFORE INSERT OR UPDATE ON api_last_writes FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    try:
        clinic.wait_until_read_from_replica()
        pause(clinic.pair)
        before = clinic.version_on(PRIMARY)
        assert clinic.change(clinic.member).body["version"] == before + 1
        assert clinic.member.send("GET", clinic.record).body["version"] == before + 1
    finally:
        execute("DROP FUNCTION lose CASCADE")


def test_exports_are_one_state_of_the_primary(clinic: Clinic):
    pause(clinic.pair)
    clinic.rename_by_another_program("Exported")
    path = f"clinic/medical-record-templates/{clinic.known['template']}/records.csv"
    assert "Exported" in clinic.download(path).decode()
    with ZipFile(BytesIO(clinic.download(f"{clinic.patient}/export"))) as archive:
        assert "Exported" in archive.read("index.html").decode()


def test_logins_revoked_tokens_and_memberships_count_at_once(clinic: Clinic):
    pause(clinic.pair)
    login = {"email": clinic.known["email"], "password": clinic.known["password"]}
    token = JSONClient(clinic.port).send("POST", "auth/login", login).body["token"]
    fresh = JSONClient(clinic.port, token)
    assert fresh.send("GET", clinic.record).status == 200
    assert fresh.send("POST", "auth/logout").status == 204
    assert fresh.send("GET", clinic.record).status == 401
    of_colleague = f"WHERE user_id = {clinic.known['colleague']}"
    clinic.pair.execute(f"UPDATE user_clinic_associations SET is_active = false {of_colleague}")
    assert clinic.colleague.send("GET", clinic.record).status == 403
    clinic.pair.execute(f"UPDATE user_clinic_associations SET is_active = true {of_colleague}")


def test_who_looked_is_written_on_the_primary_and_is_no_write_of_theirs(clinic: Clinic):
    count = "SELECT count(*) FROM audit_accesses"
    writes = "SELECT user_id, number FROM api_last_writes ORDER BY user_id"
    before, written = clinic.pair.rows(PRIMARY, count), clinic.pair.rows(PRIMARY, writes)
    pause(clinic.pair)
    assert clinic.colleague.send("GET", clinic.record).status == 200
    assert clinic.pair.rows(PRIMARY, count) == [(before[0][0] + 1,)]
    assert clinic.pair.rows(PRIMARY, writes) == written


def test_a_lock_that_the_replica_keeps_is_not_waited_for(clinic: Clinic):
    """The primary's transaction has ended; that of the standby hasn't."""
    with contextlib.closing(clinic.pair.connect(PRIMARY)) as locking, locking.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE medical_records")
        clinic.pair.wait_for_replay()
        pause(clinic.pair)
        cursor.execute("ROLLBACK")
    assert clinic.colleague.send("GET", clinic.record).status == 200
    replay(clinic.pair)
    time.sleep(PAUSE)


def test_a_replica_that_stands_still_is_not_waited_for(clinic: Clinic):
    """Its machine answers, so that no connection breaks."""
    with ThreadPoolExecutor(8) as pool:
        assert ask_at_once(clinic, pool) == {200}
        processes = processes_of(clinic.pair, "standby")
        try:
            for process in processes:
                process.suspend()
            assert ask_at_once(clinic, pool) == {200}
        finally:
            for process in processes:
                process.resume()
    time.sleep(PAUSE)


def ask_at_once(clinic: Clinic, pool: ThreadPoolExecutor) -> set[int]:
    asked = [pool.submit(lambda: clinic.colleague.send("GET", clinic.record).status) for _ in range(8)]
    return {each.result() for each in asked}


def processes_of(pair: Pair, name: str) -> list[psutil.Process]:
    number = int((pair.folder / name / "postmaster.pid").read_text().split()[0])
    server = psutil.Process(number)
    return [server, *server.children(recursive=True)]


def test_the_replica_of_another_database_is_not_read(clinic: Clinic, tmp_path: Path):
    """A copy, in which another name is and somebody looks, too."""
    execute = clinic.pair.execute
    port = free_port()
    settings = environment(clinic.pair.url(PRIMARY), tmp_path)
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'clinic'",
        "CREATE DATABASE copied TEMPLATE clinic",
        user="postgres",
        dbname="postgres",
    )
    execute("UPDATE patients SET full_name = 'Of another'", dbname="copied")
    copied = clinic.pair.url(PRIMARY).replace("@/clinic?", "@/copied?")
    log = tmp_path / "log"
    with (
        gunicorn({**settings, "REPLICA_URL": copied}, port, log),
        gunicorn({**settings, "DATABASE_URL": copied}, other := free_port(), tmp_path / "other log"),
    ):
        for _ in range(5):
            assert JSONClient(other, clinic.known["token"]).send("GET", clinic.record).status == 200
            here = JSONClient(port, clinic.known["token"])
            assert here.send("GET", clinic.record).status == 200
            assert here.send("GET", clinic.patient).body["full_name"] != "Of another"
    assert log.read_text().count("REPLICA_URL names no standby of the primary") == 1
    checked = check(clinic.pair, copied)
    assert "clinics_api.W002" in checked
    assert "found the schema public of the database copied on a server that takes writes" in " ".join(checked.split())


@pytest.mark.parametrize("port", [STANDBY, PRIMARY])
def test_the_check_of_a_replica_that_is_read_finds_nothing(port: int, clinic: Clinic):
    assert "no issues" in check(clinic.pair, clinic.pair.url(port))


def test_the_check_of_a_replica_that_is_away_says_so(clinic: Clinic):
    assert "(clinics_api.W001) It can't be asked: connection" in check(clinic.pair, clinic.pair.url(free_port()))


def check(pair: Pair, replica_url: str) -> str:
    """Return what `manage.py check --database replica` prints."""
    return pair.run(PRIMARY, "manage.py", "check", "--database", "replica", REPLICA_URL=replica_url).printed


@dataclass
class Load:
    """Members who write and read what they wrote, until they are told to stop."""

    clinic: Clinic
    ended: Event
    statuses: Counter[tuple[str, int]]
    stale: list[tuple[int, int]]

    def work(self, number: int) -> None:
        token = JSONClient(self.clinic.port, self.clinic.known["token"])
        new = {"template_id": self.clinic.known["template"], "values": {}}
        made = token.send("POST", f"{self.clinic.patient}/medical-records", new).body
        path, version = f"clinic/medical-records/{made['id']}", made["version"]
        while not self.ended.is_set():
            changed = token.send("PATCH", path, {"values": {}, "version": version})
            version = changed.body["version"]
            read = self.clinic.session.send_json("GET", path) if version % 2 else token.send("GET", path)
            self.statuses.update([("PATCH", changed.status), ("GET", read.status)])
            if read.status == 200 and read.body["version"] < version:
                self.stale.append((version, read.body["version"]))

    def look(self) -> None:
        colleague = self.clinic.colleague
        while not self.ended.is_set():
            self.statuses.update([("GET", colleague.send("GET", self.clinic.record).status)])


def test_it_lags_stops_and_comes_back_under_load(clinic: Clinic, capsys: pytest.CaptureFixture[str]):
    load = Load(clinic, Event(), Counter(), [])
    with ThreadPoolExecutor(6) as pool:
        clients = [
            *(pool.submit(load.work, number) for number in range(4)),
            pool.submit(load.look),
            pool.submit(load.look),
        ]
        try:
            suffer(clinic.pair)
            wait_until(lambda: is_read_by_the_server(clinic.pair))
        finally:
            load.ended.set()
        for client in clients:
            client.result()
    with capsys.disabled():
        print(f"\n{load.statuses}")  # noqa: T201 - a measurement
    assert load.stale == []
    assert set(load.statuses) == {("PATCH", 200), ("GET", 200)}


def is_read_by_the_server(pair: Pair) -> bool:
    """Whether more is read from the standby, since it was killed and started, than these questions are."""
    [(read,)] = pair.rows(STANDBY, "SELECT xact_commit FROM pg_stat_database WHERE datname = 'clinic'")
    return bool(read > 1_000)


def suffer(pair: Pair) -> None:
    """Lag, pause, stop and kill the standby, for about half a minute."""
    for _ in range(5):
        pause(pair)
        time.sleep(0.5)
        replay(pair)
        time.sleep(0.5)
    delay = "ALTER SYSTEM SET recovery_min_apply_delay"
    pair.execute(f"{delay} = '300ms'", "SELECT pg_reload_conf()", port=STANDBY, user="postgres")
    time.sleep(5)
    pair.execute(f"{delay} = 0", "SELECT pg_reload_conf()", port=STANDBY, user="postgres")
    for mode in ("fast", "immediate"):
        pair.servers.stop_one("standby", mode)
        time.sleep(2)
        pair.servers.start("standby", STANDBY)
        time.sleep(PAUSE + 1)


def test_a_replica_that_falls_silent_is_waited_for_once_in_a_while(tmp_path: Path):
    with made_network() as network, running_pair() as pair:
        pair.servers.stop_one("standby", "fast")
        start_within(network, pair, "standby", STANDBY)
        settings = environment(pair.url(PRIMARY), tmp_path)
        known = filled(pair, settings["SECRET_KEY"])
        replica = f"postgresql://clinic@{network.address}:{STANDBY}/clinic"
        port, log = free_port(), tmp_path / "log"
        with gunicorn({**settings, "REPLICA_URL": replica}, port, log, "--threads", "4"):
            clinic = Clinic(pair, port, known, log)
            clinic.wait_until_read_from_replica()
            network.fall_silent()
            answers = [timed(lambda: clinic.colleague.send("GET", clinic.record)) for _ in range(100)]
    seconds = [each for _, each in answers]
    assert {answer.status for answer, _ in answers} == {200}
    assert sorted(seconds)[50] < max(seconds) / 2


def test_a_replica_that_falls_silent_before_it_answers_is_given_up():
    with made_network() as network, running_pair() as pair:
        pair.servers.stop_one("standby", "fast")
        start_within(network, pair, "standby", STANDBY)
        url = f"postgresql://clinic@{network.address}:{STANDBY}/clinic"
        ended = Event()
        Thread(target=ask_for_an_hour, args=[url, ended], daemon=True).start()
        wait_until(
            lambda: (
                pair.rows(STANDBY, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'") == [(1,)]
            )
        )
        network.fall_silent()
        assert ended.wait(SECONDS)


def ask_for_an_hour(url: str, ended: Event) -> None:
    with contextlib.closing(psycopg2.connect(url, **REPLICA_OPTIONS)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT pg_sleep(3600)")
        except psycopg2.OperationalError:
            ended.set()


def timed(send: Callable[[], Answer]) -> tuple[Answer, float]:
    began = time.monotonic()
    return send(), time.monotonic() - began
