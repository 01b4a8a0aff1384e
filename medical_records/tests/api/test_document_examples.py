"""The examples of request bodies in the OpenAPI document: each is valid, and does what its operation is for."""

import json
from pathlib import Path

import jsonschema
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

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
    if "requestBody" in operation
}


def content_of(operation_id):
    """The content type of an operation's body, its schema, and the example."""
    ((content_type, content),) = OPERATIONS[operation_id][2]["requestBody"]["content"].items()
    (example,) = content["examples"].values()
    return content_type, content["schema"], example["value"]


@pytest.fixture
def in_trash(operation_id):
    """Whether the operation is about what is in the trash."""
    return {"in_trash": operation_id.startswith("restore") or operation_id.endswith("Permanently")}


@pytest.fixture
def api(db, in_trash):
    """Sent by an administrator of the clinic that the examples are about."""
    administrator = MembershipFactory(
        admin=True, user__email="ada@clinic.example", user__password="correct horse battery staple"
    )
    patient = PatientFactory(pk=7, clinic=administrator.clinic)
    fields = prepared_fields([{"required": False, **field} for field in content_of("createTemplate")[2]["fields"]])
    template = {"clinic": administrator.clinic, "fields": fields, "version": 3}
    used = MedicalRecordTemplateFactory(pk=5, **template)
    MedicalRecordTemplateFactory(pk=6, **template, **in_trash)
    AppointmentFactory(patient=patient, calendar_event__pk=21)
    PatientPhotoFactory(pk=31, patient=patient)
    MedicalRecordFactory(pk=12, patient=patient, template=used, version=3, **in_trash)
    return client_of(administrator)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_example_is_valid(operation_id):
    _, schema, example = content_of(operation_id)
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(example)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_example_can_be_sent(operation_id, api):
    method, path, operation = OPERATIONS[operation_id]
    row_id = {"templates": 6, "records": 12, "photos": 31}.get(operation["tags"][0])
    url = path.format(id=row_id, patient_id=7)
    content_type, _, example = content_of(operation_id)
    if content_type == "multipart/form-data":
        body = {**example, "file": SimpleUploadedFile("knee.png", image_files.plain())}
        response = api.post(url, body, format="multipart")
    else:
        response = getattr(api, method)(url, example, format="json")
    success = next(status for status in operation["responses"] if status.startswith("2"))
    assert response.status_code == int(success), response.content
