"""`manage.py purge_trash`: what goes, what stays, and what happens beside it."""

import os
import signal
from datetime import timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from rich.console import Console

from clinic_project.api.models import IdempotencyKey
from clinic_project.clinics.factories import PatientFactory
from clinic_project.reconciliation.tests.support.waiting import SECONDS
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.management.commands import purge_trash
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.photos.storage import PhotoFile, delete_unreferenced
from medical_records.purge import Purge

from .concurrency import in_parallel, wait_until_another_waits_for_us
from .photos.uploads import IMAGE, OTHER, add, files_in
from .purging import exists, purge

#: What has to be kept for years is another story, which test_retention tells.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_retention")]


def ago(days: float):
    return timezone.now() - timedelta(days=days)


def trashed(row, days: float):
    type(row).objects.filter(pk=row.pk).update(is_deleted=True, deleted_at=ago(days))
    return row


def age(media, days: float) -> None:
    """Make every file as old as this."""
    for path in files_in(media):
        os.utime(path, (ago(days).timestamp(),) * 2)


@pytest.fixture
def patient():
    return PatientFactory()


def test_what_is_in_use_or_not_long_in_the_trash_stays(patient, media):
    rows = [
        add(patient),
        trashed(add(patient), 29.9),
        add(patient, record=MedicalRecordFactory(patient=patient)),
        MedicalRecordFactory(),
        trashed(MedicalRecordFactory(), 29.9),
        MedicalRecordTemplateFactory(),
        trashed(MedicalRecordTemplateFactory(), 29.9),
    ]
    age(media, 400)
    assert purge() == "Removed records: 0, photos: 0, templates: 0, files without a photo: 0."
    assert all(exists(row) for row in rows)
    assert len(files_in(media)) == 2


def test_photos_go_after_30_days_in_the_trash(patient, media):
    photo = trashed(add(patient), 31.1)
    assert "photos: 1," in purge()
    assert not exists(photo)
    assert not files_in(media)


def test_files_stay_a_day_longer_than_their_photos(patient, media):
    photo = trashed(add(patient), 30.1)
    age(media, 30.5)
    purge()
    assert not exists(photo)
    assert len(files_in(media)) == 2
    age(media, 31.1)
    assert "photo: 1." in purge()
    assert not files_in(media)


def test_files_that_another_photo_shares_stay(patient, media):
    gone, kept = trashed(add(patient), 40), add(patient)
    age(media, 400)
    purge()
    assert not exists(gone)
    assert default_storage.open(kept.storage_key).read() == IMAGE.jpeg
    assert default_storage.open(kept.thumbnail_key).read() == IMAGE.thumbnail


@pytest.mark.parametrize("hashed", [None, "0" * 64])
def test_files_that_a_photo_names_without_their_hash_stay(hashed, patient, media):
    """As another program may have left it."""
    kept = add(patient)
    PatientPhoto.objects.filter(pk=kept.pk).update(content_hash=hashed)
    age(media, 400)
    assert "files without a photo: 0." in purge()
    assert len(files_in(media)) == 2


def test_photos_that_stayed_pending_for_30_days_go(patient):
    record = MedicalRecordFactory(patient=patient)
    forgotten, recent = add(patient, record=record), add(patient, OTHER, record=record)
    PatientPhoto.objects.filter(pk=forgotten.pk).update(created_at=ago(30.1))
    purge()
    assert not exists(forgotten)
    assert exists(recent)
    assert exists(record)


def test_a_record_goes_with_its_photos_and_their_files(patient, media):
    record = MedicalRecordFactory(patient=patient)
    photos = [trashed(add(patient, image, record=record), 31.1) for image in (IMAGE, OTHER)]
    trashed(record, 31.1)
    assert "records: 1, photos: 2," in purge()
    assert not any(exists(row) for row in (record, *photos))
    assert not files_in(media)


def test_a_template_stays_while_any_record_refers_to_it():
    template = trashed(MedicalRecordTemplateFactory(), 400)
    record = MedicalRecordFactory(template=template, patient__clinic=template.clinic)
    trashed(record, 29.9)
    assert "templates: 0," in purge()
    assert exists(template)
    trashed(record, 30.1)
    assert "templates: 1," in purge()
    assert not MedicalRecordTemplate.objects.exists()


def test_files_that_a_crash_left_without_a_row_go_after_31_days(patient, media):
    PhotoFile(patient.clinic_id, IMAGE.sha256).save(IMAGE)
    # Died between the thumbnail and the image.
    default_storage.save(PhotoFile(patient.clinic_id, OTHER.sha256).thumbnail_key, ContentFile(OTHER.thumbnail))
    age(media, 30.9)
    assert "photo: 0." in purge()
    assert len(files_in(media)) == 3
    age(media, 31.1)
    assert "photo: 2." in purge()
    assert not files_in(media)


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_worker_leaves_between_file_and_row_is_found(media):
    patient = PatientFactory()
    connection.close()
    child = os.fork()
    if child == 0:
        type(PatientPhoto.objects).insert = lambda *_args: os.kill(os.getpid(), signal.SIGKILL)
        try:
            add(patient)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not PatientPhoto.objects.exists()
    assert len(files_in(media)) == 2
    age(media, 31.1)
    assert "photo: 1." in purge()
    assert not files_in(media)


def test_files_that_are_not_photos_are_left_alone(patient, media):
    add(patient)
    folder = files_in(media)[0].parent
    others = [media / "report.pdf", media / "patient_photos" / "readme.txt", folder / "notes.txt"]
    for path in others:
        path.write_text("not ours")
    age(media, 400)
    purge()
    assert all(path.exists() for path in others)


def test_the_files_of_photos_that_another_system_made_go_with_the_last_of_them(media):
    default_storage.save("old/1.jpg", ContentFile(IMAGE.jpeg))
    first, second = PatientPhotoFactory.create_batch(2, storage_key="old/1.jpg", thumbnail_key=None)
    trashed(first, 30.1)
    purge()
    assert len(files_in(media)) == 1
    trashed(second, 30.1)
    purge()
    assert not PatientPhoto.objects.exists()
    assert not files_in(media)


def test_a_key_that_leads_out_of_the_storage_deletes_nothing(media, caplog):
    outside = media.parent / "outside.jpg"
    outside.write_text("not ours")
    photo = PatientPhotoFactory(storage_key="../outside.jpg", thumbnail_key="/etc/hostname")
    trashed(photo, 40)
    purge()
    assert not exists(photo)
    assert outside.exists()
    assert "left where it is" in caplog.text


def test_a_dry_run_counts_and_removes_nothing(patient, media):
    record = MedicalRecordFactory(patient=patient)
    add(patient, record=record)
    trashed(record, 40)
    trashed(record.template, 40)
    trashed(add(patient), 40)
    PhotoFile(patient.clinic_id, OTHER.sha256).save(OTHER)
    age(media, 40)
    counts = "records: 1, photos: 2, templates: 1, files without a photo: 1."
    assert purge("--dry-run") == f"Would remove {counts}"
    assert (MedicalRecord.objects.count(), PatientPhoto.objects.count(), len(files_in(media))) == (1, 2, 4)
    assert purge() == f"Removed {counts}"
    assert purge("--dry-run") == "Would remove records: 0, photos: 0, templates: 0, files without a photo: 0."
    assert not files_in(media)


def test_the_days_in_the_trash_can_be_chosen(patient):
    photo = trashed(add(patient), 7.1)
    purge("--days", "8")
    assert exists(photo)
    purge("--days", "7")
    assert not exists(photo)


@pytest.mark.parametrize("days", ["-1", "1.5", "many", "99999999999"])
def test_days_that_make_no_sense_are_refused(days):
    with pytest.raises(CommandError, match="whole number of days"):
        call_command("purge_trash", f"--days={days}")


def test_more_rows_than_a_batch_are_removed(patient, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("medical_records.purge.BATCH", 10)
    PatientPhotoFactory.create_batch(35, patient=patient, is_deleted=True, deleted_at=ago(31))
    with django_assert_max_num_queries(200):
        assert "photos: 35," in purge()
    assert not PatientPhoto.objects.exists()


def test_a_row_that_another_table_refers_to_stays_and_the_rest_goes(caplog):
    records = [trashed(MedicalRecordFactory(), 31) for _ in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE invoices (record_id integer REFERENCES medical_records)")
        cursor.execute("INSERT INTO invoices VALUES (%s)", [records[1].pk])
    assert "records: 2," in purge()
    assert [exists(record) for record in records] == [False, True, False]
    assert "invoices" in caplog.text
    assert "DETAIL" not in caplog.text  # where PostgreSQL quotes rows


def test_old_answers_to_repeated_requests_go_too(member):
    # They hold what a record said, which may have been removed for good since.
    keys = IdempotencyKey.objects
    for number in range(101):
        keys.create(user=member.user, clinic=member.clinic, key=f"old {number}", fingerprint="", answer=b"{}")
    keys.update(created_at=ago(2))
    young = keys.create(user=member.user, clinic=member.clinic, key="young", fingerprint="", answer=b"{}")
    purge("--dry-run")
    assert keys.count() == 102
    purge()
    assert keys.get() == young


@pytest.mark.django_db(transaction=True)
def test_what_is_restored_while_the_purge_waits_for_it_stays():
    photo = trashed(PatientPhotoFactory(), 31)

    written = Event()

    def work(number):
        if number == 0:
            with transaction.atomic():
                PatientPhoto.objects.filter(pk=photo.pk).update(is_deleted=False, deleted_at=None)
                written.set()
                wait_until_another_waits_for_us()
            return None
        assert written.wait(SECONDS)
        return purge()

    restored, purged = in_parallel(work, 2)
    assert restored is None
    assert "photos: 0," in purged
    assert exists(photo)


@pytest.mark.django_db(transaction=True)
def test_the_purge_waits_for_an_upload_of_the_same_bytes_and_leaves_its_file(media):
    patient = PatientFactory()
    file = PhotoFile(patient.clinic_id, IMAGE.sha256)
    file.save(IMAGE)
    age(media, 40)

    written = Event()

    def work(number):
        if number == 0:
            with transaction.atomic():
                photo = add(patient)
                written.set()
                wait_until_another_waits_for_us()
            return photo
        assert written.wait(SECONDS)
        return purge()

    photo, purged = in_parallel(work, 2)
    assert "photo: 0." in purged
    assert default_storage.open(photo.storage_key).read() == IMAGE.jpeg


@pytest.mark.django_db(transaction=True)
def test_an_upload_waits_for_the_purge_of_the_same_bytes_and_writes_its_file_anew(media, monkeypatch):
    patient = PatientFactory()
    PhotoFile(patient.clinic_id, IMAGE.sha256).save(IMAGE)
    age(media, 40)
    delete = default_storage.delete
    deleting = Event()

    def delete_slowly(name):
        if not deleting.is_set():
            deleting.set()
            wait_until_another_waits_for_us()
        delete(name)

    monkeypatch.setattr(default_storage, "delete", delete_slowly)

    def work(number):
        if number == 0:
            return purge()
        assert deleting.wait(SECONDS)
        return add(patient)

    purged, photo = in_parallel(work, 2)
    assert "photo: 1." in purged
    assert default_storage.open(photo.storage_key).read() == IMAGE.jpeg
    assert default_storage.open(photo.thumbnail_key).read() == IMAGE.thumbnail


@pytest.mark.django_db(transaction=True)
def test_uploads_and_purges_of_the_same_bytes_at_once_never_lose_a_photos_file(media):
    patient = PatientFactory()

    def work(number):
        if number % 2:
            for _ in range(10):
                purge("--days", "0")
                delete_unreferenced([PhotoFile(patient.clinic_id, IMAGE.sha256)])
            return []
        photos = []
        for _ in range(10):
            photos.append(add(patient))
            PatientPhoto.objects.filter(pk=photos[-1].pk).update(is_deleted=True, deleted_at=ago(2))
            photos.append(add(patient))
            assert default_storage.open(photos[-1].storage_key).read() == IMAGE.jpeg
            PatientPhoto.objects.filter(pk=photos[-1].pk).update(is_deleted=True, deleted_at=ago(2))
        return photos

    results = in_parallel(work, 4)
    assert [type(result) for result in results] == [list] * 4
    for photo in PatientPhoto.objects.all():
        assert default_storage.exists(photo.storage_key)
    purge("--days", "0")
    assert not PatientPhoto.objects.exists()
    assert not files_in(media)


def test_a_terminal_gets_a_progress_bar():
    trashed(PatientPhotoFactory(), 31)
    [step] = [step for step in Purge(30).steps() if step.name == "photos"]
    screen = StringIO()
    with purge_trash.bars(Console(file=screen, force_terminal=True, width=80)) as progress:
        assert list(purge_trash.with_bar(progress, step)) == [1]
    assert "photos" in screen.getvalue()
    assert "1/1" in screen.getvalue()


def test_without_a_terminal_a_long_purge_writes_lines_of_progress(monkeypatch):
    monkeypatch.setattr(purge_trash, "SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr("medical_records.purge.BATCH", 2)
    for _ in range(3):
        trashed(PatientPhotoFactory(), 31)
    assert purge().splitlines()[:2] == ["photos: 2 of 3", "photos: 3 of 3"]
    assert purge("--verbosity=0") == ""
