"""Keeping uploaded images: file and row, or neither, and equal bytes once a clinic."""

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError

from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.models import Patient
from medical_records.exceptions import UnusableReference
from medical_records.factories import MedicalRecordFactory
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.photos.storage import PhotoFile

from ..concurrency import in_parallel
from .uploads import IMAGE, add, files_in


@pytest.fixture
def patient(db):
    return PatientFactory()


def test_a_photo_is_kept_with_its_thumbnail_in_the_gallery(patient, media):
    photo = PatientPhoto.objects.get(pk=add(patient, description="before").pk)
    assert (photo.clinic, photo.patient, photo.medical_record) == (patient.clinic, patient, None)
    assert (photo.filename, photo.description, photo.is_pending) == ("knee.png", "before", False)
    assert (photo.content_type, photo.size_bytes) == ("image/jpeg", len(IMAGE.jpeg))
    assert photo.content_hash == IMAGE.sha256
    assert default_storage.open(photo.storage_key).read() == IMAGE.jpeg
    assert (media / photo.thumbnail_key).read_bytes() == IMAGE.thumbnail


def test_nobody_else_on_the_machine_can_read_the_files(patient, media):
    add(patient)
    for path in media.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_photo_for_a_record_is_pending(patient):
    record = MedicalRecordFactory(patient=patient)
    photo = PatientPhoto.objects.get(pk=add(patient, record=record).pk)
    assert (photo.medical_record, photo.is_pending) == (record, True)


def test_equal_bytes_in_a_clinic_share_one_file(patient, media):
    first, second = add(patient), add(PatientFactory(clinic=patient.clinic))
    assert first.pk != second.pk
    assert first.storage_key == second.storage_key
    assert len(files_in(media)) == 2  # the image and its thumbnail


def test_clinics_share_nothing(patient, media):
    assert add(patient).storage_key != add(PatientFactory()).storage_key
    assert len(files_in(media)) == 4


def test_a_file_that_a_crash_cut_short_is_written_again(patient, media):
    photo = add(patient)
    path = media / photo.storage_key
    path.write_bytes(path.read_bytes()[:100])
    again = add(patient)
    assert again.storage_key == photo.storage_key
    assert path.read_bytes() == IMAGE.jpeg
    assert len(files_in(media)) == 2


def test_a_row_that_cant_be_saved_leaves_no_file(patient, media):
    record = MedicalRecordFactory(patient=patient)
    MedicalRecord.objects.update(is_deleted=True)
    with pytest.raises(UnusableReference):
        add(patient, record=record)
    assert not files_in(media)
    assert not PatientPhoto.objects.exists()


def test_a_row_that_cant_be_saved_leaves_the_file_that_another_shares(patient, media):
    kept = add(patient)
    record = MedicalRecordFactory(patient=patient, is_deleted=True)
    with pytest.raises(UnusableReference):
        add(patient, record=record)
    assert default_storage.open(kept.storage_key).read() == IMAGE.jpeg
    assert len(files_in(media)) == 2


def test_a_storage_that_fails_leaves_neither_row_nor_file(patient, media, monkeypatch):
    save = default_storage.save

    def fail_at_the_image(name, content):
        if name.endswith(".thumbnail.jpg"):
            return save(name, content)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(default_storage, "save", fail_at_the_image)
    with pytest.raises(OSError, match="No space left"):
        add(patient)
    assert not files_in(media)
    assert not PatientPhoto.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_patient_who_is_gone_at_the_commit_leaves_no_file(media):
    patient = PatientFactory()
    Patient.objects.filter(pk=patient.pk).delete()
    with pytest.raises(IntegrityError, match="patient_photos_patient_id"):
        add(patient)
    assert not files_in(media)


@pytest.mark.django_db(transaction=True)
def test_equal_bytes_uploaded_at_once_share_one_whole_file(media):
    patient = PatientFactory()
    photos = in_parallel(lambda _number: add(patient), 8)
    assert len({photo.pk for photo in photos}) == 8
    assert {photo.storage_key for photo in photos} == {PhotoFile(patient.clinic_id, IMAGE.sha256).key}
    assert [path.read_bytes() for path in files_in(media)] == [IMAGE.jpeg, IMAGE.thumbnail]


@pytest.mark.django_db(transaction=True)
def test_uploads_that_fail_dont_take_the_file_from_those_that_succeed(media):
    patient = PatientFactory()
    gone = MedicalRecordFactory(patient=patient, is_deleted=True)
    results = in_parallel(lambda number: add(patient, record=gone if number % 2 else None), 8)
    assert sum(isinstance(result, UnusableReference) for result in results) == 4
    assert [path.read_bytes() for path in files_in(media)] == [IMAGE.jpeg, IMAGE.thumbnail]
