"""Clients are generated from the API's document, whole; they type-check, and a clinic's day can be worked through them."""

import json
import re
import shutil

import pytest

from medical_records.models import MedicalRecord

from .conftest import DOCUMENT, HERE

pytestmark = pytest.mark.slow


@pytest.fixture
def python_client(run, tmp_path, schema_url):
    """The folder of what openapi-python-client generates; it says if it leaves anything out, and fails then."""
    config = HERE / "openapi-python-client.yaml"
    given = ["--url", schema_url, "--config", config, "--meta", "none", "--output-path", "clinic_client"]
    run("openapi-python-client", "generate", "--fail-on-warning", *given)
    return tmp_path / "clinic_client"


@pytest.fixture
def typescript_types(node_modules, run, tmp_path, schema_url):
    """The file of what openapi-typescript generates, beside the program that uses it."""
    for name in ("day.ts", "package.json", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules)
    run(node_modules / ".bin/openapi-typescript", schema_url, "--output", "schema.d.ts")
    return tmp_path / "schema.d.ts"


def operations() -> set[str]:
    paths = json.loads(DOCUMENT.read_text())["paths"]
    return {operation["operationId"] for path in paths.values() for operation in path.values()}


def test_the_python_client_has_every_operation(python_client):
    modules = {file.stem for file in python_client.glob("api/*/*.py")} - {"__init__"}
    assert modules == {re.sub(r"(?=[A-Z])", "_", name).lower() for name in operations()}


def test_the_typescript_client_has_every_operation(typescript_types):
    listed = typescript_types.read_text().split("export interface operations {")[1]
    assert set(re.findall(r"^    (\w+): \{$", listed, re.MULTILINE)) == operations()


def test_a_day_in_python(python_client, run, tmp_path, arguments):
    shutil.copy(HERE / "day.py", tmp_path)
    run("mypy", "--config-file", HERE / "mypy.ini", "day.py", "clinic_client")
    run("python", "day.py", *arguments)
    assert_the_day_is_worked()


def test_a_day_in_typescript(typescript_types, node_modules, run, arguments):
    run(node_modules / ".bin/tsc")
    run("node", "built/day.js", *arguments)
    assert_the_day_is_worked()


def assert_the_day_is_worked():
    newest = MedicalRecord.objects.latest("created_at")
    complaint = newest.template_snapshot["fields"][0]["id"]
    assert newest.values == {complaint: "Better"}
    assert not newest.is_deleted
    assert newest.version == 7  # created, changed, a photo attached, deleted, restored, signed, amended
    assert [photo.description for photo in newest.photos.all()] == ["Left knee"]
    assert MedicalRecord.objects.count() == 2  # and the one that was there
