"""Servers as people start them, each a process of its own: runserver in development, gunicorn in production, PgBouncer."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, server_parameters
from clinic_project.reconciliation.tests.support.waiting import wait_until

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
        wait_until(lambda: answers(port))
        yield server
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)  # gunicorn ends its workers by force after 30 s


def answers(port: int) -> bool:
    """Whether a server of ours does, on that port of this machine."""
    try:
        urlopen(f"http://127.0.0.1:{port}/livez").close()
    except URLError:
        return False
    return True


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
    port = free_port()
    where = where_the_server_is("host", "port", "user", "password")
    configuration = (
        f"[databases]\n* = {where}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = any\npool_mode = {pool_mode}\n"
    )
    with configured_pgbouncer(configuration, port):
        yield port


def where_the_server_is(*parameters: str) -> str:
    """Return these parameters of the settings' server as a PgBouncer's configuration has them."""
    server = server_parameters()
    return " ".join(f"{key}={server[key]}" for key in parameters if server.get(key))


@contextlib.contextmanager
def configured_pgbouncer(configuration: str, port: int, user: str = "", **files: str) -> Iterator["Pooler"]:
    """Run a PgBouncer that listens on `port` with this configuration, in a folder with the `files`: texts by their names.

    Where this is root, it runs as `user`, or as who may reach the settings' server. Skips where there is no PgBouncer.
    """
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer isn't installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, text in files.items():
            (folder / file).write_text(text)
        (folder / CONFIGURATION).write_text(configuration + NO_SOCKET)
        command = [program, "-q", *_user(user), CONFIGURATION]
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _accepts(port))
            yield Pooler(folder, process)
        finally:
            process.terminate()
            process.wait()


CONFIGURATION, NO_SOCKET = "pgbouncer.ini", "unix_socket_dir =\n"


@dataclass(frozen=True)
class Pooler:
    folder: Path
    process: "subprocess.Popen[bytes]"

    def reload(self, configuration: str) -> None:
        (self.folder / CONFIGURATION).write_text(configuration + NO_SOCKET)
        self.process.send_signal(signal.SIGHUP)


def _user(user: str) -> list[str]:
    """Return the option that names whom PgBouncer runs as: it refuses to run as root.

    The embedded server's socket is in a folder that is open to its own user alone.
    """
    host = str(server_parameters().get("host", ""))
    owner = Path(host).owner() if host.startswith("/") else "nobody"
    return ["-u", user or owner] if os.getuid() == 0 else []


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@dataclass(frozen=True)
class Answer:
    """A response with its body's JSON, which is None where there is none."""

    status: int
    headers: Message
    body: Any


class JSONClient:
    """Sends JSON with a member's token to a server of this machine, over a connection that stays open."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request to `path`, below /api/; the names of `headers` have underscores in them."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        text = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/{path}", text, {**self._headers, **named})
        answer = self._connection.getresponse()
        content = answer.read()
        return Answer(answer.status, answer.headers, json.loads(content) if content else None)


#: What a form and a cookie have to agree in, for the server to take a form from a session.
CSRF_TOKEN = "t" * 32


@dataclass(frozen=True)
class SessionClient:
    """Sends requests with a session, each over a connection of its own."""

    port: int
    session: str

    def send_json(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request to `path`, below /api/."""
        text = None if body is None else json.dumps(body)
        answer, content = self._send(method, f"/api/{path}", text, "application/json")
        return Answer(answer.status, answer.headers, json.loads(content) if content else None)

    def send_form(self, method: str, page: str, form: Mapping[str, Any] | None = None) -> Answer:
        """Send a request to `page`, below /admin/."""
        text = None if form is None else urlencode({"csrfmiddlewaretoken": CSRF_TOKEN, **form})
        answer, _ = self._send(method, f"/admin/{page}", text, "application/x-www-form-urlencoded")
        return Answer(answer.status, answer.headers, None)

    def _send(
        self, method: str, path: str, body: str | None, content_type: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        cookie = f"sessionid={self.session}; csrftoken={CSRF_TOKEN}"
        headers = {"Content-Type": content_type, "Cookie": cookie, "X-CSRFToken": CSRF_TOKEN}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
