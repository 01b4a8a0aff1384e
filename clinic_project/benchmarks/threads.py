"""How long requests take where some clients are slow, by gunicorn's workers alone and with threads.

    python -m clinic_project.benchmarks.threads [--seconds 10] [--slow 4]

A slow client sends a login's body byte by byte, as over a bad line, and keeps whoever reads it waiting; sync workers read
one request at a time. Meanwhile, one client reads a record again and again.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

from .output import write_line
from .serving import FilledDatabase, filled_database, gunicorn

LINES = (("--workers", "4"), ("--workers", "4", "--threads", "4", "--preload"))
#: Of a slow body: bytes, and seconds between two of them.
LENGTH, PAUSE = 100, 0.02


def main() -> None:
    options = _arguments()
    with filled_database() as made:
        write_line(f"One client reads a record for {options.seconds} s")
        write_line(f"{'gunicorn':38}{'slow clients':>14}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}")
        for line in LINES:
            for slow in (0, options.slow):
                with gunicorn(*line) as (_, origin), _slow_clients(origin, slow):
                    _report(" ".join(line), slow, _latencies(origin, made, options.seconds), options.seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.threads", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    parser.add_argument("--slow", type=int, default=4, help="slow clients")
    return parser.parse_args()


@contextmanager
def _slow_clients(origin: str, count: int) -> Iterator[None]:
    ended = threading.Event()
    clients = [threading.Thread(target=_send_slowly, args=(origin, ended)) for _ in range(count)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        ended.set()
        for client in clients:
            client.join()


def _send_slowly(origin: str, ended: threading.Event) -> None:
    while not ended.is_set():
        connection = HTTPConnection(urlsplit(origin).netloc)
        connection.putrequest("POST", "/api/auth/login")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(LENGTH))
        connection.endheaders()
        for _ in range(LENGTH):
            connection.send(b" ")
            time.sleep(PAUSE)
        connection.getresponse().read()
        connection.close()


def _latencies(origin: str, made: FilledDatabase, seconds: float) -> list[float]:
    """Read a record until `seconds` have passed; return the milliseconds that each answer took."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        connection = HTTPConnection(urlsplit(origin).netloc)
        connection.request(
            "GET", f"/api/clinic/medical-records/{made.records[0]}", headers={"Authorization": f"Bearer {made.token}"}
        )
        connection.getresponse().read()
        connection.close()
        found.append((time.monotonic() - started) * 1000)
    return found


def _report(line: str, slow: int, latencies: list[float], seconds: float) -> None:
    p50, p99 = statistics.median(latencies), sorted(latencies)[int(len(latencies) * 0.99)]
    write_line(f"{line:38}{slow:14}{len(latencies) / seconds:12.1f}{p50:10.1f}{p99:10.1f}")


if __name__ == "__main__":
    main()
