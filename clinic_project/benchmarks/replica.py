"""What a replica takes off the primary, in CPU, and what it costs, side by side with the same server without one.

    python -m clinic_project.benchmarks.replica [--rounds 5] [--requests 200]

Makes a database as `benchmarks.api` does, and starts two servers on it, which take turns. The replica of the one is the same
database by other connections: it is never behind, and what is done by these would be done on another machine. Printed are
the medians over the rounds, and of the ratio the median over the pairs.
"""

import argparse
import statistics
from collections.abc import Iterator

from .api import WARM_UP, Call, Meter, Sender, cpu_seconds
from .output import write_line
from .serving import ROWS, FilledDatabase, filled_database, gunicorn

#: What connections are called, by the variables of their URLs.
NAMES = {"DATABASE_URL": "primary", "REPLICA_URL": "replica"}


def calls(made: FilledDatabase) -> Iterator[tuple[str, Call]]:
    clinic, patient = "/api/clinic", f"/api/clinic/patients/{made.patient}"
    yield f"{ROWS} records", Call("GET", f"{patient}/medical-records?page_size={ROWS}")
    yield f"{ROWS} photos", Call("GET", f"{clinic}/patient-photos?patient_id={made.patient}&page_size={ROWS}")
    yield "a timeline of 200", Call("GET", f"{patient}/timeline?page_size=200")
    yield "a record", Call("GET", f"{clinic}/medical-records/{made.records[0]}")
    yield f"a record, {ROWS - 1} photos", Call("GET", f"{clinic}/medical-records/{made.record_with_photos}")
    yield "its history", Call("GET", f"{clinic}/medical-records/{made.records[0]}/history")
    body = {"template_id": made.template, "values": {}}
    yield "creating a record", Call("POST", f"{patient}/medical-records", lambda number: body)


class ReplicaMeter(Meter):
    """The CPU of gunicorn's workers, of the primary and of the replica, told apart by their application_name."""

    def _used(self) -> tuple[float, ...]:
        return cpu_seconds(self.workers), *(cpu_seconds(self._connected(name)) for name in NAMES.values())

    def _connected(self, application_name: str) -> list[int]:
        self.cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s",
            [application_name],
        )
        return [pid for (pid,) in self.cursor.fetchall()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.replica", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200, help="to each server in a round")
    options = parser.parse_args()
    with filled_database() as made:
        primary, replica = (f"--env={name}={_named(made, value)}" for name, value in NAMES.items())
        one_worker = ("--workers", "1", "--threads", "4", primary)
        with (
            gunicorn(*one_worker, replica) as reading,
            gunicorn(*one_worker) as alone,
            made.database.cursor() as cursor,
        ):
            write_line(f"CPU a request, in ms: medians of {options.rounds} rounds of {options.requests} requests")
            write_line(
                f"{'':22}{'with a replica':>14}{'primary':>9}{'replica':>9}{'without':>12}{'primary':>9}   primary's"
            )
            meters = [ReplicaMeter(pid, cursor) for pid, _ in (reading, alone)]
            for name, call in calls(made):
                senders = [Sender(origin, made.token, call) for _, origin in (reading, alone)]
                _compare(name, list(zip(meters, senders, strict=True)), options)


def _named(made: FilledDatabase, application_name: str) -> str:
    url = made.database.url
    return f"{url}{'&' if '?' in url else '?'}application_name={application_name}"


def _compare(name: str, servers: list[tuple[ReplicaMeter, Sender]], options: argparse.Namespace) -> None:
    for meter, sender in servers:
        meter.milliseconds(sender, WARM_UP)
    rounds = [
        [meter.milliseconds(sender, options.requests) for meter, sender in servers] for _ in range(options.rounds)
    ]
    reading, alone = (
        [statistics.median(each) for each in zip(*costs, strict=True)] for costs in zip(*rounds, strict=True)
    )
    ratio = statistics.median(with_replica[1] / without[1] for with_replica, without in rounds)
    figures = f"{reading[0]:14.2f}{reading[1]:9.2f}{reading[2]:9.2f}{alone[0]:12.2f}{alone[1]:9.2f}"
    write_line(f"{name:22}{figures}{ratio:12.2f}")


if __name__ == "__main__":
    main()
