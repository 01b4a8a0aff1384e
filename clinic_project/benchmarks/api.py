"""How many requests a second the lists answer, side by side with the plain ModelViewSet version of the same.

    python -m clinic_project.benchmarks.api [--rounds 5] [--seconds 4] [--connections 4] [--workers 2]

Makes a database of its own on the server that the project uses, fills it, starts gunicorn on it with
production's settings, and drives it with wrk (https://github.com/wg/wrk; `apt-get install wrk`). The two versions take
turns, so that whatever else the machine does slows both; the medians over the rounds are printed.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from .databases import BenchmarkDatabase, temporary_database
from .output import write_line

ROWS = 100
#: What is asked for: the name, our path, the plain path.
LISTS = (
    ("templates list", "/api/clinic/medical-record-templates?", "/plain/medical-record-templates?is_deleted=false&"),
    (
        "a patient's records",
        "/api/clinic/patients/{patient}/medical-records?",
        "/plain/patients/{patient}/medical-records?is_deleted=false&",
    ),
)

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests a second, and the milliseconds within which 50 and 99 of 100 are answered."""

    rate: float
    p50: float
    p99: float


def main() -> None:
    options = _arguments()
    wrk = shutil.which("wrk") or sys.exit("wrk isn't installed, and it makes the load: apt-get install wrk")
    with temporary_database("api") as database:
        _compare(options, wrk, _environment(database))


def _compare(options: argparse.Namespace, wrk: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    token, patient = _prepared()
    with _gunicorn(environment, options.workers) as origin:
        _report_header(options)
        for name, *paths in LISTS:
            urls = [origin + path.format(patient=patient) + f"page_size={ROWS}" for path in paths]
            _check(urls, token)
            load = [wrk, "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency"]
            load += ["-H", f"Authorization: Bearer {token}"]
            rounds = [[_measure([*load, url]) for url in urls] for _ in range(options.rounds)]
            _report(name, *(_median(list(measured)) for measured in zip(*rounds, strict=True)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.api", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--connections", type=int, default=4, help="requests under way at a time")
    parser.add_argument("--workers", type=int, default=2, help="processes of gunicorn")
    return parser.parse_args()


def _environment(database: BenchmarkDatabase) -> dict[str, str]:
    """Return production's environment on `database`."""
    return {
        **database.environment,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "clinic_project.benchmarks.settings",
    }


def _prepared() -> tuple[str, int]:
    """Migrate and fill the database; return an access token, and the patient with the records."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from clinic_project.api.models import AccessToken
    from clinic_project.clinics.factories import MembershipFactory, PatientFactory
    from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory

    # A factory is typed as itself, not as what it makes.
    member: Any = MembershipFactory(admin=True)
    patient: Any = PatientFactory(clinic=member.clinic)
    for template in MedicalRecordTemplateFactory.create_batch(ROWS, clinic=member.clinic):
        MedicalRecordFactory(patient=patient, template=template)
    return AccessToken.objects.issue(member.user)[0], patient.pk


@contextmanager
def _gunicorn(environment: dict[str, str], workers: int) -> Iterator[str]:
    """Run gunicorn on a free port, and yield its origin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "clinic_project.wsgi", "--workers", str(workers), "--bind", address]
    quiet = ["--log-level", "warning"]
    server = subprocess.Popen(  # noqa: S603 - no shell, and nothing of others in it
        [*command, *quiet], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://{address}/livez")
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urlopen(url).close()  # noqa: S310 - our own server
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def _check(urls: list[str], token: str) -> None:
    """Stop unless both versions answer with all the rows."""
    for url in urls:
        request = Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - our own server
        with urlopen(request) as answer:  # noqa: S310
            rows = len(json.load(answer)["results"])
        if rows != ROWS:
            sys.exit(f"{url} answers with {rows} rows, not {ROWS}: there is nothing to compare.")


def _measure(command: list[str]) -> Measured:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - as above
    if "Non-2xx" in output:
        sys.exit(f"Not all answers were 200:\n{output}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if rate is None:
        sys.exit(f"wrk's output has no rate:\n{output}")
    return Measured(float(rate[1]), _percentile(output, 50), _percentile(output, 99))


def _percentile(output: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", output)
    if found is None:
        sys.exit(f"wrk's output has no latency of {percent}%:\n{output}")
    return float(found[1]) * _MILLISECONDS[found[2]]


def _median(rounds: list[Measured]) -> Measured:
    return Measured(*(statistics.median(getattr(one, name) for one in rounds) for name in ("rate", "p50", "p99")))


def _report_header(options: argparse.Namespace) -> None:
    write_line(
        f"gunicorn with {options.workers} workers, wrk with {options.connections} connections, {ROWS} rows an answer, "
        f"medians of {options.rounds} rounds of {options.seconds} s"
    )
    write_line(f"{'':24}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}")


def _report(name: str, ours: Measured, plain: Measured) -> None:
    for label, one in ((name, ours), ("  plain ModelViewSet", plain)):
        write_line(f"{label:24}{one.rate:12.1f}{one.p50:10.1f}{one.p99:10.1f}")
    write_line(f"{'  ratio':24}{ours.rate / plain.rate:12.2f}")


if __name__ == "__main__":
    main()
