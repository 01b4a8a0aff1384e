"""What is said of any project is tested on ten that nobody here wrote: packages from PyPI, in an environment of their own.

With `pytest -s`, it prints the table of the engine's README.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.databases import PROJECT_FOLDER, Database, server_parameters
from .projects import PROJECTS

pytestmark = pytest.mark.slow

DAMAGES = 20

_rows: list[str] = []


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the packages."""
    folder = tmp_path_factory.mktemp("projects")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--retries=1"]
    requirements = Path(__file__).parent / "requirements.txt"
    installed = subprocess.run(
        [python, "-m", "pip", "install", *options, "--requirement", requirements],
        check=False,
        capture_output=True,
        text=True,
    )
    if installed.returncode and any(sign in installed.stderr for sign in _NO_NETWORK):
        pytest.skip("PyPI can't be reached")
    assert installed.returncode == 0, installed.stderr
    return python


#: What pip says where it can't reach an index.
_NO_NETWORK = ("Failed to establish a new connection", "Temporary failure in name resolution", "Network is unreachable")


@pytest.fixture(scope="module", autouse=True)
def table(unblocked: None) -> Iterator[None]:
    """Prints the table at the end."""
    yield
    if _rows:
        version = Database("postgres").value("SHOW server_version")
        sys.stdout.write("\n".join(("", f"PostgreSQL {version}", *_HEADER, *_rows, "")))


_HEADER = (
    "| project | tables | differences after its own migrations, all repaired | damages repaired | a check takes |",
    "| --- | --- | --- | --- | --- |",
)


@pytest.mark.parametrize("project", PROJECTS)
def test_a_project(project: str, python: Path):
    programs = Database("postgres").value("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    if not (Path(programs) / "pg_dump").exists():
        pytest.skip(f"no pg_dump in {programs}")
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"}
    database |= {name.upper(): value for name, value in server_parameters().items()}
    settings = {
        "DJANGO_SETTINGS_MODULE": f"{__package__}.settings",
        "PROJECT": project,
        "DATABASE": json.dumps(database),
    }
    finished = subprocess.run(
        [python, "-m", __package__, programs, str(DAMAGES)],
        check=False,
        cwd=PROJECT_FOLDER,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["tables"] >= 15
    _rows.append(
        f"| {project} | {found['tables']} | {found['differences']} | {found['damages']} of {DAMAGES}"
        f" | {found['seconds'] * 1000:.0f} ms |"
    )
