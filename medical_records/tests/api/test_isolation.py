"""Every route and method with another clinic's ids, wherever they can be put: 404 or nothing, and nothing changed.

A route that isn't on the walk fails the last test.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, get_resolver

from clinic_project.api.converters import RowIdConverter, SequenceConverter
from clinic_project.api.models import IdempotencyKey
from clinic_project.clinics.api.viewsets import ClinicViewSet
from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.tests.photos.image_files import plain

TEMPLATES = "clinic/medical-record-templates"
RECORDS = "clinic/medical-records"
PHOTOS = "clinic/patient-photos"
PATIENTS = "clinic/patients"
APPOINTMENTS = "clinic/appointments"
OF_PATIENT = f"{PATIENTS}/{{patient_id}}/medical-records"

NEW_TEMPLATE = {"name": "Mine now", "fields": []}


@dataclass(frozen=True)
class Step:
    """A request; {names} in it are the foreign clinic's ids, {my_names} one's own."""

    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    finds: str = "nothing"  # or "an empty list"

    def __str__(self) -> str:
        return " ".join([self.method, self.path, *self.body, *self.query])


EMPTY = "an empty list"

WALK = [
    Step("GET", PATIENTS, query={"status": "all"}, finds=EMPTY),
    Step("GET", PATIENTS, query={"search": "Theirs"}, finds=EMPTY),
    Step("GET", f"{PATIENTS}/{{patient_id}}"),
    Step("GET", f"{PATIENTS}/{{patient_id}}/timeline"),
    Step("GET", f"{PATIENTS}/{{patient_id}}/export"),
    Step("GET", f"{PATIENTS}/{{patient_id}}/access-log"),
    Step("GET", APPOINTMENTS, finds=EMPTY),
    Step("GET", APPOINTMENTS, query={"patient_id": "{patient_id}"}, finds=EMPTY),
    Step("GET", TEMPLATES, finds=EMPTY),
    Step("GET", TEMPLATES, query={"status": "all", "search": "Theirs"}, finds=EMPTY),
    Step("GET", f"{TEMPLATES}/{{template}}"),
    Step("GET", f"{TEMPLATES}/{{trashed_template}}"),
    Step("GET", f"{TEMPLATES}/{{template}}/records.csv"),
    Step("POST", f"{TEMPLATES}/{{template}}/copy", {"name": "Mine now"}),
    Step("GET", f"{TEMPLATES}/{{template}}/history"),
    Step("GET", f"{TEMPLATES}/{{template}}/history/{{my_sequence}}"),
    Step("PUT", f"{TEMPLATES}/{{template}}", {**NEW_TEMPLATE, "version": 1}),
    Step("PATCH", f"{TEMPLATES}/{{template}}", {"name": "Mine now", "version": 1}),
    Step("DELETE", f"{TEMPLATES}/{{template}}", {"version": 1}),
    Step("POST", f"{TEMPLATES}/{{trashed_template}}/restore", {"version": 1}),
    Step("GET", OF_PATIENT),
    Step("GET", OF_PATIENT.replace("patient_id", "my_patient"), query={"template_id": "{template}"}, finds=EMPTY),
    Step("GET", OF_PATIENT.replace("patient_id", "my_patient"), query={"appointment_id": "{appointment}"}, finds=EMPTY),
    Step("POST", OF_PATIENT, {"template_id": "{my_template}", "values": {}}),
    Step("POST", OF_PATIENT.replace("patient_id", "my_patient"), {"template_id": "{template}", "values": {}}),
    Step(
        "POST",
        OF_PATIENT.replace("patient_id", "my_patient"),
        {"template_id": "{my_template}", "values": {}, "appointment_id": "{appointment}"},
    ),
    Step(
        "POST",
        OF_PATIENT.replace("patient_id", "my_patient"),
        {"template_id": "{my_template}", "values": {}, "photo_ids": ["{photo}"]},
    ),
    Step("GET", RECORDS, query={"status": "all"}, finds=EMPTY),
    Step("GET", RECORDS, query={"patient_id": "{patient_id}"}, finds=EMPTY),
    Step("GET", RECORDS, query={"template_id": "{template}"}, finds=EMPTY),
    Step("GET", RECORDS, query={"appointment_id": "{appointment}"}, finds=EMPTY),
    Step("GET", RECORDS, query={"updated_since": "2000-01-01T00:00:00Z"}, finds=EMPTY),
    Step("GET", f"{RECORDS}/{{record}}"),
    Step("GET", f"{RECORDS}/{{trashed_record}}"),
    Step("GET", f"{RECORDS}/{{record}}/history"),
    Step("GET", f"{RECORDS}/{{record}}/history/{{my_sequence}}"),
    Step("PUT", f"{RECORDS}/{{record}}", {"values": {}, "version": 1}),
    Step("PATCH", f"{RECORDS}/{{record}}", {"photo_ids": [], "version": 1}),
    Step("PATCH", f"{RECORDS}/{{my_record}}", {"photo_ids": ["{photo}"], "version": 1}),
    Step("PATCH", f"{RECORDS}/{{my_record}}", {"appointment_id": "{appointment}", "version": 1}),
    Step("POST", f"{RECORDS}/{{record}}/sign", {"version": 1}),
    Step("POST", f"{RECORDS}/{{record}}/entered-in-error", {"version": 1, "reason": "Mine now"}),
    Step("DELETE", f"{RECORDS}/{{record}}", {"version": 1}),
    Step("POST", f"{RECORDS}/{{trashed_record}}/restore", {"version": 1}),
    Step("DELETE", f"{RECORDS}/{{trashed_record}}/permanently", {"version": 1}),
    Step("GET", PHOTOS, query={"patient_id": "{patient_id}", "status": "all"}, finds=EMPTY),
    Step("GET", PHOTOS, query={"patient_id": "{patient_id}", "medical_record_id": "{record}"}, finds=EMPTY),
    Step("GET", PHOTOS, query={"patient_id": "{my_patient}", "medical_record_id": "{record}"}, finds=EMPTY),
    Step("POST", PHOTOS, {"patient_id": "{patient_id}", "file": plain()}),
    Step("POST", PHOTOS, {"patient_id": "{patient_id}", "medical_record_id": "{record}", "file": plain()}),
    Step("POST", PHOTOS, {"patient_id": "{my_patient}", "medical_record_id": "{record}", "file": plain()}),
    Step("GET", f"{PHOTOS}/{{photo}}"),
    Step("GET", f"{PHOTOS}/{{trashed_photo}}"),
    Step("GET", f"{PHOTOS}/{{photo}}/history"),
    Step("GET", f"{PHOTOS}/{{photo}}/history/{{my_sequence}}"),
    Step("PATCH", f"{PHOTOS}/{{photo}}", {"description": "Mine now"}),
    Step("DELETE", f"{PHOTOS}/{{photo}}"),
    Step("POST", f"{PHOTOS}/{{trashed_photo}}/restore"),
    Step("GET", f"{PHOTOS}/{{photo}}/file"),
    Step("GET", f"{PHOTOS}/{{photo}}/thumbnail"),
    Step("POST", f"{PHOTOS}/attach", {"record_id": "{record}", "photo_ids": ["{my_photo}"], "version": 1}),
    Step("POST", f"{PHOTOS}/attach", {"record_id": "{my_record}", "photo_ids": ["{photo}"], "version": 1}),
    Step(
        "POST", f"{PHOTOS}/attach", {"record_id": "{my_record}", "photo_ids": ["{my_photo}", "{photo}"], "version": 1}
    ),
]


@pytest.fixture
def ids(clinic):
    """The ids of everything that another clinic has, and of what one has oneself."""
    patient = PatientFactory(full_name="Theirs")
    mine = MedicalRecordFactory(patient__clinic=clinic)
    record = MedicalRecordFactory(patient=patient, appointment=AppointmentFactory(patient=patient))
    return {
        "patient_id": patient.pk,
        "template": record.template_id,
        "trashed_template": MedicalRecordTemplateFactory(clinic=patient.clinic, name="Theirs", in_trash=True).pk,
        "record": record.pk,
        "trashed_record": MedicalRecordFactory(patient=patient, in_trash=True).pk,
        "appointment": record.appointment_id,
        "photo": PatientPhotoFactory(patient=patient, medical_record=record).pk,
        "trashed_photo": PatientPhotoFactory(patient=patient, in_trash=True).pk,
        "my_photo": PatientPhotoFactory(patient=mine.patient).pk,
        "my_patient": mine.patient_id,
        "my_template": mine.template_id,
        "my_record": mine.pk,
        "my_sequence": 1,
    }


def filled(value, ids):
    """Put ids where their names are."""
    if isinstance(value, dict):
        return {name: filled(inner, ids) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, ids) for inner in value]
    return ids[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value


def everything():
    models = (MedicalRecordTemplate, MedicalRecord, PatientPhoto, Patient)
    return [list(model.objects.order_by("pk").values()) for model in models]


def send(api, step, ids):
    data = filled(step.query or step.body, ids)
    url = "/api/" + step.path.format(**ids)
    if "file" in data:
        return api.post(url, {**data, "file": SimpleUploadedFile("a.jpg", data["file"])}, format="multipart")
    return getattr(api, step.method.lower())(url, data)


@pytest.mark.parametrize("step", WALK, ids=str)
def test_another_clinics_things_arent_there_and_stay_as_they_are(api, ids, step, media):
    before = everything()
    response = send(api, step, ids)
    assert everything() == before
    assert not media.exists()
    if step.finds == EMPTY:
        assert response.status_code == 200, response.content
        mine = {ids["my_template"], ids["my_record"], ids["my_patient"]}
        assert {row["id"] for row in response.json()["results"]} <= mine
    else:
        assert response.status_code == 404, response.content


@pytest.mark.parametrize("step", [step for step in WALK if step.finds != EMPTY], ids=str)
def test_what_another_clinic_has_is_told_apart_by_nothing_from_what_nobody_has(api, ids, step):
    def response(ids):
        problem = send(api, step, ids).json()
        return {name: value for name, value in problem.items() if name != "instance"}

    nobodys = {name: pk if name.startswith("my_") else 2**31 - 1 for name, pk in ids.items()}
    assert response(ids) == response(nobodys)


def test_an_idempotency_key_is_its_clinics_and_its_users_own(api, member, ids):
    url = f"/api/clinic/patients/{ids['my_patient']}/medical-records"
    body = {"template_id": ids["my_template"], "values": {}}
    first = api.post(url, body, headers={"Idempotency-Key": "one"})
    assert first.status_code == 201
    # A colleague, and oneself in another clinic, may use the same words for another request.
    colleague = client_of(MembershipFactory(clinic=member.clinic))
    second = colleague.post(url, body, headers={"Idempotency-Key": "one"})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    elsewhere = MembershipFactory(user=member.user, admin=True)
    there = api.post(
        f"/api/{TEMPLATES}", NEW_TEMPLATE, headers={"Idempotency-Key": "one", "X-Clinic-ID": str(elsewhere.clinic_id)}
    )
    assert there.status_code == 201
    assert IdempotencyKey.objects.filter(key="one").count() == 3


def routes():
    """(path, method) of every endpoint within a clinic, ids left out of the path."""
    for prefix, pattern in flattened(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view and issubclass(view, ClinicViewSet):
            for method in pattern.callback.actions.keys() - {"head"}:
                yield shape(prefix), method.upper()


def flattened(patterns, prefix=""):
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield path, pattern
        else:
            yield from flattened(pattern.url_patterns, path)


def shape(path):
    parts = path.removeprefix("api/").split("/")
    return "/".join("*" if part.startswith(("<", "{")) else part for part in parts)


def test_every_route_is_on_the_walk():
    makes_without_naming_anything = {(TEMPLATES, "POST")}
    walked = {(shape(step.path), step.method) for step in WALK} | makes_without_naming_anything
    assert set(routes()) == walked


def test_every_id_in_a_path_is_a_row_id():
    assert RowIdConverter.regex == SequenceConverter.regex == "[^/]+"
    for path, pattern in flattened(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view and issubclass(view, ClinicViewSet):
            assert path.count("<") == path.count("<row_id:") + path.count("/history/<sequence:sequence>"), path
