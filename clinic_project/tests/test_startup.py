"""A worker's first request finds everything loaded, and no connection that another worker has, too."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings

SCRIPT = """
import importlib, json, sys
from django.test import Client

importlib.import_module(sys.argv[1])
from django.db import connections

loaded = {*sys.modules, "encodings.unicode_escape"}  # which the log of the 401 needs
client = Client(SERVER_NAME="clinic.example")
answers = [client.get(path).status_code for path in ("/livez", "/api/auth/me", "/admin/login/")]
opened = [one.alias for one in connections.all(initialized_only=True) if one.connection is not None]
print(json.dumps({"answers": answers, "imported": sorted(set(sys.modules) - loaded), "opened": opened}))
"""


ENVIRONMENT = {
    "DATABASE_URL": "postgresql://clinic@database.example/clinic",  # which nothing here asks
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": "clinic.example",
}


@pytest.mark.parametrize("server", ["clinic_project.wsgi", "clinic_project.asgi"])
def test_the_first_requests_import_nothing(server):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, server],
        cwd=settings.BASE_DIR,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == {"answers": [200, 401, 200], "imported": [], "opened": []}


@pytest.mark.slow
def test_the_line_in_the_readme_starts_a_server():
    readme = (settings.BASE_DIR / "clinic_project/README.md").read_text()
    program, *arguments, address = shlex.split(re.search(r"^\$ (gunicorn .*)$", readme, re.MULTILINE)[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = address.replace("0.0.0.0:8000", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", program, *arguments, address]
    server = subprocess.Popen(command, cwd=settings.BASE_DIR, env={**os.environ, **ENVIRONMENT})
    try:
        assert status(f"http://127.0.0.1:{port}/livez") == 200
    finally:
        server.terminate()
        server.wait()


def status(url):
    """Return the status once a server answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return urlopen(Request(url, headers={"Host": "clinic.example"})).status  # noqa: S310 - our own server
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
