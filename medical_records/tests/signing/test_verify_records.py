"""`manage.py verify_records`: what an owner of the database, or somebody in the storage, has changed is named."""

import tracemalloc
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from clinic_project.clinics.factories import MembershipFactory
from medical_records.demo.paintings import paint
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.photos.processing import process_image
from medical_records.photos.storage import PhotoFile
from medical_records.signing import Signer, sign_record
from medical_records.verification import BATCH

pytestmark = pytest.mark.django_db


@pytest.fixture
def sign(clinic):
    member = MembershipFactory(clinic=clinic)

    def signed(record):
        sign_record(MedicalRecord.objects.all(), record.pk, [record.version], Signer.of(member))
        return record

    return signed


@pytest.fixture
def record(clinic, sign):
    """A signed record with a photo."""
    record = MedicalRecordFactory(patient__clinic=clinic)
    image = process_image(paint("skin", 1))
    file = PhotoFile(clinic.pk, image.sha256)
    file.save(image)
    PatientPhotoFactory(
        patient=record.patient,
        medical_record=record,
        storage_key=file.key,
        thumbnail_key=file.thumbnail_key,
        content_hash=file.sha256,
    )
    return sign(record)


def verify(*arguments: str) -> str:
    out = StringIO()
    try:
        call_command("verify_records", *arguments, stdout=out)
    except CommandError as error:
        out.write(f"{error}\n")
    return out.getvalue()


def tamper(statement: str, table: str = "medical_records") -> None:
    """Change a row as the owner of its table can: past the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_keep_signed")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_keep_signed")


def test_what_is_as_it_was_signed_is_counted(record, clinic):
    MedicalRecordFactory(patient__clinic=clinic)
    assert verify() == "Verified: everything is what was signed. Signatures: 1, photos' files: 1.\n"
    assert verify("--no-files") == "Verified: everything is what was signed. Signatures: 1, photos' files: 0.\n"


@pytest.mark.slow
def test_corrections_that_no_signature_covers_make_no_difference(record):
    record.patient.full_name = "Grace Hopper"
    record.patient.save()
    PatientPhoto.objects.update(description="Left knee")
    assert verify().startswith("Verified")


CHANGES = [
    "values = '{}'",
    "values = values || '{\"x\": 1e400}'",
    "template_name = 'Another'",
    "content_hash = repeat('0', 64)",
    "content_hash = NULL",
]


def test_a_record_that_was_changed_past_the_triggers_is_named(record, sign, clinic):
    other = sign(MedicalRecordFactory(patient__clinic=clinic))
    for change in CHANGES:
        with transaction.atomic():
            tamper(f"UPDATE medical_records SET {change} WHERE id = {record.pk}")
            said = verify()
            transaction.set_rollback(True)
        assert f"medical_records {record.pk}: it isn't what was signed" in said
        assert f"medical_records {other.pk}" not in said
        assert "Not everything is what was signed: 1 found. Signatures: 2, photos' files: 1.\n" in said


@pytest.mark.slow
def test_a_photo_that_was_taken_from_it_past_the_triggers_makes_another_record(record):
    tamper("UPDATE patient_photos SET medical_record_id = NULL", "patient_photos")
    assert f"medical_records {record.pk}: it isn't what was signed" in verify()


def test_a_file_that_is_gone_or_another_is_named_once(record, caplog):
    [photo] = PatientPhoto.objects.all()
    place = f"patient_photos {photo.pk} of medical_records {record.pk}"
    default_storage.delete(photo.storage_key)
    assert f"{place}: its file is missing\n" in verify()
    assert caplog.messages == []
    assert verify("--no-files").startswith("Verified")
    default_storage.save(photo.storage_key, ContentFile(b"another"))
    assert f"{place}: its file isn't the one that was signed\n" in verify()


@pytest.mark.slow
def test_a_photo_of_another_system_has_a_file_and_more_isnt_known(clinic, sign):
    record = MedicalRecordFactory(patient__clinic=clinic)
    PatientPhotoFactory(
        patient=record.patient, medical_record=record, storage_key="theirs/1.jpg", content_hash="theirs"
    )
    sign(record)
    assert "its file is missing" in verify()
    default_storage.save("theirs/1.jpg", ContentFile(b"theirs"))
    assert verify().endswith("photos' files: 0. 1 photos of another system: only whether a file is there.\n")


@pytest.mark.slow
def test_a_storage_that_fails_is_told_without_a_traceback(record, monkeypatch):
    def fails(*arguments, **options):
        raise OSError("the network is away")

    monkeypatch.setattr(default_storage, "open", fails)
    assert "The storage of the photos can't be read." in verify()


@pytest.mark.slow
def test_the_memory_is_flat(clinic, sign):
    made = MedicalRecordFactory(patient__clinic=clinic)
    text = "x" * 200_000

    def peak() -> int:
        tracemalloc.start()
        verify("--no-files")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def add(number: int) -> None:
        MedicalRecordFactory.create_batch(number, patient=made.patient, template=made.template)
        field = made.template_snapshot["fields"][0]["id"]
        MedicalRecord.objects.filter(signed_at=None).update(values={field: text})
        for record in MedicalRecord.objects.filter(signed_at=None).defer("values"):
            sign(record)

    add(3 * BATCH)
    few = peak()
    add(12 * BATCH)
    assert peak() < few * 1.2
