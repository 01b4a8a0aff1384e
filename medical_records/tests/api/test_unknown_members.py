"""Members of a body that nothing reads: misspelt ones are refused, and what was read may be sent back as it was."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field

TEMPLATES, RECORDS = "/api/clinic/medical-record-templates", "/api/clinic/medical-records"


@pytest.fixture
def record(clinic):
    return MedicalRecordFactory(patient__clinic=clinic)


def unknown(response) -> dict[str, list[str]]:
    assert (response.status_code, response.json()["type"]) == (400, "/problems/invalid-input")
    return response.json()["errors"]


def test_a_misspelt_member_is_400_with_the_known_ones_named(api, record):
    refused = api.patch(f"{RECORDS}/{record.pk}", {"values": {}, "photo_id": [], "version": 1})
    known = "amendment_reason, appointment_id, photo_ids, template_id, values, version"
    assert unknown(refused) == {"photo_id": [f"Not known here. Known: {known}."]}
    patient = f"/api/clinic/patients/{record.patient_id}/medical-records"
    assert "appointment" in unknown(
        api.post(patient, {"template_id": record.template_id, "values": {}, "appointment": 1})
    )
    assert "incomplet" in unknown(api.post(f"{RECORDS}/{record.pk}/sign", {"version": 1, "incomplet": True}))
    record.refresh_from_db()
    assert record.version == 1


def test_a_misspelt_member_of_a_field_is_400_at_its_place(api):
    fields = [make_field("Complaint"), {"label": "Weight", "type": "number", "requird": True}]
    assert [*unknown(api.post(TEMPLATES, {"name": "Visit", "fields": fields}))] == ["fields.1.requird"]


def test_a_misspelt_field_of_an_upload_is_400(api, record):
    picture = SimpleUploadedFile("knee.jpg", b"x", "image/jpeg")
    form = {"patient_id": record.patient_id, "file": picture, "descripton": "Left knee"}
    assert [*unknown(api.post("/api/clinic/patient-photos", form, format="multipart"))] == ["descripton"]


def test_what_was_sent_instead_of_a_name_isnt_repeated(api):
    refused = api.post(TEMPLATES, {"name": "Visit", "fields": [], "Jane Doe, born 1980": 1})
    assert [*unknown(refused)] == ["body"]
    assert b"Jane" not in refused.content


def test_what_was_read_can_be_sent_back(api, clinic, record):
    template = MedicalRecordTemplateFactory(clinic=clinic, fields=[make_field("Complaint", unit=None)])
    for url in (f"{TEMPLATES}/{template.pk}", f"{RECORDS}/{record.pk}"):
        shown = api.get(url).json()
        changed = api.put(url, shown)
        assert changed.status_code == 200, changed.content
        assert {**changed.json(), "version": 1} | {"updated_at": None, "updated_by_user_id": None} == {
            **shown,
            "updated_at": None,
            "updated_by_user_id": None,
        }
