"""The tools of other people that read the API's document, and a clinic in which a day can be worked."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clinic_project.clinics.factories import PASSWORD, MembershipFactory, PatientFactory
from medical_records.demo.paintings import paint
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[2] / "clinic_project/api/openapi.json"

EMAIL = "ada@clinic.example"

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path) -> Run:
    """Run a program in the test's folder, and return what it prints; fails if the program does."""
    # Nobody is told that it ran, and what it runs of Python isn't measured.
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "COVERAGE_PROCESS_START": ""}
    # For openapi-python-client, which runs ruff.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """What `package.json` names, in the versions of `package-lock.json`, installed beside them."""
    if not shutil.which("npm"):
        pytest.skip("npm isn't installed")
    ping = ["npm", "ping", "--fetch-retries=0", "--fetch-timeout=10000"]
    if subprocess.run(ping, capture_output=True, check=False).returncode:
        pytest.skip("npm's registry can't be reached")
    folder = os.open(HERE, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # pytest's other worker wants them too
    try:
        return _installed()
    finally:
        os.close(folder)


def _installed() -> Path:
    """Install what isn't installed yet: `npm ci` begins by removing everything, which the other worker may be using."""
    modules, lock = HERE / "node_modules", (HERE / "package-lock.json").read_text()
    of_lock = modules / ".installed-of-lock.json"
    if not of_lock.exists() or of_lock.read_text() != lock:
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        of_lock.write_text(lock)
    return modules


@pytest.fixture
def schema_url(live_server) -> str:
    return f"{live_server.url}/api/schema"


@pytest.fixture
def picture(tmp_path) -> Path:
    file = tmp_path / "knee.jpg"
    file.write_bytes(paint("skin", 1))
    return file


@pytest.fixture
def arguments(transactional_db, live_server, picture) -> list[str]:
    """What `day` is called with: a server, the login of an administrator, and a picture."""
    administrator = MembershipFactory(admin=True, user__email=EMAIL)
    MedicalRecordTemplateFactory(clinic=administrator.clinic)
    patient = PatientFactory(clinic=administrator.clinic, full_name="Grace Hopper")
    MedicalRecordFactory(patient=patient)
    return [live_server.url, EMAIL, PASSWORD, str(picture)]
