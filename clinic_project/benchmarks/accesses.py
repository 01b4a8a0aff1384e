"""What the access log costs of CPU, side by side with the same server without it.

    python -m clinic_project.benchmarks.accesses [--rounds 5] [--requests 200]

Makes a database as `benchmarks.api` does, and starts two servers on it, which take turns. Printed are the medians over the
rounds, and of the ratio the median over the pairs. Commits don't wait for the disk here: how long they do is the disk's.
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence

from .api import WARM_UP, Call, Cost, Meter, Sender
from .output import write_line
from .serving import ROWS, FilledDatabase, filled_database, gunicorn

#: A list costs at most so many times as much with the log.
LIST_AT_MOST = 1.1


def calls(made: FilledDatabase) -> Iterator[tuple[str, Call, float | None]]:
    """Yield what is measured: its name, the request, and what the ratio is to be at most."""
    clinic, patient = "/api/clinic", f"/api/clinic/patients/{made.patient}"
    yield f"{ROWS} records", Call("GET", f"{patient}/medical-records?page_size={ROWS}"), LIST_AT_MOST
    yield (
        f"{ROWS} photos",
        Call("GET", f"{clinic}/patient-photos?patient={made.patient}&page_size={ROWS}"),
        LIST_AT_MOST,
    )
    yield "a timeline of 200", Call("GET", f"{patient}/timeline?page_size=200"), LIST_AT_MOST
    yield "  304 of the records", Call("GET", f"{patient}/medical-records?page_size={ROWS}", is_conditional=True), None
    yield "a record", Call("GET", f"{clinic}/medical-records/{made.records[0]}"), None
    yield "  304", Call("GET", f"{clinic}/medical-records/{made.records[0]}", is_conditional=True), None
    yield f"a record, {ROWS - 1} photos", Call("GET", f"{clinic}/medical-records/{made.record_with_photos}"), None
    yield "a photo's thumbnail", Call("GET", f"{clinic}/patient-photos/{made.photo_with_file}/thumbnail"), None
    body = {"template_id": made.template, "values": {}}
    yield "creating a record", Call("POST", f"{patient}/medical-records", lambda number: body), None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.accesses", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200, help="to each server in a round")
    options = parser.parse_args()
    without = ("--env", "DJANGO_SETTINGS_MODULE=clinic_project.benchmarks.without_accesses")
    one_worker = ("--workers", "1", "--threads", "4")
    with (
        filled_database() as made,
        gunicorn(*one_worker) as kept,
        gunicorn(*one_worker, *without) as unkept,
        made.database.cursor() as cursor,
    ):
        write_line(f"CPU a request, in ms: medians of {options.rounds} rounds of {options.requests} requests")
        write_line(f"{'':24}{'with the log':>14}{'PostgreSQL':>12}{'without':>14}{'PostgreSQL':>12}   ratio  at most")
        meters = [Meter(pid, cursor) for pid, _ in (kept, unkept)]
        for name, call, at_most in calls(made):
            senders = [Sender(origin, made.token, call) for _, origin in (kept, unkept)]
            _compare(name, list(zip(meters, senders, strict=True)), at_most, options)


def _compare(
    name: str, servers: Sequence[tuple[Meter, Sender]], at_most: float | None, options: argparse.Namespace
) -> None:
    for meter, sender in servers:
        meter.measure(sender, WARM_UP)
    rounds = [[meter.measure(sender, options.requests) for meter, sender in servers] for _ in range(options.rounds)]
    medians = [_median(costs) for costs in zip(*rounds, strict=True)]
    figures = "".join(f"{cost.application:14.2f}{cost.server:12.2f}" for cost in medians)
    ratio = statistics.median(kept.total / unkept.total for kept, unkept in rounds)
    write_line(f"{name:24}{figures}{ratio:8.2f}{f'{at_most:9.2f}' if at_most else ''}")


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("application", "server")))


if __name__ == "__main__":
    main()
