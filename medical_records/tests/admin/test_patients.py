"""A patient's page in the admin, with records and photos."""

from datetime import UTC, date, datetime

import pytest
from django.urls import reverse

from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.models import Patient
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory

from .pages import file_url, in_trash, patient_url

pytestmark = pytest.mark.django_db


def test_a_patients_page_shows_records_with_their_photos_and_the_gallery(client, staff_member):
    patient = PatientFactory(clinic=staff_member.clinic)
    record = MedicalRecordFactory(patient=patient, template__name="First visit")
    on_record = PatientPhotoFactory(patient=patient, medical_record=record)
    in_gallery = PatientPhotoFactory(patient=patient)
    trashed = PatientPhotoFactory(patient=patient, in_trash=True)
    overview = client.get(patient_url(patient)).context["overview"]
    ((shown, photos),) = [(item.record, item.photos) for item in overview.records]
    assert (shown, photos, overview.gallery) == (record, [on_record], [in_gallery])
    assert (overview.record_count, overview.photo_count, overview.photos_in_trash) == (1, 2, 1)
    page = client.get(patient_url(patient)).content.decode()
    assert "First visit" in page
    assert file_url(on_record, "thumbnail") in page
    assert file_url(trashed, "thumbnail") not in page


def test_a_patients_page_costs_the_same_with_many_records_and_photos(
    client, staff_member, django_assert_num_queries, django_assert_max_num_queries
):
    patient = PatientFactory(clinic=staff_member.clinic)

    def add(count: int) -> None:
        for record in MedicalRecordFactory.create_batch(count, patient=patient):
            PatientPhotoFactory.create_batch(2, patient=patient, medical_record=record)
            PatientPhotoFactory(patient=patient)

    add(1)
    with django_assert_max_num_queries(12) as one:
        client.get(patient_url(patient))
    add(30)
    with django_assert_num_queries(len(one.captured_queries)):
        client.get(patient_url(patient))


def test_another_clinics_rows_about_the_patient_are_not_shown(client, staff_member):
    patient = PatientFactory(clinic=staff_member.clinic)
    foreign = MedicalRecordFactory()
    type(foreign).objects.filter(pk=foreign.pk).update(patient=patient)
    PatientPhotoFactory(patient=patient, clinic=foreign.clinic)
    overview = client.get(patient_url(patient)).context["overview"]
    assert (overview.records, overview.gallery, overview.record_count, overview.photo_count) == ([], [], 0, 0)


def test_new_patients_have_no_overview(client, staff_member):
    response = client.get(reverse("admin:clinics_patient_add"))
    assert response.status_code == 200
    assert "overview" not in response.context


def test_a_patient_is_trashed_and_not_deleted(client, staff_member):
    patient = PatientFactory(clinic=staff_member.clinic)
    MedicalRecordFactory(patient=patient)
    client.post(reverse("admin:clinics_patient_delete", args=[patient.pk]), {"post": "yes"})
    assert in_trash(patient)


def test_dates_are_written_in_one_way(client, staff_member):
    patient = PatientFactory(clinic=staff_member.clinic, birthday=date(1956, 12, 9))
    when = datetime(2026, 9, 6, 11, 10, tzinfo=UTC)
    Patient.objects.filter(pk=patient.pk).update(created_at=when)
    MedicalRecordFactory(patient=patient, created_at=when)
    assert client.get(patient_url(patient)).content.decode().count("6 Sep 2026, 11:10") == 2
    assert "9 Dec 1956" in client.get(reverse("admin:clinics_patient_changelist")).content.decode()
