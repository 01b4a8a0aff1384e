"""The export of a patient in the admin: who may have it, and what the page says."""

import csv
import io

import pytest
from django.contrib.messages import get_messages
from django.core.files.storage import default_storage
from django.urls import reverse

from clinic_project.audit.models import Access
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecordTemplate
from medical_records.tests.export.exports import Unpacked, photo_with_file

from .pages import change_url

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def url(patient, page: str = "export") -> str:
    return reverse(f"admin:clinics_patient_{page}", args=[patient.pk])


@pytest.fixture
def patient(clinic_admin):
    return PatientFactory(clinic=clinic_admin.clinic)


def test_an_administrator_downloads_it(client, clinic_admin, patient):
    record = MedicalRecordFactory(patient=patient)
    assert url(patient) in client.get(url(patient, "change")).content.decode()
    assert url(patient, "download") in client.get(url(patient)).content.decode()
    response = client.get(url(patient, "download"))
    found = Unpacked(b"".join(response))
    assert f"records/{record.pk}.json" in found.names
    assert f"by {clinic_admin.full_name}" in found.index


def test_the_page_says_how_much_there_is(client, patient):
    MedicalRecordFactory(patient=patient)
    MedicalRecordFactory(patient=patient, in_trash=True)
    PatientPhotoFactory(patient=patient, size_bytes=3_000_000)
    context = client.get(url(patient)).context
    assert context["records"] == {"all": 2, "in_trash": 1}
    assert context["photos"] == {"all": 1, "in_trash": 0, "size": 3_000_000}


def test_a_superuser_without_a_membership_is_named_by_the_beginning_of_the_email(client, superuser):
    response = client.get(url(PatientFactory(), "download"))
    index = Unpacked(b"".join(response)).index
    assert f"by {superuser.name}" in index
    assert superuser.email not in index


def test_a_practitioner_may_not_have_it(client, staff_member):
    patient = PatientFactory(clinic=staff_member.clinic)
    assert url(patient) not in client.get(url(patient, "change")).content.decode()
    assert client.get(url(patient)).status_code == 403
    assert client.get(url(patient, "download")).status_code == 403


@pytest.mark.parametrize("page", ["export", "download"])
def test_a_patient_of_another_clinic_is_not_there(client, clinic_admin, page):
    assert client.get(url(PatientFactory(), page)).status_code == 302


def test_it_is_only_read(client, patient):
    assert client.post(url(patient, "download")).status_code == 405


def test_what_fails_is_said_on_the_page(client, patient, monkeypatch):
    photo_with_file(patient=patient)

    def broken(key):
        raise OSError("away")

    monkeypatch.setattr(default_storage, "open", broken)
    response = client.get(url(patient, "download"))
    assert response["Location"] == url(patient)
    [message] = get_messages(response.wsgi_request)
    assert "The storage of the photos is full, broken or away." in str(message)


# The records of a template as CSV


def csv_of(client, template, **headers) -> list[list[str]]:
    response = client.get(csv_url(template), headers=headers)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return [*csv.reader(io.StringIO(b"".join(response).decode("utf-8-sig")))]


def csv_url(template) -> str:
    return reverse("admin:medical_records_medicalrecordtemplate_csv", args=[template.pk])


def test_the_records_of_a_template_are_downloaded_in_the_readers_language(client, clinic_admin, patient):
    record = MedicalRecordFactory(patient=patient)
    label = record.template.fields[0]["label"]
    template = MedicalRecordTemplate.objects.get(pk=record.template_id)
    assert csv_url(template) in client.get(change_url(template)).content.decode()
    heading, row = csv_of(client, template)
    assert (heading[0], heading[2], heading[9]) == ("record", "patient's name", label)
    assert (row[0], row[2]) == (str(record.pk), patient.full_name)
    heading, row = csv_of(client, template, **{"Accept-Language": "zh-TW"})
    assert (heading[0], heading[2], heading[9]) == ("病歷編號", "病人姓名", label)
    accesses = Access.objects.values_list("action", "record_ids", "user_name", "clinic_id")
    assert [*accesses] == [("export", [record.pk], clinic_admin.full_name, patient.clinic_id)] * 2


def test_others_may_not_have_the_csv_and_no_other_site_leads_there(client, clinic_admin, patient):
    template = MedicalRecordFactory(patient=patient).template
    assert client.get(csv_url(template), headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    client.force_login(MembershipFactory(clinic=patient.clinic, user__staff=True, roles=["practitioner"]).user)
    assert csv_url(template) not in client.get(change_url(template)).content.decode()
    assert client.get(csv_url(template)).status_code == 403
    assert not Access.objects.exists()
