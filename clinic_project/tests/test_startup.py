"""A worker's first request finds everything loaded, and no connection that another worker has, too."""

import json
import os
import subprocess
import sys

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


@pytest.mark.parametrize("server", ["clinic_project.wsgi", "clinic_project.asgi"])
def test_the_first_requests_import_nothing(server):
    environment = {
        "DATABASE_URL": "postgresql://clinic@database.example/clinic",  # which these requests don't ask
        "SECRET_KEY": "k" * 60,
        "ALLOWED_HOSTS": "clinic.example",
    }
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, server],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == {"answers": [200, 401, 200], "imported": [], "opened": []}
