"""What a change is answered with: what it has made, whatever others do right after it."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import Error, connection

from clinic_project.clinics.factories import PatientFactory
from medical_records.api.photos import PhotoViewSet
from medical_records.api.records import BaseRecordViewSet
from medical_records.api.templates import TemplateViewSet
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

from ..photos.image_files import plain

pytestmark = pytest.mark.django_db(transaction=True)


class Rival:
    """Removes or changes every row, on a connection of its own, just before an answer is read; it waits for no lock."""

    def __init__(self, statement):
        self.statement = statement

    def __call__(self, *args):
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
                cursor.execute(self.statement)
        except Error:
            pass  # the change holds the row, as it should
        finally:
            other.close()


@pytest.fixture(params=["UPDATE {table} SET version = 77", "DELETE FROM {table}"])
def rival(request, monkeypatch):
    """Let a rival at every template and record before any is read for an answer."""

    def let(table):
        strike = Rival(request.param.format(table=table))
        for viewset in (TemplateViewSet, BaseRecordViewSet):
            row_response = viewset.row_response

            def after_the_rival(self, *args, row_response=row_response, **options):
                strike()
                return row_response(self, *args, **options)

            monkeypatch.setattr(viewset, "row_response", after_the_rival)

    return let


def test_a_new_template_is_answered_as_it_was_made(api, rival):
    rival("medical_record_templates")
    response = api.post("/api/clinic/medical-record-templates", {"name": "Mine", "fields": []})
    assert (response.status_code, response["ETag"], response.json()["version"]) == (201, '"1"', 1)


@pytest.mark.parametrize("method", ["patch", "put", "restore"])
def test_a_changed_template_is_answered_as_it_was_changed(api, clinic, rival, method):
    template = MedicalRecordTemplateFactory(clinic=clinic, in_trash=method == "restore")
    rival("medical_record_templates")
    url = f"/api/clinic/medical-record-templates/{template.pk}"
    if method == "restore":
        response = api.post(f"{url}/restore", {"version": 1})
    else:
        response = getattr(api, method)(url, {"name": "Mine", "fields": [], "version": 1})
        assert response.json()["name"] == "Mine"
    assert (response.status_code, response["ETag"], response.json()["version"]) == (200, '"2"', 2)
    # The rival had its turn before or after, and not in between.
    assert MedicalRecordTemplate.objects.get().version == 2


@pytest.mark.parametrize("key", [None, "one"])
def test_a_new_record_is_answered_as_it_was_made(api, clinic, rival, key):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    url = f"/api/clinic/patients/{PatientFactory(clinic=clinic).pk}/medical-records"
    rival("medical_records")
    headers = {"Idempotency-Key": key} if key else {}
    response = api.post(url, {"template_id": template.pk, "values": {}}, headers=headers)
    assert (response.status_code, response["ETag"], response.json()["version"]) == (201, '"1"', 1)


@pytest.mark.parametrize("method", ["patch", "put", "restore"])
def test_a_changed_record_is_answered_as_it_was_changed(api, clinic, rival, method):
    record = MedicalRecordFactory(patient__clinic=clinic, in_trash=method == "restore")
    rival("medical_records")
    url = f"/api/clinic/medical-records/{record.pk}"
    if method == "restore":
        response = api.post(f"{url}/restore", {"version": 1})
    else:
        response = getattr(api, method)(url, {"values": {}, "version": 1})
        assert response.json()["values"] == {}
    assert (response.status_code, response["ETag"], response.json()["version"]) == (200, '"2"', 2)
    assert MedicalRecord.objects.get().version == 2


class TestPhotos:
    @pytest.fixture(autouse=True)
    def _rival(self, monkeypatch):
        for name in ("row_response", "respond"):
            answer = getattr(PhotoViewSet, name)

            def after_the_rival(self, *args, answer=answer, **options):
                Rival("UPDATE patient_photos SET description = 'theirs'")()
                return answer(self, *args, **options)

            monkeypatch.setattr(PhotoViewSet, name, after_the_rival)

    def test_an_upload_is_answered_as_it_was_made(self, api, clinic):
        patient = PatientFactory(clinic=clinic)
        body = {"patient_id": patient.pk, "description": "mine", "file": SimpleUploadedFile("a.jpg", plain())}
        response = api.post("/api/clinic/patient-photos", body, format="multipart")
        assert (response.status_code, response.json()["description"]) == (201, "mine")
        assert PatientPhoto.objects.get().description == "theirs"
        # What it was isn't taken for what it is.
        again = api.get(response["Location"], headers={"If-None-Match": response["ETag"]})
        assert (again.status_code, again.json()["description"]) == (200, "theirs")

    def test_a_change_is_answered_as_it_was_made(self, api, clinic):
        photo = PatientPhotoFactory(patient__clinic=clinic)
        response = api.patch(f"/api/clinic/patient-photos/{photo.pk}", {"description": "mine"})
        assert (response.status_code, response.json()["description"]) == (200, "mine")
