"""Photos in the admin: who gets their files, and what is changed of them."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import PatientPhoto

from .pages import change_url, file_url, list_url

pytestmark = pytest.mark.django_db


@pytest.fixture
def photo(staff_member):
    photo = PatientPhotoFactory(patient__clinic=staff_member.clinic, filename="knee.jpg")
    default_storage.save(photo.storage_key, ContentFile(b"the image"))
    default_storage.save(photo.thumbnail_key, ContentFile(b"the thumbnail"))
    return photo


def test_the_staff_of_its_clinic_get_a_photos_file_and_thumbnail(client, photo):
    response = client.get(file_url(photo))
    assert b"".join(response.streaming_content) == b"the image"
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"] == 'inline; filename="knee.jpg"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]
    assert "sandbox" in response["Content-Security-Policy"]
    assert b"".join(client.get(file_url(photo, "thumbnail")).streaming_content) == b"the thumbnail"


def test_a_photo_without_a_thumbnail_is_shown_whole(client, photo):
    photo.thumbnail_key = None
    photo.save()
    assert b"".join(client.get(file_url(photo, "thumbnail")).streaming_content) == b"the image"


@pytest.mark.parametrize("kind", ["file", "thumbnail"])
def test_nobody_else_gets_a_photos_files(kind, client, photo):
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


def test_a_storage_that_fails_is_503(client, photo, monkeypatch):
    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(default_storage, "open", fail)
    response = client.get(file_url(photo))
    assert (response.status_code, response["Content-Type"]) == (503, "text/plain; charset=utf-8")


def test_a_photo_does_not_come_back_without_its_record(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic, in_trash=True)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    url = reverse("admin:medical_records_patientphoto_restore", args=[photo.pk])
    assert "Restore the record" in client.post(url, follow=True).content.decode()
    photo.refresh_from_db()
    assert photo.is_deleted


def test_a_photo_that_is_trashed_while_it_is_edited_stays_as_it_is(client, photo, monkeypatch):
    from medical_records.admin.photos import PhotoAdmin

    def trashed_meanwhile(model_admin, request, form, change):
        PatientPhoto.objects.move_to_trash(photo.pk, request.user)
        return form.save(commit=False)

    monkeypatch.setattr(PhotoAdmin, "save_form", trashed_meanwhile)
    url = reverse("admin:medical_records_patientphoto_change", args=[photo.pk])
    page = client.post(url, {"description": "Left knee"}, follow=True).content.decode()
    assert "It is in the trash. Restore it first." in page
    photo.refresh_from_db()
    assert photo.description is None


def test_a_photo_on_another_clinics_record_says_no_more_than_that(client, photo):
    foreign = MedicalRecordFactory(template__name="Secret form")
    PatientPhoto.objects.filter(pk=photo.pk).update(medical_record=foreign)
    page = client.get(reverse("admin:medical_records_patientphoto_change", args=[photo.pk])).content.decode()
    assert "On a record of another clinic" in page
    assert "Secret form" not in page


def test_of_a_photo_only_the_description_is_edited(client, superuser):
    photo = PatientPhotoFactory()
    assert list(client.get(change_url(photo)).context["adminform"].form.fields) == ["description"]
    client.post(change_url(photo), {"description": "Left knee", "uploaded_by_user": superuser.pk, "storage_key": "x"})
    same = PatientPhoto.objects.get(pk=photo.pk)
    assert same.description == "Left knee"
    assert same.storage_key == photo.storage_key
    assert same.uploaded_by_user is None
    assert same.updated_by_user == superuser


def test_photos_are_filtered_by_their_place(client, superuser):
    record = MedicalRecordFactory()
    linked = PatientPhotoFactory(patient=record.patient, medical_record=record)
    in_gallery = PatientPhotoFactory()
    pending = PatientPhotoFactory(pending=True)
    found = {place: rows_of(client.get(list_url("patientphoto"), {"place": place})) for place in ("record", "gallery")}
    assert found == {"record": [linked], "gallery": [in_gallery]}
    assert rows_of(client.get(list_url("patientphoto"), {"place": "pending"})) == [pending]


def test_a_photo_of_a_record_in_error_says_so_in_the_list_and_on_its_page(client, superuser):
    record = MedicalRecordFactory(entered_in_error_at=timezone.now())
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)
    pending = PatientPhotoFactory(patient=record.patient, medical_record=record, pending=True)
    PatientPhotoFactory(patient=record.patient, medical_record=MedicalRecordFactory(patient=record.patient))
    said = "</a>, which was entered in error"
    assert client.get(list_url("patientphoto")).content.decode().count(", which was entered in error") == 2
    assert said in client.get(change_url(photo)).content.decode()
    assert "</a>, pending until that is saved, which was" in client.get(change_url(pending)).content.decode()
