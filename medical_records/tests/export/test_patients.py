"""What a patient's copy has in it."""

import errno
import hashlib
import io
import zipfile
from datetime import UTC, datetime
from itertools import product

import pytest
from django.core.files.storage import default_storage
from django.db.models import JSONField, Value
from django.utils import timezone

from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from medical_records.exceptions import Retained
from medical_records.export.exceptions import ChangedMeanwhile
from medical_records.export.patients import export_patient
from medical_records.export.responses import export_name
from medical_records.factories import (
    MedicalRecordFactory,
    MedicalRecordTemplateFactory,
    PatientPhotoFactory,
    make_field,
)
from medical_records.photos.responses import FileMissing
from medical_records.photos.storage import StorageUnavailable
from medical_records.tests.photos.image_files import plain

from .exports import assert_valid_fhir, exported, photo_with_file

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def patient():
    return PatientFactory(full_name="林美玲", gender="female", notes="Speaks Hakka")


def test_a_copy_has_records_photos_and_histories(patient):
    record = MedicalRecordFactory(patient=patient)
    photo = photo_with_file(patient=patient, medical_record=record)
    found = exported(patient)
    assert {*found.names} == {
        *("README.txt", "SHA256SUMS", "index.html", "fhir.json", "patient.json", "history/patient.json"),
        "access-log.json",
        *(f"records/{record.pk}.json", f"history/records/{record.pk}.json"),
        *(f"photos/{photo.pk}.jpg", f"photos/{photo.pk}.json", f"history/photos/{photo.pk}.json"),
    }
    assert found.bytes(f"photos/{photo.pk}.jpg") == plain()
    assert [photo["id"] for photo in found.json(f"records/{record.pk}.json")["photos"]] == [photo.pk]
    assert [change["action"] for change in found.json(f"history/records/{record.pk}.json")] == ["created"]


def test_every_file_is_explained(patient, settings):
    settings.TIME_ZONE = "Asia/Taipei"
    photo_with_file(patient=patient)
    PatientPhotoFactory(patient=patient)
    found = exported(patient)
    explained = found.text("README.txt")
    for name in {*found.names} - {"README.txt"}:
        assert name.split("/")[0] in explained
    assert "(Asia/Taipei) by Dr. Chen" in explained
    assert "(Asia/Taipei) by Dr. Chen" in found.index
    assert max(map(len, explained.splitlines())) <= 80


def test_the_sums_hold(patient):
    photo_with_file(patient=patient)
    found = exported(patient)
    sums = dict(line.split("  ")[::-1] for line in found.text("SHA256SUMS").splitlines())
    assert sums == {name: hashlib.sha256(found.bytes(name)).hexdigest() for name in found.names if name != "SHA256SUMS"}


def test_a_record_is_as_the_api_shows_it(api, clinic, member):
    record = MedicalRecordFactory(patient=PatientFactory(clinic=clinic))
    shown = api.get(f"/api/clinic/medical-records/{record.pk}").json()
    assert exported(record.patient).json(f"records/{record.pk}.json") == shown
    history = api.get(f"/api/clinic/medical-records/{record.pk}/history").json()["results"]
    assert exported(record.patient).json(f"history/records/{record.pk}.json") == history


def test_who_looked_is_in_it_as_the_api_shows_it(api, clinic, member):
    record = MedicalRecordFactory(patient=PatientFactory(clinic=clinic))
    assert exported(record.patient).json("access-log.json") == []
    api.get(f"/api/clinic/medical-records/{record.pk}")
    found = exported(record.patient).json("access-log.json")
    assert [(look["action"], look["records"], look["user"]["name"]) for look in found] == [
        ("view", [record.pk], member.full_name)
    ]
    assert api.get(f"/api/clinic/patients/{record.patient_id}/access-log").json()["results"] == found


def test_the_page_shows_answers_under_their_labels(patient):
    record = MedicalRecordFactory(patient=patient)
    found = exported(patient)
    for field in record.template_snapshot["fields"]:
        assert field["label"] in found.index
    assert "nothing unusual" in found.index
    assert "林美玲" in found.index
    assert "by Dr. Chen" in found.index


def test_answers_are_no_html(patient):
    template = MedicalRecordTemplateFactory(clinic=patient.clinic, fields=[make_field("<b>Label</b>")])
    evil = "</dd><script>alert(1)</script>"
    field_id = template.fields[0]["id"]
    MedicalRecordFactory(patient=patient, template=template, template_name="<i>", values={field_id: evil, "x": "<u>"})
    photo_with_file(patient=patient, filename='" onerror="alert(1)', description="<img src=x>")
    patient.full_name = "<script>"
    patient.save()
    page = exported(patient).index
    for mark in ("<script", "<b>Label", "<i>", "<u>", "<img src=x>", '" onerror="'):
        assert mark not in page


def test_the_trash_is_in_it_and_marked(patient):
    record = MedicalRecordFactory(patient=patient, in_trash=True)
    photo = photo_with_file(patient=patient, in_trash=True)
    found = exported(patient)
    assert found.json(f"records/{record.pk}.json")["is_deleted"] is True
    assert f"photos/{photo.pk}.jpg" in found.names
    assert found.index.count("in the trash)") == 2
    assert {one["status"] for one in found.resources("QuestionnaireResponse")} == {"entered-in-error"}
    assert {one["status"] for one in found.resources("Media")} == {"entered-in-error"}


def test_what_was_entered_in_error_is_in_it_and_marked(patient):
    mark = {"entered_in_error_at": timezone.now(), "entered_in_error_reason": "Of her <sister>"}
    record = MedicalRecordFactory(patient=patient, entered_in_error_by_name="Dr. Chen", **mark)
    found = exported(patient)
    shown = found.json(f"records/{record.pk}.json")["entered_in_error"]
    assert (shown["by"]["name"], shown["reason"]) == ("Dr. Chen", "Of her <sister>")
    assert found.index.count("(entered in error)") == 1
    assert "by Dr. Chen: Of her &lt;sister&gt;" in found.index
    assert [one["status"] for one in found.resources("QuestionnaireResponse")] == ["entered-in-error"]


def test_a_deleted_patient_has_a_copy_too():
    found = exported(PatientFactory(in_trash=True))
    assert found.resources("Patient")[0]["active"] is False
    assert "In the trash since" in found.index


def test_nothing_of_others_is_in_it(patient):
    other = PatientFactory(clinic=patient.clinic)
    MedicalRecordFactory(patient=other)
    photo_with_file(patient=other)
    # As another program may have left it: another clinic's record of this patient.
    MedicalRecordFactory(patient=patient, clinic=PatientFactory().clinic)
    found = exported(patient)
    assert not [name for name in found.names if name.startswith(("records/", "photos/", "history/records"))]


def test_names_of_files_have_no_name_in_them(patient):
    MedicalRecordFactory(patient=patient)
    photo_with_file(patient=patient, filename="林美玲.jpg")
    assert not [name for name in exported(patient).names if "林" in name]


def test_a_missing_file_is_told_and_the_rest_goes_on(patient):
    missing = PatientPhotoFactory(patient=patient)
    whole = photo_with_file(patient=patient)
    found = exported(patient)
    assert f"photos/{whole.pk}.jpg" in found.names
    assert f"photos/{missing.pk}.jpg" not in found.names
    assert f"Photo {missing.pk}: The file of this photo is missing" in found.text("PROBLEMS.txt")
    assert "1 picture missing or damaged" in found.index
    assert (
        "is missing" in next(one for one in found.resources("Media") if "url" not in one["content"])["note"][0]["text"]
    )


def test_a_damaged_file_is_kept_and_told(patient):
    photo = photo_with_file(patient=patient)
    with default_storage.open(photo.storage_key, "wb") as file:
        file.write(b"damaged")
    found = exported(patient)
    assert found.bytes(f"photos/{photo.pk}.jpg") == b"damaged"
    assert f"Photo {photo.pk}: The file of this photo isn't the one" in found.text("PROBLEMS.txt")


def test_a_file_that_goes_while_the_zip_is_sent_leaves_no_zip(patient, caplog):
    photo = photo_with_file(patient=patient)
    archive = export_patient(patient, "Dr. Chen", timezone.now())
    default_storage.delete(photo.storage_key)
    sent = []
    with pytest.raises(FileMissing):
        sent += archive
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(sent)))
    assert "cut off" in caplog.text


def test_a_storage_that_is_away_ends_it_before_it_begins(patient, monkeypatch):
    photo_with_file(patient=patient)
    monkeypatch.setattr(default_storage, "open", broken)
    with pytest.raises(StorageUnavailable):
        export_patient(patient, "Dr. Chen", timezone.now())


def test_one_file_that_cannot_be_read_is_told(patient, monkeypatch):
    photo_with_file(patient=patient)
    unreadable = PatientPhotoFactory(patient=patient)
    opened = default_storage.open
    monkeypatch.setattr(default_storage, "open", lambda key: broken() if key == unreadable.storage_key else opened(key))
    assert f"Photo {unreadable.pk}: The file of this photo can't be read" in exported(patient).text("PROBLEMS.txt")


def broken(key: str = ""):
    raise OSError(errno.EIO, "Input/output error")


def test_a_photo_that_is_removed_meanwhile_ends_it(patient, monkeypatch):
    photo = photo_with_file(patient=patient)
    from medical_records.export import patients

    enter = patients.one_state

    def one_state():
        photo.delete()
        return enter()

    monkeypatch.setattr(patients, "one_state", one_state)
    with pytest.raises(ChangedMeanwhile):
        export_patient(patient, "Dr. Chen", timezone.now())


def test_the_bundle_is_valid_fhir(patient):
    author = MembershipFactory(clinic=patient.clinic, full_name="Dr. Wu").user
    record = MedicalRecordFactory(patient=patient, created_by_user=author)
    photo = photo_with_file(patient=patient, medical_record=record, description="Left knee")
    found = exported(patient)
    assert_valid_fhir(found.json("fhir.json"))
    [response] = found.resources("QuestionnaireResponse")
    assert response["author"] == {"display": "Dr. Wu"}
    [media] = found.resources("Media")
    assert media["content"]["url"] == f"photos/{photo.pk}.jpg"
    assert media["content"]["size"] == len(plain())


def test_records_of_one_template_have_one_questionnaire(patient):
    template = MedicalRecordTemplateFactory(clinic=patient.clinic)
    MedicalRecordFactory.create_batch(2, patient=patient, template=template)
    MedicalRecordFactory(patient=patient)
    found = exported(patient)
    urls = [one["url"] for one in found.resources("Questionnaire")]
    assert len(urls) == 2
    assert {one["questionnaire"] for one in found.resources("QuestionnaireResponse")} == {*urls}


def test_numbers_are_as_they_were_written(patient):
    from django.db import connection

    record = MedicalRecordFactory(patient=patient)
    temperature = record.template_snapshot["fields"][2]["id"]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE medical_records SET values = %s::jsonb WHERE id = %s",
            [f'{{"{temperature}": 37.50000000000000000001}}', record.pk],
        )
    found = exported(patient)
    assert '"valueDecimal":37.50000000000000000001' in found.text("fhir.json")
    assert "37.50000000000000000001" in found.text(f"records/{record.pk}.json")


def test_rows_of_other_systems_are_exported(patient):
    template = MedicalRecordTemplateFactory(clinic=patient.clinic)
    number = {"id": "x", "type": "number", "unit": 7, "min": "low"}
    snapshots = [None, [], {"fields": "none"}, {"name": 3, "fields": [number, {"id": " "}, 7]}]
    answers = [None, [], "text", {"a": {"b": [1]}}, {"": 1, "x": [True]}, {"x": 10**400}, {"x": " \u3000"}]
    for snapshot, values in product(snapshots, answers):
        as_json = {"template_snapshot": Value(snapshot, JSONField()), "values": Value(values, JSONField())}
        record = MedicalRecordFactory(patient=patient, template=template, **as_json)
    found = exported(patient)
    assert_valid_fhir(found.json("fhir.json"))
    assert found.json(f"records/{record.pk}.json")["values"] == answers[-1]


def test_a_name_of_a_file_has_the_day_of_the_clinic(settings):
    settings.TIME_ZONE = "Asia/Taipei"
    made_at = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)
    assert export_name(Patient(pk=7), made_at) == "patient-7-2026-03-02.zip"
    assert str(Retained(made_at)).startswith("It has to be kept until 2026-03-02.")
