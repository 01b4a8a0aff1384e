"""Members of a body that nothing reads: misspelt ones are refused, and what was read may be sent back as it was."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clinic_project.api.serializers import MAX_NAMED
from medical_records.factories import (
    MedicalRecordFactory,
    MedicalRecordTemplateFactory,
    PatientPhotoFactory,
    make_field,
)

TEMPLATES, RECORDS = "/api/clinic/medical-record-templates", "/api/clinic/medical-records"
PHOTOS = "/api/clinic/patient-photos"


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


def test_so_can_what_an_object_was_and_a_record_to_which_photos_are_attached(api, clinic, record):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    for url in (f"{TEMPLATES}/{template.pk}", f"{RECORDS}/{record.pk}"):
        past = api.get(f"{url}/history/1").json()
        assert api.put(url, past).status_code == 200
    photo = PatientPhotoFactory(patient=record.patient)
    url = f"{PHOTOS}/{photo.pk}"
    assert api.patch(url, api.get(f"{url}/history/1").json()).status_code == 200
    body = {**api.get(f"{RECORDS}/{record.pk}").json(), "record_id": record.pk, "photo_ids": [photo.pk]}
    attached = api.post(f"{PHOTOS}/attach", body)
    assert attached.status_code == 200
    assert api.post(f"{PHOTOS}/attach", {**attached.json(), "photo_ids": [photo.pk]}).status_code == 200


def test_changes_that_take_a_version_alone_refuse_others_too(api, clinic, record):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    body = {"version": 1, "reson": "x"}
    refused = (
        api.delete(f"{TEMPLATES}/{template.pk}", body),
        api.post(f"{TEMPLATES}/{template.pk}/restore", body),
        api.post(f"{RECORDS}/{record.pk}/restore", body),
    )
    assert [[*unknown(response)] for response in refused] == [["reson"]] * 3
    template.refresh_from_db()
    assert not template.is_deleted


def test_a_response_names_no_more_of_them_than_a_person_reads(api):
    many = {f"member_{number}": 1 for number in range(1_000)}
    assert len(unknown(api.post(TEMPLATES, {"name": "Visit", "fields": [], **many}))) == MAX_NAMED


def test_the_reason_of_the_last_amendment_isnt_sent_back(api, record):
    url = f"{RECORDS}/{record.pk}"
    api.post(f"{url}/sign", {"version": 1, "incomplete": True})
    amended = api.patch(url, {"version": 2, "amendment_reason": "Wrong side"}).json()
    assert api.put(url, amended).json()["type"] == "/problems/not-signed"
    del amended["amendment_reason"]
    assert api.put(url, amended).status_code == 200


def test_a_login_is_strict_too(client, member):
    login = {"email": member.user.email, "password": "x", "opt": "123456"}
    refused = client.post("/api/auth/login", login, content_type="application/json")
    assert unknown(refused) == {"opt": ["Not known here. Known: email, otp, password."]}
