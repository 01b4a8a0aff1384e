"""The walk through the API, as a newcomer takes it: the commands that the README names, each a process of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database
from clinic_project.reconciliation.tests.support.fixtures import copy_of, empty_database, unblocked

from . import servers
from .servers import free_port, runserver

__all__ = ["copy_of", "empty_database", "unblocked"]

WALK = "medical_records/api/walk.sh"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")]


@pytest.fixture
def environment(empty_database: Database, tmp_path: Path) -> dict[str, str]:
    return servers.environment(empty_database.url, tmp_path / "media")


def run(environment: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_newcomer_walks_through_the_api(empty_database, environment, tmp_path):
    for command in ("migrate", "load_demo"):
        assert run(environment, sys.executable, "manage.py", command).returncode == 0
    port, log = free_port(), tmp_path / "log"
    with runserver(environment, port, log):
        walk = run(environment, "bash", WALK, f"http://127.0.0.1:{port}")
        home = urlopen(f"http://127.0.0.1:{port}/").read().decode()
    assert walk.returncode == 0, walk.stdout + walk.stderr

    shown = (PROJECT_FOLDER / "medical_records/README.md").read_text().split(f"$ bash {WALK}")[1].split("```")[0]
    excerpt = [line for line in shown.splitlines()[1:] if "…" not in line]
    assert excerpt
    assert set(excerpt) <= set(walk.stdout.splitlines())

    statuses = [int(status) for status in re.findall(r"^HTTP/1.1 (\d+)", walk.stdout, re.MULTILINE)]
    assert len(statuses) == walk.stdout.count("\n$ curl")
    expected = {201: 3, 204: 2, 401: 1, 409: 1, 412: 1}
    assert {status: statuses.count(status) for status in expected} == expected
    [(record, version, in_trash)] = empty_database.rows(
        "SELECT id, version, is_deleted FROM medical_records WHERE appointment_id IS NULL"
    )
    assert (version, in_trash) == (7, False)
    assert f"/clinic/medical-records/{record}/restore" in walk.stdout
    assert empty_database.rows(
        "SELECT medical_record_id, is_pending, is_deleted FROM patient_photos WHERE filename = 'knee.png'"
    ) == [(record, False, False)]

    assert "bash medical_records/api/walk.sh" in home
    lines = log.read_text().splitlines()
    assert [line for line in lines if re.fullmatch(r'\d\d:\d\d:\d\d "GET /api/auth/me HTTP/1\.1" 401 \d+', line)]


def test_without_a_server_it_says_how_to_start_one(environment):
    walk = run(environment, "bash", WALK, f"http://127.0.0.1:{free_port()}")
    assert walk.returncode == 1
    assert "Start the server there: python manage.py runserver" in walk.stderr
