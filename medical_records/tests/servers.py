"""Servers as people start them, each a process of its own: runserver in development, gunicorn in production, PgBouncer."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, server_parameters

Server = contextlib.AbstractContextManager["subprocess.Popen[bytes]"]


def runserver(environment: Mapping[str, str], port: int, log: Path) -> Server:
    """Run Django's server, and write what it says to `log`."""
    return running(environment, port, log, "manage.py", "runserver", str(port), "--noreload")


def gunicorn(environment: Mapping[str, str], port: int, log: Path, *options: str) -> Server:
    """Run one worker, which answers one request after the other unless `options` say otherwise."""
    command = ("-m", "gunicorn", "clinic_project.wsgi", "--bind", f"127.0.0.1:{port}", *options)
    return running(environment, port, log, *command)


@contextlib.contextmanager
def running(environment: Mapping[str, str], port: int, log: Path, *command: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run Python with the arguments in `command` until it answers on `port`, and to the end of the block."""
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *command], cwd=PROJECT_FOLDER, env=environment, stdout=output, stderr=output
        )
    try:
        _wait_for_server(port)
        yield server
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


@contextlib.contextmanager
def pgbouncer(pool_mode: str) -> Iterator[int]:
    """Run a PgBouncer before the settings' server, to the end of the block, and give its port; skips where there is none."""
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer isn't installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = _start_pgbouncer(program, Path(folder), port, pool_mode)
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


def _start_pgbouncer(program: str, folder: Path, port: int, pool_mode: str) -> "subprocess.Popen[bytes]":
    server = server_parameters()
    where = " ".join(f"{key}={server[key]}" for key in ("host", "port", "user", "password") if server.get(key))
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = {where}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {pool_mode}\n"
    )
    folder.chmod(0o755)
    # It refuses to run as root. The embedded server's socket is in a folder that is open to its own user alone.
    host = str(server.get("host", ""))
    user = ["-u", Path(host).owner() if host.startswith("/") else "nobody"] if os.getuid() == 0 else []
    process = subprocess.Popen([program, "-q", *user, str(configuration)], stderr=subprocess.PIPE)
    _wait_for_port(port)
    return process


def _wait_for_port(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail("PgBouncer didn't start")
