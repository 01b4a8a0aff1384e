"""The embedded server: who can reach it, and when it stops. Each test runs processes of their own, on data of their own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from clinic_project.reconciliation.tests.support.waiting import wait_until
from medical_records.tests.servers import answers, free_port

pytestmark = pytest.mark.slow  # each starts a server or two

#: manage.py, with the embedded server's data elsewhere. In the background, it inherits a terminal's signals as ignored ones.
MANAGE = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ["DJANGO_SETTINGS_MODULE"] = "clinic_project.settings"
from clinic_project import database
database.STATE_FOLDER = Path(__file__).parent / "state"
database.embedded_server_url.__defaults__ = (database.STATE_FOLDER, "")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

#: Seconds in which a server starts or stops.
TIMEOUT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "manage.py").write_text(MANAGE)
    yield folder
    if (left := server_pid(folder)) is not None:  # a test has failed
        os.kill(left, signal.SIGINT)


@pytest.fixture
def environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SECRET_KEY")}
    return {**inherited, "PYTHONPATH": str(settings.BASE_DIR), "DEBUG": "true"}


@contextlib.contextmanager
def manage(folder: Path, environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a process group of its own; whatever is left of it at the end is killed."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def server_pid(folder: Path) -> int | None:
    """Return the pid of the embedded server, if it runs."""
    for path in (folder / "state").glob("*/postmaster.pid"):
        pid = int(path.read_text().split()[0])
        if psutil.pid_exists(pid):
            return pid
    return None


@contextlib.contextmanager
def runserver(folder: Path, environment: dict[str, str], *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Start runserver, and wait until it answers."""
    port = free_port()
    with manage(folder, environment, "runserver", str(port), *options) as process:
        wait_until(lambda: answers(port) or process.poll() is not None)
        assert server_pid(folder) is not None
        yield process


@pytest.mark.parametrize("options", [(), ("--noreload",)], ids=["reloading", "noreload"])
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="Ctrl-C"),
        pytest.param(lambda pid: os.killpg(pid, signal.SIGHUP), id="closed terminal"),
        pytest.param(lambda pid: os.killpg(pid, signal.SIGTERM), id="SIGTERM to all"),
        pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="SIGTERM"),
    ],
)
def test_a_stopped_runserver_leaves_no_server_behind(options, end, folder, environment):
    with runserver(folder, environment, *options) as process:
        end(process.pid)
        process.wait(TIMEOUT)
        wait_until(lambda: server_pid(folder) is None)


def test_the_server_stays_for_who_still_uses_it(folder, environment):
    with runserver(folder, environment, "--noreload") as first:
        with runserver(folder, environment, "--noreload") as second:
            second.terminate()
            second.wait(TIMEOUT)
        assert server_pid(folder) is not None
        first.terminate()
        first.wait(TIMEOUT)
        wait_until(lambda: server_pid(folder) is None)


def test_a_list_of_users_that_was_lost_keeps_no_server(folder, environment):
    """A process that is killed while it writes the list leaves it empty."""
    with runserver(folder, environment, "--noreload") as process:
        (listed,) = (folder / "state").glob("*/.handle_pids.json")
        listed.write_text("")
        process.terminate()
        process.wait(TIMEOUT)
        wait_until(lambda: server_pid(folder) is None)


def test_after_a_killed_process_the_next_one_stops_the_server(folder, environment):
    with runserver(folder, environment, "--noreload") as process:
        process.kill()
        process.wait(TIMEOUT)
    with manage(folder, environment, "check", "--database", "default") as process:
        output, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, output
    wait_until(lambda: server_pid(folder) is None)


@pytest.mark.parametrize("path", ["of the system", "without any psql"])
def test_dbshell_reaches_the_embedded_server(path, folder, environment, tmp_path):
    """Where the system has no psql, the one that comes with the embedded server is used."""
    if path != "of the system":
        for program in ("useradd", "env", "sh"):
            found = next(p for p in (Path("/bin") / program, Path("/usr/sbin") / program, tmp_path) if p.exists())
            (tmp_path / program).symlink_to(found)
        environment = {**environment, "PATH": str(tmp_path)}
    with manage(folder, environment, "dbshell", "--", "--no-align", "--tuples-only") as process:
        output, _ = process.communicate("SELECT 'in ' || current_database();\n", timeout=TIMEOUT)
        assert process.returncode == 0, output
        assert "in postgres" in output.splitlines()
    wait_until(lambda: server_pid(folder) is None)
