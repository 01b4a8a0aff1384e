"""Photos in the admin: who gets their files, and a patient's records and photos together."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import PatientPhoto

pytestmark = pytest.mark.django_db


def file_url(photo: PatientPhoto, kind: str = "file") -> str:
    return reverse(f"admin:medical_records_patientphoto_{kind}", args=[photo.pk])


def patient_url(patient) -> str:
    return reverse("admin:clinics_patient_change", args=[patient.pk])


@pytest.fixture
def staff_member(client):
    membership = MembershipFactory(user__staff=True)
    client.force_login(membership.user)
    return membership


@pytest.fixture
def photo(staff_member):
    photo = PatientPhotoFactory(patient__clinic=staff_member.clinic, filename="knee.jpg")
    default_storage.save(photo.storage_key, ContentFile(b"the image"))
    default_storage.save(photo.thumbnail_key, ContentFile(b"the thumbnail"))
    return photo


def test_the_staff_of_its_clinic_see_a_photo(client, photo):
    response = client.get(file_url(photo))
    assert b"".join(response.streaming_content) == b"the image"
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"] == 'inline; filename="knee.jpg"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]
    assert "sandbox" in response["Content-Security-Policy"]
    assert b"".join(client.get(file_url(photo, "thumbnail")).streaming_content) == b"the thumbnail"


def test_a_photo_without_thumbnail_is_its_own(client, photo):
    photo.thumbnail_key = None
    photo.save()
    assert b"".join(client.get(file_url(photo, "thumbnail")).streaming_content) == b"the image"


@pytest.mark.parametrize("kind", ["file", "thumbnail"])
def test_nobody_else_does(kind, client, photo):
    client.force_login(MembershipFactory(user__staff=True).user)
    assert client.get(file_url(photo, kind)).status_code == 404
    client.force_login(MembershipFactory(clinic=photo.clinic).user)  # not on the staff
    assert client.get(file_url(photo, kind)).status_code == 302
    client.logout()
    assert client.get(file_url(photo, kind)).url.startswith(reverse("admin:login"))


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "image/jpeg; x\r\nSet-Cookie: a=b"])
def test_what_another_program_stored_as_a_page_is_only_downloaded(content_type, client, photo):
    photo.content_type = content_type
    photo.save()
    response = client.get(file_url(photo))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("key", ["gone.jpg", "../../etc/passwd", "/etc/passwd", "photos\x00"])
def test_a_file_that_is_not_in_the_storage_is_not_found(key, client, photo):
    PatientPhoto.objects.filter(pk=photo.pk).update(storage_key=key.replace("\x00", "/"))
    assert client.get(file_url(photo)).status_code == 404


def test_a_photo_does_not_come_back_without_its_record(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic, in_trash=True)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    url = reverse("admin:medical_records_patientphoto_restore", args=[photo.pk])
    assert "Restore the record" in client.post(url, follow=True).content.decode()
    photo.refresh_from_db()
    assert photo.is_deleted


def test_what_somebody_trashes_while_it_is_edited_is_told(client, photo, monkeypatch):
    from medical_records.admin import PhotoAdmin

    def trashed_meanwhile(model_admin, request, form, change):
        PatientPhoto.objects.move_to_trash(photo.pk, request.user)
        return form.save(commit=False)

    monkeypatch.setattr(PhotoAdmin, "save_form", trashed_meanwhile)
    url = reverse("admin:medical_records_patientphoto_change", args=[photo.pk])
    page = client.post(url, {"description": "Left knee"}, follow=True).content.decode()
    assert "It is in the trash. Restore it first." in page
    photo.refresh_from_db()
    assert photo.description is None


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


def test_of_a_photo_on_another_clinics_record_that_is_all_that_is_said(client, photo):
    foreign = MedicalRecordFactory(template__name="Secret form")
    PatientPhoto.objects.filter(pk=photo.pk).update(medical_record=foreign)
    page = client.get(reverse("admin:medical_records_patientphoto_change", args=[photo.pk])).content.decode()
    assert "On a record of another clinic" in page
    assert "Secret form" not in page


def test_new_patients_have_no_overview(client, staff_member):
    response = client.get(reverse("admin:clinics_patient_add"))
    assert response.status_code == 200
    assert "overview" not in response.context
