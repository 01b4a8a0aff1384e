"""GET /clinic/patients/{id}/export and …/records.csv, as an administrator of the clinic asks for them, and others."""

import asyncio
import logging
import tempfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from clinic_project.audit.models import Access
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.export import patients
from medical_records.export.exceptions import ChangedMeanwhile
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory
from medical_records.photos.responses import FileMissing
from medical_records.tests.export.exports import Unpacked, photo_with_file

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic, full_name="林美玲")


@pytest.fixture
def admin(clinic):
    return client_of(MembershipFactory(clinic=clinic, admin=True, full_name="Dr. Chen"))


def url(patient) -> str:
    return f"/api/clinic/patients/{patient.pk}/export"


def test_an_administrator_gets_the_zip(admin, patient):
    record = MedicalRecordFactory(patient=patient)
    response = admin.get(url(patient))
    content = b"".join(response)
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith(f'attachment; filename="patient-{patient.pk}-')
    assert response["Content-Length"] == str(len(content))
    assert response["Cache-Control"] == "private, no-store"
    found = Unpacked(content)
    assert f"records/{record.pk}.json" in found.names
    assert "by Dr. Chen" in found.index


@pytest.mark.parametrize("method", ["get", "head"])
def test_it_leaves_one_access_with_all_that_it_shows(admin, patient, method):
    record, trashed = MedicalRecordFactory(patient=patient), MedicalRecordFactory(patient=patient, in_trash=True)
    photo = photo_with_file(patient=patient)
    getattr(admin, method)(url(patient))
    access = Access.objects.get()
    assert (access.action, access.patient_ids, access.photo_ids) == ("export", [patient.pk], [photo.pk])
    assert sorted(access.record_ids) == [record.pk, trashed.pk]


def test_what_is_not_sent_leaves_none(admin, clinic, patient, monkeypatch):
    client_of(MembershipFactory(clinic=clinic)).get(url(patient))
    monkeypatch.setattr(patients._Export, "_check_pictures", removed)
    assert admin.get(url(patient)).status_code == 503
    assert not Access.objects.exists()


@pytest.mark.parametrize("roles", [["practitioner"], []])
def test_others_may_not_have_it(clinic, patient, roles):
    assert client_of(MembershipFactory(clinic=clinic, roles=roles)).get(url(patient)).status_code == 403


def test_a_patient_of_another_clinic_is_not_there(admin):
    assert admin.get(url(PatientFactory())).status_code == 404


def test_a_deleted_patient_is_owed_a_copy(admin, clinic):
    assert admin.get(url(PatientFactory(clinic=clinic, in_trash=True))).status_code == 200


def test_head_tells_the_length(admin, patient):
    assert int(admin.head(url(patient))["Content-Length"]) > 1000


def test_it_has_no_parameters(admin, patient):
    assert admin.get(url(patient), {"format": "pdf"}).status_code == 400


def test_what_fails_has_failed_before_the_answer_begins(admin, patient, monkeypatch):
    photo_with_file(patient=patient)
    monkeypatch.setattr(patients._Export, "_check_pictures", removed)
    assert admin.get(url(patient)).json()["type"] == "/problems/changed-meanwhile"


def removed(*args):
    raise ChangedMeanwhile


def test_a_storage_that_is_away_is_503(admin, patient, monkeypatch):
    photo_with_file(patient=patient)

    def broken(key):
        raise OSError("away")

    monkeypatch.setattr(default_storage, "open", broken)
    response = admin.get(url(patient))
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/storage-unavailable"


def test_a_full_temporary_folder_is_503(admin, patient, monkeypatch):
    with Path("/dev/full").open("w+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
        response = admin.get(url(patient))
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/no-room"


def test_a_table_that_is_missing_is_503(admin, patient):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE patient_photos RENAME TO elsewhere")
    assert admin.get(url(patient)).json()["type"] == "/problems/schema-behind"


def test_the_log_has_no_name_in_it(admin, patient, caplog):
    photo = photo_with_file(patient=patient, filename="林美玲.jpg")
    with caplog.at_level(logging.DEBUG, "medical_records"):
        response = admin.get(url(patient))
        default_storage.delete(photo.storage_key)
        with pytest.raises(FileMissing):
            b"".join(response)
    assert "cut off" in caplog.text
    assert "林" not in caplog.text


def test_under_asgi_it_is_sent_piece_by_piece(admin, patient):
    photo_with_file(patient=patient)
    response = admin.get(url(patient))

    async def pieces():
        return [piece async for piece in response]

    sent = asyncio.run(pieces())
    assert len(sent) > 1
    assert len(b"".join(sent)) == int(response["Content-Length"])


def test_the_records_of_a_template_are_sent_as_csv(admin, clinic):
    record = MedicalRecordFactory(patient__clinic=clinic)
    response = admin.get(f"/api/clinic/medical-record-templates/{record.template_id}/records.csv")
    content = b"".join(response)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith(f'attachment; filename="template-{record.template_id}-')
    assert int(response["Content-Length"]) == len(content)
    assert "nothing unusual" in content.decode()
    access = Access.objects.get()
    assert (access.action, access.patient_ids, access.record_ids) == ("export", [record.patient_id], [record.pk])


@pytest.mark.parametrize("roles", [["practitioner"], []])
def test_others_may_not_have_the_csv(clinic, roles):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    reader = client_of(MembershipFactory(clinic=clinic, roles=roles))
    assert reader.get(f"/api/clinic/medical-record-templates/{template.pk}/records.csv").status_code == 403
