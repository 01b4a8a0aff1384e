"""What a request costs of CPU, in the application and in PostgreSQL, side by side with the plain version of the same.

    python -m clinic_project.benchmarks.api [--rounds 5] [--requests 100]

Makes a database of its own on the server that the project uses, which has to run on this machine (Linux), fills it, and
starts gunicorn on it with production's settings. The versions take turns. CPU is that of gunicorn's only worker and of its
PostgreSQL processes, not the time that passes, which is longer where the machine has other work. Printed are the medians
over the rounds, and how they compare. A 304 is compared with the answer of the plain version, which knows no 304.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from .output import write_line
from .serving import ROWS, FilledDatabase, filled_database, gunicorn

WARM_UP = 10


#: Makes a request's body of the number of times that it has been sent.
Body = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is sent again and again."""

    method: str
    path: str
    body: Body | None = None
    #: Whether to send the ETag of the first answer.
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """`ours` is to cost `at_most` as much as `plain`."""

    name: str
    ours: Call
    plain: Call
    at_most: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU a request: of the application, and of PostgreSQL."""

    application: float
    server: float

    @property
    def total(self) -> float:
        return self.application + self.server


def comparisons(made: FilledDatabase) -> Iterator[Comparison]:
    """Yield what is compared, by the order of the table."""
    records = f"/patients/{made.patient}/medical-records"
    photos = f"/patient-photos?patient={made.patient}&"
    whole, in_use = f"page_size={ROWS}", f"page_size={ROWS}&is_deleted=false"
    templates = "/medical-record-templates?"
    yield from _reads(f"{ROWS} templates", 1 / 4, templates + whole, templates + in_use)
    yield from _reads(f"{ROWS} records", 1 / 4, f"{records}?{whole}", f"{records}?{in_use}")
    yield from _reads(f"{ROWS} photos", 1 / 4, photos + whole, f"{photos}{in_use}&is_pending=false")
    yield from _reads("a record", 1 / 2, f"/medical-records/{made.records[0]}")
    yield from _reads(f"a record, {ROWS - 1} photos", 1 / 2, f"/medical-records/{made.record_with_photos}")
    yield from _reads("a photo's thumbnail", 1, f"/patient-photos/{made.photo_with_file}/thumbnail")

    def new(number: int) -> dict[str, Any]:
        return {"template_id": made.template, "values": {made.field: f"{number}"}}

    def plain_new(number: int) -> dict[str, Any]:
        return {"template": made.template, "values": {made.field: f"{number}"}}

    def changed(number: int) -> dict[str, Any]:
        return {"version": number, "values": {made.field: f"{number}"}}

    ours, plain = _both("POST", new, records, records)
    yield Comparison("creating a record", ours, replace(plain, body=plain_new), 2 / 3)
    first, second = (f"/medical-records/{pk}" for pk in made.records)
    yield Comparison("changing a record", *_both("PATCH", changed, first, second), 2 / 3)


def _reads(name: str, at_most: float, path: str, plain_path: str = "") -> Iterator[Comparison]:
    """Yield the comparison of what a path answers, and that of a 304 with the same, the only answer of the plain version."""
    ours, plain = _both("GET", None, path, plain_path or path)
    yield Comparison(name, ours, plain, at_most)
    yield Comparison("  304", replace(ours, is_conditional=True), plain, 1 / 3)


def _both(method: str, body: Body | None, path: str, plain_path: str) -> tuple[Call, Call]:
    return Call(method, f"/api/clinic{path}", body), Call(method, f"/plain{plain_path}", body)


class Sender:
    """Sends a Call, and stops where an answer isn't what it should be."""

    def __init__(self, origin: str, token: str, call: Call) -> None:
        self.connection = HTTPConnection(urlsplit(origin).netloc)
        self.call = call
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.sent = 0
        if call.is_conditional:
            self.headers["If-None-Match"] = self._exchange({200})

    def send(self) -> None:
        self._exchange({304} if self.call.is_conditional else {200, 201})

    def reconnect(self) -> None:
        """Send the next on another connection: the server closes one that was idle."""
        self.connection.close()

    def _exchange(self, expected: set[int]) -> str:
        """Send the request once more, and return the ETag of the answer."""
        self.sent += 1
        body = json.dumps(self.call.body(self.sent)) if self.call.body else None
        self.connection.request(self.call.method, self.call.path, body, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in expected:
            sys.exit(f"{self.call.method} {self.call.path} is answered with {answer.status}: {content[:1000]!r}")
        return answer.headers.get("ETag", "")


class Meter:
    """The CPU of gunicorn's workers, and of the PostgreSQL processes that they are connected to."""

    def __init__(self, gunicorn_pid: int, cursor: Any) -> None:
        self.cursor = cursor
        self.workers = [child.pid for child in psutil.Process(gunicorn_pid).children()]

    def measure(self, sender: Sender, requests: int) -> Cost:
        return Cost(*self.milliseconds(sender, requests))

    def milliseconds(self, sender: Sender, requests: int) -> list[float]:
        """Return what a request takes of each that is measured."""
        sender.reconnect()
        before = self._used()
        for _ in range(requests):
            sender.send()
        return [(end - start) / requests * 1000 for start, end in zip(before, self._used(), strict=True)]

    def _used(self) -> tuple[float, ...]:
        self.cursor.execute(_CONNECTED)
        return cpu_seconds(self.workers), cpu_seconds(pid for (pid,) in self.cursor.fetchall())


_CONNECTED = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return what the processes have used. In nanoseconds, where /proc/PID/stat counts hundredths of a second.

    https://www.kernel.org/doc/html/latest/scheduler/sched-stats.html#proc-pid-schedstat
    """
    threads = [path for pid in pids for path in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((path / "schedstat").read_text().split()[0]) for path in threads) / 1e9


def main() -> None:
    options = _arguments()
    server = gunicorn("--workers", "1", "--threads", "4")
    with filled_database() as made, server as (pid, origin), made.database.cursor() as cursor:
        _report_header(options)
        meter = Meter(pid, cursor)
        for comparison in comparisons(made):
            senders = [Sender(origin, made.token, call) for call in (comparison.ours, comparison.plain)]
            for sender in senders:
                meter.measure(sender, WARM_UP)
            rounds = [[meter.measure(sender, options.requests) for sender in senders] for _ in range(options.rounds)]
            _report(comparison, *(_median(costs) for costs in zip(*rounds, strict=True)))
            if comparison.ours.body:
                _report_history(comparison.name, meter, senders[0], options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.api", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100, help="of each version in a round")
    return parser.parse_args()


def _median(costs: Iterable[Cost]) -> Cost:
    costs = list(costs)
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("application", "server")))


def _report_header(options: argparse.Namespace) -> None:
    write_line(f"CPU a request, in ms: medians of {options.rounds} rounds of {options.requests} requests")
    write_line(f"{'':24}{'ours':>14}{'':12}{'plain':>14}")
    write_line(
        f"{'':24}{'application':>14}{'PostgreSQL':>12}{'application':>14}{'PostgreSQL':>12}{'ratio':>8}{'at most':>9}"
    )


def _report(comparison: Comparison, ours: Cost, plain: Cost) -> None:
    figures = f"{ours.application:14.2f}{ours.server:12.2f}{plain.application:14.2f}{plain.server:12.2f}"
    write_line(f"{comparison.name:24}{figures}{ours.total / plain.total:8.2f}{comparison.at_most:9.2f}")


def _report_history(name: str, meter: Meter, sender: Sender, options: argparse.Namespace) -> None:
    """Print what the history's triggers are of the cost of ours: with them, and without, in turns."""
    rounds = []
    for _ in range(options.rounds):
        without = _measure_in_mode("DISABLE", meter, sender, options.requests)
        rounds.append((_measure_in_mode("ENABLE ALWAYS", meter, sender, options.requests), without))
    kept, without = (_median(costs) for costs in zip(*rounds, strict=True))
    write_line(
        f"{'  without its history':24}{without.application:14.2f}{without.server:12.2f}{'':26}"
        f"{kept.total / without.total:8.2f}{1.3:9.2f}"
    )


def _measure_in_mode(mode: str, meter: Meter, sender: Sender, requests: int) -> Cost:
    for trigger in ("00_medical_records_history", "00_medical_records_history_update"):
        meter.cursor.execute(f'ALTER TABLE medical_records {mode} TRIGGER "{trigger}"')
    return meter.measure(sender, requests)


if __name__ == "__main__":
    main()
