"""Servers as people start them, each a process of its own: runserver in development, gunicorn in production."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER


def runserver(environment: Mapping[str, str], port: int, log: Path) -> contextlib.AbstractContextManager[None]:
    """Run Django's server, and write what it says to `log`."""
    return running(environment, port, log, "manage.py", "runserver", str(port), "--noreload")


def gunicorn(environment: Mapping[str, str], port: int, log: Path) -> contextlib.AbstractContextManager[None]:
    """Run one worker, which answers one request after the other."""
    return running(environment, port, log, "-m", "gunicorn", "clinic_project.wsgi", "--bind", f"127.0.0.1:{port}")


@contextlib.contextmanager
def running(environment: Mapping[str, str], port: int, log: Path, *command: str) -> Iterator[None]:
    """Run Python with the arguments in `command` until it answers on `port`, and to the end of the block."""
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *command], cwd=PROJECT_FOLDER, env=environment, stdout=output, stderr=output
        )
    try:
        _wait_for_server(port)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def _wait_for_server(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}/livez").close()
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def environment(database_url: str, media: Path) -> dict[str, str]:
    """Return that of development, but for where the database and the files are."""
    settings = {"DATABASE_URL": database_url, "SECRET_KEY": "k" * 50, "DEBUG": "true", "MEDIA_ROOT": str(media)}
    return {**os.environ, **settings}
