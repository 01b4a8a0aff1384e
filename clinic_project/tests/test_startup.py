"""A worker's first request finds everything loaded, and no connection that another worker has, too."""

import json
import os
import re
import shlex
import subprocess
import sys
from urllib.request import urlopen

import pytest
from django.conf import settings

from medical_records.tests.servers import free_port, running

pytestmark = pytest.mark.slow

SCRIPT = """
import importlib, json, sys
from django.test import Client

importlib.import_module(sys.argv[1])
from django.db import connections

from django.utils.translation import trans_real

catalogues = set(trans_real._translations)
loaded = {*sys.modules, "encodings.unicode_escape"}  # which the log of the 401 needs
client = Client(SERVER_NAME="clinic.example")
answers = [client.get(path).status_code for path in ("/livez", "/api/auth/me", "/admin/login/")]
chinese = client.get("/admin/login/", headers={"Accept-Language": "zh-TW"})
opened = [one.alias for one in connections.all(initialized_only=True) if one.connection is not None]
imported = sorted(set(sys.modules) - loaded)
language = chinese["Content-Language"]
print(json.dumps(dict(answers=answers, imported=imported, opened=opened, catalogues=sorted(catalogues), language=language)))
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
    done = json.loads(run.stdout)
    assert (done["catalogues"], done["language"]) == (["en", "zh-hant"], "zh-hant")
    assert (done["answers"], done["imported"], done["opened"]) == ([200, 401, 200], [], [])


@pytest.mark.slow
def test_the_line_in_the_readme_starts_a_server(tmp_path):
    readme = (settings.BASE_DIR / "clinic_project/README.md").read_text()
    program, *arguments, address = shlex.split(re.search(r"^\$ (gunicorn .*)$", readme, re.MULTILINE)[1])
    port = free_port()
    address = address.replace("0.0.0.0:8000", f"127.0.0.1:{port}")
    environment = {**os.environ, **ENVIRONMENT, "ALLOWED_HOSTS": "127.0.0.1"}
    with running(environment, port, tmp_path / "log", "-m", program, *arguments, address):
        assert urlopen(f"http://127.0.0.1:{port}/livez").status == 200
