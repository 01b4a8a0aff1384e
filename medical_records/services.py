"""Changes of several rows together, or by the rules of a template: a record and its photos change as one.

Each function is one transaction, and has changed nothing where it raises; or is to be called in one, which shows what was
made. Those that look for a row take the queryset to look in, `for_clinic`, and raise the model's DoesNotExist where it isn't
there; `versions` are those that the change may replace, see `VersionedQuerySet`. What is signed is changed with an
`amendment_reason` alone, and what isn't signed, without; see `signing`.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic_project.audit import transactions
from clinic_project.audit.destruction import destroy, retained_until
from clinic_project.clinics.models import Appointment, Clinic, Patient, User

from .exceptions import InTrash, NotSigned, Retained, Suppressed, UnusableReference
from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto, check_in_use
from .querysets import PhotoQuerySet, RecordQuerySet, TemplateQuerySet, amendment, answers_beside
from .template_fields import checked_values, prepared_fields, renewed_fields


def create_template(clinic: Clinic, by: User, **columns: Any) -> MedicalRecordTemplate:
    """Create a template of `clinic`. Raises ValidationError for fields against the rules."""
    columns["fields"] = prepared_fields(columns["fields"])
    template = MedicalRecordTemplate(clinic=clinic, created_by_user=by, **columns)
    MedicalRecordTemplate.objects.insert(template)
    return template


def copy_template(template: MedicalRecordTemplate, by: User, name: str) -> MedicalRecordTemplate:
    """Create a template of the same clinic with the fields of another, each under an id of its own. Raises InTrash."""
    if template.is_deleted:
        raise InTrash
    copied = MedicalRecordTemplate(
        clinic_id=template.clinic_id,
        created_by_user=by,
        name=name,
        description=template.description,
        fields=renewed_fields(template.fields),
    )
    MedicalRecordTemplate.objects.insert(copied)
    return copied


def change_template(
    templates: TemplateQuerySet,
    pk: int,
    versions: Collection[int],
    by: User,
    foreign: Collection[Any] = (),
    **columns: Any,
) -> None:
    """Set the `columns` of a template that are given. Raises as `create_template`, and as every change.

    Those of its `fields` that are equal to one of `foreign`, which another program has made, stay against the rules.
    """
    if "fields" in columns:
        columns["fields"] = prepared_fields(columns["fields"], foreign)
    templates.change(pk, versions, by, **columns)


def create_record(
    template: MedicalRecordTemplate,
    patient: Patient,
    by: User,
    *,
    values: dict[str, Any],
    appointment_id: int | None = None,
    photo_ids: Collection[int] = (),
) -> MedicalRecord:
    """Fill in `template` for `patient`, both of one clinic.

    The template is copied into the record, and no later change of it shows there. To be called in a transaction. Raises
    ValidationError for values against its fields, UnusableReference for what is in the trash or another patient's.
    """
    if template.is_deleted:
        raise UnusableReference("template_id", _("This template is in the trash."))
    check_in_use(patient)
    snapshot = template.snapshot
    answers = checked_values(snapshot, values)
    _check_appointment(patient.pk, patient.clinic_id, appointment_id)
    now = timezone.now()
    record = MedicalRecord(
        clinic_id=patient.clinic_id,
        patient=patient,
        template=template,
        template_name=template.name,
        template_snapshot=snapshot,
        values=answers,
        appointment_id=appointment_id,
        created_at=now,
        updated_at=now,
        created_by_user=by,
        updated_by_user=by,
    )
    MedicalRecord.objects.insert(record)
    if photo_ids:
        _replace_photos(record, photo_ids, by, now)
    return record


def change_record(
    record: MedicalRecord,
    versions: Collection[int],
    by: User,
    *,
    amendment_reason: str | None = None,
    kept: Collection[str] = (),
    **columns: Any,
) -> None:
    """Set a record's `values`, `appointment_id` or `photo_ids`, those that are given. Its template stays.

    Beside the `values`, it keeps the answers that `record` has under the keys in `kept`, even against the rules. To be
    called in a transaction, with a record that has its patient. Raises as `create_record`, and as every change.
    """
    photo_ids = columns.pop("photo_ids", None)
    check_in_use(record.patient)
    if columns.pop("template_id", record.template_id) != record.template_id:
        raise UnusableReference("template_id", _("The template of a record can't be changed."))
    if "values" in columns:
        columns["values"] = checked_values(record.template_snapshot, columns["values"])
    if columns.get("appointment_id", record.appointment_id) != record.appointment_id:
        _check_appointment(record.patient_id, record.clinic_id, columns["appointment_id"])
    columns |= amendment(amendment_reason)
    now = timezone.now()
    if kept and "values" in columns:
        columns["values"] = answers_beside(columns["values"], record.values.keys() - kept)
        now = MedicalRecord.objects.change(record.pk, versions, by, **columns)
    else:
        MedicalRecord.objects.change_found(record.pk, versions, by, now, **columns)
    if photo_ids is not None:
        _replace_photos(record, photo_ids, by, now)


@transactions.atomic
def move_record_to_trash(
    records: RecordQuerySet, pk: int, versions: Collection[int], by: User, amendment_reason: str | None = None
) -> None:
    """Put a record into the trash and its photos with it: their equal `deleted_at` tells them from others there."""
    deleted_at = records.move_to_trash(pk, versions, by, **amendment(amendment_reason))
    photos = PatientPhoto.objects.in_use_on(pk)
    photos.lock()
    photos.update(is_deleted=True, deleted_at=deleted_at, updated_at=deleted_at, updated_by_user=by)


@transactions.atomic
def restore_record(records: RecordQuerySet, pk: int, versions: Collection[int], by: User) -> None:
    """Take a record out of the trash with the photos that went there with it, and no others."""
    deleted_at = _of_patient_in_use(records, pk).deleted_at
    now = records.restore(pk, versions, by)
    PatientPhoto.objects.trashed_with(pk, deleted_at).update(
        is_deleted=False, deleted_at=None, updated_at=now, updated_by_user=by
    )


@transactions.atomic
def remove_record(records: RecordQuerySet, pk: int, versions: Collection[int]) -> None:
    """Remove a record in the trash for good, and its photos with it. Their files are left to the purge.

    Raises Retained where the time of one of them isn't over, and DestructionImpossible.
    """
    rows = records.filter(pk=pk)
    record = rows.in_trash().filter(version__in=versions).select_for_update().first()
    if record is None:
        raise rows.stale_or_refused(versions, from_trash=True)
    photos = {photo.pk for photo in PatientPhoto.objects.filter(medical_record=record).lock()}
    if until := retained_until(record._meta.db_table, pk):
        raise Retained(until)
    gone = destroy(PatientPhoto._meta.db_table, photos)
    if gone.keys() < photos or not destroy(record._meta.db_table, [pk]):
        raise Suppressed


@transactions.atomic
def attach_photos(
    records: RecordQuerySet,
    pk: int,
    versions: Collection[int],
    photo_ids: Iterable[int],
    by: User,
    amendment_reason: str | None = None,
) -> None:
    """Add photos to those of a record; none of them is pending afterwards.

    Raises as every change; DoesNotExist where a photo isn't in the clinic; UnusableReference where it is another
    patient's, in the trash, or on another record.
    """
    record = _of_patient_in_use(records, pk)
    _attach(record, set(photo_ids), by, records.change(pk, versions, by, **amendment(amendment_reason)))


@transactions.atomic
def change_photo(photos: PhotoQuerySet, pk: int, by: User, **columns: Any) -> None:
    """Set `columns` of a photo in use. Raises InTrash; UnusableReference where its patient has been deleted."""
    check_in_use(photos.select_related("patient").get(pk=pk).patient)
    photos.change(pk, by, **columns)


@transactions.atomic
def move_photo_to_trash(photos: PhotoQuerySet, pk: int, by: User, amendment_reason: str | None = None) -> None:
    """Put a photo into the trash. A record that it is on has one less, and the next version. Raises InTrash."""
    photo, now = _locked_photo(photos, pk), timezone.now()
    _tell_record(photo, by, now, amendment_reason)
    photos.move_to_trash(pk, by, now)


@transactions.atomic
def restore_photo(photos: PhotoQuerySet, pk: int, by: User, amendment_reason: str | None = None) -> None:
    """Take a photo out of the trash, to the gallery or to its record, which has the next version then.

    Raises NotInTrash, and UnusableReference where its record is in the trash or its patient has been deleted.
    """
    photo, now = _locked_photo(photos, pk), timezone.now()
    check_in_use(photo.patient)
    if photo.medical_record is not None and photo.medical_record.is_deleted:
        raise UnusableReference("medical_record_id", _("Its record is in the trash as well. Restore the record."))
    _tell_record(photo, by, now, amendment_reason)
    photos.restore(pk, by, now)


def _of_patient_in_use(records: RecordQuerySet, pk: int) -> MedicalRecord:
    """Return a record; raises DoesNotExist, and UnusableReference where its patient has been deleted."""
    record = records.select_related("patient").get(pk=pk)
    check_in_use(record.patient)
    return record


def _locked_photo(photos: PhotoQuerySet, pk: int) -> PatientPhoto:
    """Lock a photo after its record, as all do who lock both, and return it with that; raises DoesNotExist."""
    while True:
        photo = photos.select_related("patient").get(pk=pk)
        record = photo.lock_record()
        locked = photos.select_for_update().get(pk=pk)
        if locked.medical_record_id == photo.medical_record_id:
            locked.medical_record, locked.patient = record, photo.patient
            return locked


def _tell_record(photo: PatientPhoto, by: User, now: datetime, amendment_reason: str | None) -> None:
    """Raise the version of the record that shows `photo`, before that changes. A pending one isn't part of it yet."""
    record = photo.medical_record
    if record is None or photo.is_pending:
        if amendment_reason is not None:
            raise NotSigned
        return
    record.check_changeable(amends=amendment_reason is not None)
    MedicalRecord.objects.raise_version(record.pk, by, now, **amendment(amendment_reason))


def _check_appointment(patient_id: int, clinic_id: int, appointment_id: int | None) -> None:
    if appointment_id is None:
        return
    appointment = Appointment.objects.for_clinic(clinic_id).get(pk=appointment_id)
    if appointment.patient_id != patient_id:
        raise UnusableReference("appointment_id", _("This is another patient's appointment."))


def _replace_photos(record: MedicalRecord, photo_ids: Iterable[int], by: User, now: datetime) -> None:
    """Make `photo_ids` the photos of `record`, whose row the caller has locked; others go back to the gallery.

    Pending ones stay: somebody may be uploading them just now. Raises as `attach_photos`.
    """
    chosen = set(photo_ids)
    photos = PatientPhoto.objects.for_clinic(record.clinic_id)
    photos.filter(Q(pk__in=chosen) | Q(medical_record=record)).lock()
    _attach(record, chosen, by, now)
    left_out = PatientPhoto.objects.active().filter(medical_record=record, is_pending=False).exclude(pk__in=chosen)
    left_out.update(medical_record=None, updated_at=now, updated_by_user=by)


def _attach(record: MedicalRecord, photo_ids: set[int], by: User, now: datetime) -> None:
    photos = PatientPhoto.objects.for_clinic(record.clinic_id).filter(pk__in=photo_ids)
    found = photos.lock()
    if len(found) < len(photo_ids):
        raise PatientPhoto.DoesNotExist
    for photo in found:
        photo.check_attachable(record)
    if photos.update(medical_record=record, is_pending=False, updated_at=now, updated_by_user=by) < len(found):
        raise Suppressed
