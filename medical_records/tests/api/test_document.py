"""Responses are what the OpenAPI document says and nothing else; its examples of bodies are valid and can be sent."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.template_fields import prepared_fields
from medical_records.tests.photos import image_files

DOCUMENT = json.loads((Path(__file__).parents[3] / "clinic_project/api/openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
WITH_BODY = [name for name, (_, _, operation) in OPERATIONS.items() if "requestBody" in operation]
PICTURES = {"getPhotoFile", "getPhotoThumbnail"}
FILES = {*PICTURES, "exportPatient", "exportTemplateRecords"}
READING = [name for name, (method, _, _) in OPERATIONS.items() if method == "get" and name not in FILES]


def strict(described):
    """The same part of the document, except that nothing may be in an object that it doesn't name."""
    if isinstance(described, list):
        return [strict(inner) for inner in described]
    if not isinstance(described, dict):
        return described
    closed = {"additionalProperties": False} if isinstance(described.get("properties"), dict) else {}
    return {**closed, **{name: strict(inner) for name, inner in described.items()}}


STRICT = strict(DOCUMENT["components"])

#: What JSON Schema's formats of times require, by RFC 3339: an offset, above all.
FORMATS = jsonschema.FormatChecker(formats=["date"])
for name, pattern in (("time", ""), ("date-time", r"\d{4}-\d\d-\d\dT")):
    time = re.compile(pattern + r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
    FORMATS.checks(name)(lambda value, time=time: not isinstance(value, str) or bool(time.fullmatch(value)))


def assert_is_documented(response, operation_id):
    """Fail unless the body is exactly what the document says, and the headers are there that it names."""
    described = OPERATIONS[operation_id][2]["responses"][str(response.status_code)]
    expected = set(described.get("headers", {})) - {"Idempotent-Replayed"}
    assert expected <= set(response.headers)
    assert_has_documented_body(response, operation_id)


def assert_has_documented_body(response, operation_id):
    described = OPERATIONS[operation_id][2]["responses"][str(response.status_code)]
    for content_type, content in described.get("content", {}).items():
        assert response.headers["Content-Type"] == content_type
        whole = {**content["schema"], "components": STRICT}
        jsonschema.Draft202012Validator(whole, format_checker=FORMATS).validate(response.json())


def content_of(operation_id):
    """The content type of an operation's body, its schema, and the example."""
    ((content_type, content),) = OPERATIONS[operation_id][2]["requestBody"]["content"].items()
    (example,) = content["examples"].values()
    return content_type, content["schema"], {**example["value"]}


@pytest.fixture
def in_trash(operation_id):
    """Whether the operation is about what is in the trash."""
    return {"in_trash": operation_id.startswith("restore") or operation_id.endswith("Permanently")}


@pytest.fixture
def api(db, in_trash, no_retention):
    """Sent by an administrator of the clinic that the examples are about."""
    leave_ids_to_examples()
    administrator = MembershipFactory(
        admin=True, user__email="ada@clinic.example", user__password="correct horse battery staple"
    )
    patient = PatientFactory(pk=7, clinic=administrator.clinic)
    fields = prepared_fields([{"required": False, **field} for field in content_of("createTemplate")[2]["fields"]])
    template = {"clinic": administrator.clinic, "fields": fields, "version": 3}
    used = MedicalRecordTemplateFactory(pk=5, **template)
    MedicalRecordTemplateFactory(pk=6, **template, **in_trash)
    AppointmentFactory(patient=patient, calendar_event__pk=21)
    PatientPhotoFactory(pk=31, patient=patient, **in_trash)
    MedicalRecordFactory(pk=12, patient=patient, template=used, version=3, **in_trash)
    return client_of(administrator)


def leave_ids_to_examples():
    """Go on counting beyond the ids that the examples have: how far the tests before have counted is their affair."""
    with connection.cursor() as cursor:
        for table in ("patients", "medical_record_templates", "medical_records", "patient_photos"):
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            cursor.execute(f"SELECT setval({sequence}, greatest(nextval({sequence}), 100))")


def url_of(operation_id):
    _, path, operation = OPERATIONS[operation_id]
    row_id = {"patients": 7, "templates": 6, "records": 12, "photos": 31}.get(operation["tags"][0])
    return path.format(id=row_id, patient_id=7, sequence=1)


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_an_example_is_valid(operation_id):
    _, schema, example = content_of(operation_id)
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(example)


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_an_example_can_be_sent(operation_id, api):
    method, _, operation = OPERATIONS[operation_id]
    url = url_of(operation_id)
    content_type, _, example = content_of(operation_id)
    if content_type == "multipart/form-data":
        body = {**example, "file": SimpleUploadedFile("knee.png", image_files.plain())}
        response = api.post(url, body, format="multipart")
    else:
        response = getattr(api, method)(url, example, format="json")
    success = next(status for status in operation["responses"] if status.startswith("2"))
    assert response.status_code == int(success), response.content
    assert_is_documented(response, operation_id)


@pytest.mark.parametrize("operation_id", READING)
def test_what_is_read_is_as_documented(operation_id, api):
    query = {"patient_id": 7} if operation_id == "listPhotos" else {}
    response = api.get(url_of(operation_id), query)
    assert response.status_code == 200
    assert_is_documented(response, operation_id)


@pytest.mark.parametrize("operation_id", ["updateTemplate", "updateRecord", "attachPhotos"])
@pytest.mark.parametrize(("named_in", "status"), [("header", 412), ("body", 409)])
def test_a_stale_version_is_answered_with_what_is_there(operation_id, named_in, status, api):
    method, url = OPERATIONS[operation_id][0], url_of(operation_id)
    example = content_of(operation_id)[2]
    if named_in == "header":
        del example["version"]
        response = getattr(api, method)(url, example, format="json", headers={"If-Match": '"2"'})
    else:
        response = getattr(api, method)(url, {**example, "version": 2}, format="json")
    assert response.status_code == status
    assert response.json()["current"]["version"] == 3
    assert_is_documented(response, operation_id)


def test_what_has_to_be_kept_is_answered_as_documented(member):
    record = MedicalRecordFactory(patient__clinic=member.clinic, in_trash=True)
    url = OPERATIONS["deleteRecordPermanently"][1].format(id=record.pk)
    response = client_of(member).delete(url, {"version": 1}, format="json")
    assert (response.status_code, "retained_until" in response.json()) == (409, True)
    assert_has_documented_body(response, "deleteRecordPermanently")
