"""What a clinic may see of its templates, records and photos, and how they change.

Every query of them starts with `for_clinic`. A change of a template or record names the versions it may replace; the
check and the write are one UPDATE, so that of several changes sent with the same version exactly one is made.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from clinic_project.clinics.models import Appointment, Clinic, Patient, User
from clinic_project.clinics.querysets import TrashQuerySet

from .exceptions import ChangeRefused, InTrash, NotInTrash, StaleVersion, Unusable
from .template_fields import check_values, prepared_fields

if TYPE_CHECKING:
    from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class VersionedQuerySet(TrashQuerySet[Row_co]):
    """Rows with a `version`, which every change raises by one.

    The changes below raise the model's DoesNotExist, StaleVersion, InTrash or NotInTrash, having changed nothing.
    """

    def change(self, pk: int, versions: Collection[int], by: User, **columns: Any) -> None:
        """Set `columns` of a row in use that has one of `versions`."""
        self._replace(pk, versions, by, timezone.now(), from_trash=False, **columns)

    def move_to_trash(self, pk: int, versions: Collection[int], by: User) -> datetime:
        """Put a row into the trash, and return the time that its `deleted_at` says."""
        now = timezone.now()
        self._replace(pk, versions, by, now, from_trash=False, is_deleted=True, deleted_at=now)
        return now

    def restore(self, pk: int, versions: Collection[int], by: User) -> None:
        """Take a row out of the trash."""
        self._replace(pk, versions, by, timezone.now(), from_trash=True, is_deleted=False, deleted_at=None)

    def _replace(
        self, pk: int, versions: Collection[int], by: User, now: datetime, *, from_trash: bool, **columns: Any
    ) -> None:
        rows = self.filter(pk=pk)
        # An UPDATE that has waited for another looks at the row again before it writes: the second finds none.
        changed = rows.filter(version__in=versions, is_deleted=from_trash).update(
            version=F("version") + 1, updated_at=now, updated_by_user=by, **columns
        )
        if not changed:
            raise rows.why_refused(versions, from_trash=from_trash)

    def why_refused(self, versions: Collection[int], *, from_trash: bool) -> ChangeRefused:
        """Tell why none of the queryset's only row was changed; raises DoesNotExist if there is none."""
        current = self.get()
        if current.version not in versions:  # type: ignore[attr-defined]  # what these rows have
            return StaleVersion(current)
        return NotInTrash() if from_trash else InTrash()


class TemplateQuerySet(VersionedQuerySet["MedicalRecordTemplate"]):
    def make(self, clinic: Clinic, by: User, **columns: Any) -> int:
        """Create a template of `clinic` and return its id; raises ValidationError for fields against the rules."""
        columns["fields"] = prepared_fields(columns["fields"])
        return self.create(clinic=clinic, created_by_user=by, **columns).pk

    def change(self, pk: int, versions: Collection[int], by: User, **columns: Any) -> None:
        if "fields" in columns:
            columns["fields"] = prepared_fields(columns["fields"])
        super().change(pk, versions, by, **columns)


class RecordQuerySet(VersionedQuerySet["MedicalRecord"]):
    """Records. What is done to one is done to its photos in the same transaction."""

    @transaction.atomic
    def make(
        self,
        template: "MedicalRecordTemplate",
        patient: Patient,
        by: User,
        *,
        values: dict[str, Any],
        appointment_id: int | None = None,
        photo_ids: Iterable[int] = (),
    ) -> int:
        """Fill in `template` for `patient`, both of one clinic, and return the record's id.

        The template is copied into the record, and no later change of it shows there. Raises ValidationError for
        values against its fields, Unusable for what is in the trash or another patient's.
        """
        if template.is_deleted:
            raise Unusable("template_id", "This template is in the trash.")
        if patient.is_deleted:
            raise Unusable("patient_id", "This patient has been deleted.")
        snapshot = {"name": template.name, "description": template.description, "fields": template.fields}
        check_values(snapshot, values)
        record = self.create(
            clinic_id=patient.clinic_id,
            patient=patient,
            template=template,
            template_name=template.name,
            template_snapshot=snapshot,
            values=values,
            appointment=_appointment_of(patient.pk, patient.clinic_id, appointment_id),
            created_by_user=by,
            updated_by_user=by,
        )
        _photos().link(record, photo_ids, by)
        return record.pk

    @transaction.atomic
    def change(self, pk: int, versions: Collection[int], by: User, **columns: Any) -> None:
        """Set a record's `values`, `appointment_id` or `photo_ids`, those that are given. Its template stays.

        Raises as `make` does, and as every change.
        """
        photo_ids = columns.pop("photo_ids", None)
        record = self.get(pk=pk)
        if columns.pop("template_id", record.template_id) != record.template_id:
            raise Unusable("template_id", "The template of a record can't be changed.")
        if "values" in columns:
            check_values(record.template_snapshot, columns["values"])
        if "appointment_id" in columns:
            appointment_id = columns.pop("appointment_id")
            if appointment_id != record.appointment_id:
                columns["appointment"] = _appointment_of(record.patient_id, record.clinic_id, appointment_id)
        super().change(pk, versions, by, **columns)
        if photo_ids is not None:
            _photos().link(record, photo_ids, by)

    @transaction.atomic
    def attach_photos(self, pk: int, photo_ids: Iterable[int], by: User) -> None:
        """Put photos on a record in use, beside those that it has; its version stays.

        Raises DoesNotExist, InTrash, and as `PhotoQuerySet.attach`.
        """
        record = self.select_for_update().get(pk=pk)
        if record.is_deleted:
            raise InTrash
        _photos().attach(record, photo_ids, by)

    @transaction.atomic
    def move_to_trash(self, pk: int, versions: Collection[int], by: User) -> datetime:
        """Put a record into the trash and its photos with it: their equal `deleted_at` tells them from others there."""
        now = super().move_to_trash(pk, versions, by)
        photos = _photos().filter(medical_record_id=pk).active()
        photos.lock()
        photos.update(is_deleted=True, deleted_at=now, updated_at=now, updated_by_user=by)
        return now

    @transaction.atomic
    def restore(self, pk: int, versions: Collection[int], by: User) -> None:
        """Take a record out of the trash with the photos that went there with it, and no others."""
        deleted_at = self.filter(pk=pk).values_list("deleted_at", flat=True).get()
        super().restore(pk, versions, by)
        _photos().trashed_with(pk, deleted_at).update(
            is_deleted=False, deleted_at=None, updated_at=timezone.now(), updated_by_user=by
        )

    @transaction.atomic
    def remove(self, pk: int, versions: Collection[int]) -> None:
        """Remove a record in the trash for good, and its photos with it. Their files are left to the purge."""
        rows = self.filter(pk=pk)
        record = rows.in_trash().filter(version__in=versions).select_for_update().first()
        if record is None:
            raise rows.why_refused(versions, from_trash=True)
        record.delete()


def _photos() -> "PhotoQuerySet":
    from .models import PatientPhoto  # which imports this module

    return PatientPhoto.objects.all()


def _appointment_of(patient_id: int, clinic_id: int, appointment_id: int | None) -> Appointment | None:
    if appointment_id is None:
        return None
    appointment = Appointment.objects.for_clinic(clinic_id).get(pk=appointment_id)
    if appointment.patient_id != patient_id:
        raise Unusable("appointment_id", "This is another patient's appointment.")
    return appointment


class PhotoQuerySet(TrashQuerySet["PatientPhoto"]):
    """Photos: in the gallery (of no record), on a record, or pending until that record is saved with them."""

    def trashed_with(self, record_id: int, deleted_at: datetime | None) -> Self:
        """The photos that went to the trash with their record, at `deleted_at`, and not by themselves."""
        return self.in_trash().filter(medical_record_id=record_id, deleted_at=deleted_at)

    def without_pending(self) -> Self:
        """The photos that are shown beside the record that they belong to, not with it alone."""
        return self.filter(is_pending=False)

    def lock(self) -> "list[PatientPhoto]":
        """Lock the rows until the transaction ends, in one order, so that those who share some can't deadlock."""
        return list(self.order_by("pk").select_for_update())

    def link(self, record: "MedicalRecord", photo_ids: Iterable[int], by: User) -> None:
        """Make `photo_ids` the photos of `record`, whose row the caller has locked; others go back to the gallery.

        Those pending are left as they are: somebody may be uploading them just now. Raises as `attach`.
        """
        wanted = set(photo_ids)
        self.for_clinic(record.clinic_id).filter(Q(pk__in=wanted) | Q(medical_record=record)).lock()
        self.attach(record, wanted, by)
        left_out = self.active().filter(medical_record=record, is_pending=False).exclude(pk__in=wanted)
        left_out.update(medical_record=None, updated_at=timezone.now(), updated_by_user=by)

    def attach(self, record: "MedicalRecord", photo_ids: Iterable[int], by: User) -> None:
        """Put photos on `record`, whose row the caller has locked, beside those that it has; none is pending then.

        Raises DoesNotExist where one isn't in the clinic, Unusable where it is another patient's, in the trash, or on
        another record, having changed nothing.
        """
        wanted = set(photo_ids)
        photos = self.for_clinic(record.clinic_id).filter(pk__in=wanted)
        found = photos.lock()
        if len(found) < len(wanted):
            raise self.model.DoesNotExist
        for photo in found:
            photo.check_attachable(record)
        photos.update(medical_record=record, is_pending=False, updated_at=timezone.now(), updated_by_user=by)

    def change(self, pk: int, by: User, **columns: Any) -> None:
        """Set `columns` of a photo in use. Raises DoesNotExist, InTrash."""
        self._replace(pk, by, timezone.now(), from_trash=False, **columns)

    def move_to_trash(self, pk: int, by: User) -> None:
        """Put a photo into the trash; it stays with its record there. Raises DoesNotExist, InTrash."""
        now = timezone.now()
        self._replace(pk, by, now, from_trash=False, is_deleted=True, deleted_at=now)

    @transaction.atomic
    def restore(self, pk: int, by: User) -> None:
        """Take a photo out of the trash, to its record or the gallery.

        Raises DoesNotExist, NotInTrash, and Unusable where its record is in the trash.
        """
        record = self.get(pk=pk).lock_record()
        if record is not None and record.is_deleted:
            raise Unusable("medical_record_id", "Its record is in the trash as well. Restore the record.")
        self._replace(pk, by, timezone.now(), from_trash=True, is_deleted=False, deleted_at=None)

    def _replace(self, pk: int, by: User, now: datetime, *, from_trash: bool, **columns: Any) -> None:
        rows = self.filter(pk=pk)
        if not rows.filter(is_deleted=from_trash).update(updated_at=now, updated_by_user=by, **columns):
            rows.get()
            raise NotInTrash if from_trash else InTrash
