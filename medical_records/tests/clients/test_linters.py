"""Linters find nothing in the API's document, neither errors nor warnings."""

import json

import pytest

from .conftest import DOCUMENT, HERE

pytestmark = pytest.mark.slow


def test_redocly(node_modules, run):
    config = HERE / "redocly.yaml"
    found = run(node_modules / ".bin/redocly", "lint", "--config", config, "--format", "json", DOCUMENT)
    assert json.loads(found)["problems"] == []


def test_spectral(node_modules, run):
    rules = HERE / "spectral.yaml"
    run(node_modules / ".bin/spectral", "lint", "--ruleset", rules, "--fail-severity", "warn", DOCUMENT)
