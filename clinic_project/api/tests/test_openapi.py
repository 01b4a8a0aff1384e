"""The OpenAPI document: that the committed one is true, and that the API keeps to it.

A longer run, against a server with the demo in it, is described in the README.
"""

import json
from pathlib import Path

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings

from clinic_project.api.models import AccessToken
from clinic_project.wsgi import application
from medical_records.factories import MedicalRecordFactory

COMMITTED = Path(__file__).parents[1] / "openapi.json"
COMMAND = "python manage.py spectacular --format openapi-json --validate --file clinic_project/api/openapi.json"


def test_the_committed_document_is_what_the_code_says():
    generated = SchemaGenerator().get_schema(request=None, public=True)
    assert json.loads(COMMITTED.read_text()) == json.loads(json.dumps(generated)), f"Run: {COMMAND}"


def test_it_is_served_without_credentials(client):
    response = client.get("/api/schema")
    assert response.status_code == 200
    assert response.json() == json.loads(COMMITTED.read_text())


@pytest.fixture
def token(member):
    """Credentials in a clinic with a record in it."""
    MedicalRecordFactory(patient__clinic=member.clinic)
    token, _ = AccessToken.objects.issue(member.user)
    return token


config = schemathesis.Config.from_path(COMMITTED.with_name("schemathesis.toml"))
# From the file, not by a request: when tests are collected, Django doesn't allow the test client's host yet.
schema = schemathesis.openapi.from_path(COMMITTED, config=config)
schema.app = application


@pytest.mark.slow  # hundreds of requests
@pytest.mark.usefixtures("_keep_the_connection")
@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_generated_requests_are_answered_as_documented(case, token):
    case.call_and_validate(base_url="http://testserver", headers={"Authorization": f"Bearer {token}"})
