"""What is signed stays, whoever changes it: here somebody in psql."""

import pytest
from django.db import Error, connection, transaction
from django.db.models import F, ProtectedError

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, UserFactory
from clinic_project.reconciliation.sqlstates import sqlstate
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.functions import SIGNED
from medical_records.models import MedicalRecord
from medical_records.signing import Signer, sign_record

pytestmark = pytest.mark.django_db

AMENDS = """
    signed_at = NULL, signed_by_user_id = NULL, signed_by_name = NULL, content_hash = NULL,
    amended_at = now(), amendment_reason = 'The left knee', version = version + 1
"""


@pytest.fixture
def record():
    author = UserFactory()
    made = MedicalRecordFactory(created_by_user=author, appointment=None)
    made.appointment = AppointmentFactory(patient=made.patient)
    made.save()
    PatientPhotoFactory(patient=made.patient, medical_record=made, content_hash="a" * 64, uploaded_by_user=author)
    return made


@pytest.fixture
def signed(record):
    member = MembershipFactory(clinic=record.clinic)
    sign_record(MedicalRecord.objects.all(), record.pk, [1], Signer.of(member))
    record.refresh_from_db()
    return record


def execute(sql: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


def is_refused(sql: str) -> bool:
    """Say whether the database refuses it because of the signature, and fail where it is something else."""
    try:
        execute(sql)
    except Error as error:
        if sqlstate(error) != SIGNED:
            raise
        return True
    return False


REFUSED_OF_RECORDS = [
    "values = '{}'",
    "values = values || '{\"x\": 1.0}'",
    "template_snapshot = '{}'",
    "template_name = 'Another'",
    "patient_id = patient_id + 1",
    "template_id = template_id + 1",
    "clinic_id = clinic_id + 1",
    "appointment_id = NULL",
    "is_deleted = true",
    "deleted_at = now()",
    "signed_at = now()",
    "signed_by_name = 'Somebody else'",
    "signed_by_user_id = NULL",
    "content_hash = NULL",
    "id = id + 1000",
    # An amendment that lacks something.
    AMENDS.replace("amendment_reason = 'The left knee'", "amendment_reason = NULL"),
    AMENDS.replace("amendment_reason = 'The left knee'", "amendment_reason = ' '"),
    AMENDS.replace("amended_at = now()", "amended_at = NULL"),
    AMENDS.replace("version = version + 1", "version = version"),
    AMENDS.replace("content_hash = NULL,", ""),
    "signed_at = NULL",
    "signed_at = NULL, version = version + 1, values = '{}'",
]


def test_an_update_is_refused(signed):
    for change in REFUSED_OF_RECORDS:
        assert is_refused(f"UPDATE medical_records SET {change}"), change
    assert MedicalRecord.objects.filter(content_hash=signed.content_hash, values=signed.values).exists()


def test_the_row_isnt_deleted(signed):
    assert is_refused("DELETE FROM patient_photos")
    assert is_refused("DELETE FROM medical_records")
    with pytest.raises(Error, match="is signed"), transaction.atomic():
        MedicalRecord.objects.get().delete()


REFUSED_OF_PHOTOS = [
    "medical_record_id = NULL",
    "storage_key = 'another'",
    "thumbnail_key = NULL",
    f"content_hash = '{'b' * 64}'",
    "content_hash = NULL",
    "is_deleted = true",
    "is_pending = true",
    "patient_id = patient_id + 1",
]


def test_its_photos_stay_on_it_and_are_the_same_files(signed):
    for change in REFUSED_OF_PHOTOS:
        assert is_refused(f"UPDATE patient_photos SET {change}"), change


def test_no_photo_is_added(signed):
    other = PatientPhotoFactory(patient=signed.patient)
    assert is_refused(f"UPDATE patient_photos SET medical_record_id = {signed.pk} WHERE id = {other.pk}")
    with pytest.raises(Error, match="is signed"), transaction.atomic():
        PatientPhotoFactory(patient=signed.patient, medical_record=signed)
    unsigned = MedicalRecordFactory(patient=signed.patient)
    assert is_refused(
        f"UPDATE patient_photos SET medical_record_id = {unsigned.pk} WHERE medical_record_id = {signed.pk}"
    )


@pytest.mark.parametrize(
    "passes",
    [
        "UPDATE medical_records SET version = version + 1, updated_at = now(), updated_by_user_id = NULL",
        "UPDATE medical_records SET created_by_user_id = NULL",
        "UPDATE medical_records SET entered_in_error_at = now(), entered_in_error_reason = 'Another patient''s'",
        "UPDATE patient_photos SET description = 'Left knee', uploaded_by_user_id = NULL, updated_at = now()",
        f"UPDATE medical_records SET {AMENDS}",
        f"UPDATE medical_records SET {AMENDS}, values = '{{}}', is_deleted = true, appointment_id = NULL",
    ],
)
def test_the_rest_passes(signed, passes):
    assert execute(passes) == 1


def test_a_photo_that_is_pending_for_it_or_in_the_trash_is_no_part_of_it(signed):
    pending = PatientPhotoFactory(patient=signed.patient, medical_record=signed, pending=True)
    assert execute(f"UPDATE patient_photos SET storage_key = 'another' WHERE id = {pending.pk}") == 1
    assert is_refused(f"UPDATE patient_photos SET is_pending = false WHERE id = {pending.pk}")
    assert execute(f"DELETE FROM patient_photos WHERE id = {pending.pk}") == 1
    trashed = PatientPhotoFactory(patient=signed.patient, medical_record=signed, in_trash=True)
    assert is_refused(f"UPDATE patient_photos SET is_deleted = false WHERE id = {trashed.pk}")
    assert execute(f"DELETE FROM patient_photos WHERE id = {trashed.pk}") == 1


def test_once_it_is_amended_in_psql_it_and_its_photos_are_changed(signed):
    execute(f"UPDATE medical_records SET {AMENDS}")
    assert execute("UPDATE patient_photos SET medical_record_id = NULL") == 1
    assert execute("UPDATE medical_records SET values = '{}'") == 1
    # The reason of an amendment isn't one for the next.
    execute("UPDATE medical_records SET signed_at = now(), signed_by_name = 'Ada', content_hash = 'x'")
    assert is_refused(f"UPDATE medical_records SET {AMENDS.replace('amended_at = now(), ', '')}")


def test_a_user_who_goes_leaves_the_signature(signed):
    signer, author = signed.signed_by_user_id, signed.created_by_user_id
    execute(f"DELETE FROM user_clinic_associations WHERE user_id = {signer}")
    signed.created_by_user.delete()
    same = MedicalRecord.objects.get()
    assert (same.created_by_user_id, same.signed_by_user_id, author is not None) == (None, signer, True)


def test_an_appointment_of_a_signed_record_doesnt_go(signed):
    for goes in (signed.appointment, signed.appointment.calendar_event):
        with pytest.raises(ProtectedError) as refused, transaction.atomic():
            goes.delete()
        assert refused.value.protected_objects == {signed}
    assert is_refused("UPDATE medical_records SET appointment_id = NULL")
    assert MedicalRecord.objects.get().appointment_id == signed.appointment_id
    execute(f"UPDATE medical_records SET {AMENDS}")
    signed.appointment.delete()
    assert MedicalRecord.objects.get().appointment_id is None


def test_what_isnt_signed_is_changed_as_before(record):
    assert execute("UPDATE medical_records SET values = '{}', appointment_id = NULL") == 1
    assert execute("UPDATE patient_photos SET medical_record_id = NULL, content_hash = NULL") == 1
    assert execute("DELETE FROM medical_records") == 1


def test_a_bulk_update_that_meets_a_signed_record_changes_none(signed):
    MedicalRecordFactory(patient=signed.patient)
    with pytest.raises(Error, match=f"medical_records {signed.pk} is refused: it is signed"), transaction.atomic():
        MedicalRecord.objects.update(template_name="Another")
    assert not MedicalRecord.objects.filter(template_name="Another").exists()
    assert MedicalRecord.objects.update(version=F("version") + 1) == 2
