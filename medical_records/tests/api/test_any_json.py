"""JSON of every kind, depth and size for `fields`, `values` and whole bodies: taken or refused, and never a 500."""

import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic_project.clinics.factories import PatientFactory
from medical_records.factories import MedicalRecordTemplateFactory
from medical_records.template_fields import NUMBER_MEMBERS

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["", "\0", "\ud800", "2026-02-30", "Mild", "text", "checkbox", 1e308, -0.0, 2**63, 10**400]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.just("id"), inner, max_size=5),
    max_leaves=20,
)
many = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def post(api, url, body):
    # Written by hand, because 1e999 and half a surrogate pair are things that a client can send.
    text = json.dumps(body).replace("Infinity", "1e999")
    return api.post(url, text, content_type="application/json", headers={"Idempotency-Key": f"{uuid.uuid4()}"})


@many
@given(
    fields=any_json
    | st.lists(
        st.fixed_dictionaries(
            {"label": any_json, "type": any_json}, optional=dict.fromkeys(["options", *NUMBER_MEMBERS], any_json)
        )
    )
)
def test_a_template_with_any_json_as_fields_is_created_or_400(api, fields):
    response = post(api, "/api/clinic/medical-record-templates", {"name": "x", "fields": fields})
    assert response.status_code in {201, 400}, response.content


@pytest.fixture
def template(clinic):
    return MedicalRecordTemplateFactory(clinic=clinic)


@many
@given(data=st.data())
def test_a_record_with_any_json_as_values_is_created_as_sent_or_400(api, clinic, template, data):
    keys = st.sampled_from([field["id"] for field in template.fields])
    values = data.draw(any_json | st.dictionaries(keys, any_json))
    url = f"/api/clinic/patients/{PatientFactory(clinic=clinic).pk}/medical-records"
    response = post(api, url, {"template_id": template.pk, "values": values})
    assert response.status_code in {201, 400}, response.content
    if response.status_code == 201:
        # What has been taken comes back as it was sent.
        assert response.json()["values"] == values
        assert api.get(response["Location"]).json()["values"] == values


@many
@given(body=any_json)
def test_any_json_as_body_is_a_client_error(api, template, body):
    for method, url in (
        ("POST", "/api/auth/login"),
        ("PATCH", f"/api/clinic/medical-record-templates/{template.pk}"),
        ("DELETE", f"/api/clinic/medical-record-templates/{template.pk}"),
        ("POST", "/api/clinic/patient-photos/attach"),
    ):
        text = json.dumps(body).replace("Infinity", "1e999")
        response = api.generic(method, url, text, content_type="application/json")
        assert 400 <= response.status_code < 500, (method, url, response.content)


@pytest.mark.parametrize("depth", [1, 63, 64, 65, 500, 5000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_of_more_than_64_levels_is_refused(api, template, depth, opening, closing):
    deep = opening * depth + "1" + closing * depth
    for body in (deep, f'{{"name": "x", "fields": {deep}}}', f'{{"name": "x", "fields": [], "other": {deep}}}'):
        response = api.post("/api/clinic/medical-record-templates", body, content_type="application/json")
        assert response.status_code in {201, 400, 413}
        assert response.status_code != 201 or depth < 64


@pytest.mark.parametrize("body", ['{"name": "Visit", "name": "Check", "fields": []}', '{"fields": [{"a": 1, "a": 2}]}'])
def test_a_member_that_comes_twice_is_refused_since_one_of_them_would_be_lost(api, body):
    response = api.post("/api/clinic/medical-record-templates", body, content_type="application/json")
    assert response.status_code == 400
    assert "two members of one name" in response.json()["detail"]
