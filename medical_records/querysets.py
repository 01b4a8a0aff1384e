"""What a clinic may see of its templates, records and photos, and how one row changes.

Every query of them starts with `for_clinic`, or `of_patient`. A change of a template or record names the versions it may
replace; the check and the write are one UPDATE, so that of several changes sent with the same version exactly one is made.
What is done to several rows together is in `services`.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from clinic_project.api import compiled_queries
from clinic_project.api.compiled_queries import as_saved
from clinic_project.clinics.querysets import TrashQuerySet

from .exceptions import ChangeRefused, InTrash, NotInTrash, StaleVersion, Suppressed
from .functions import SIGNATURE

if TYPE_CHECKING:
    from clinic_project.clinics.models import Patient, User

    from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto  # noqa: F401 - named in strings below

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)

#: From a record's last change, until it is overdue.
TIME_TO_SIGN = timedelta(hours=24)


class OfPatientMixin:
    """For rows that belong to a patient."""

    def of_patient(self, patient: "Patient") -> Self:
        """Only what a patient has in their clinic: rows of another program may tie them to another clinic's."""
        rows: Self = self.for_clinic(patient.clinic_id).filter(patient=patient)  # type: ignore[attr-defined]
        return rows


class ChangingQuerySet(TrashQuerySet[Row_co]):
    """Rows that are made and changed one by one, each known to be there afterwards."""

    def insert(self, row: models.Model) -> None:
        """Insert `row`. Raises Suppressed where the database leaves it out."""
        if not compiled_queries.insert(row):
            raise Suppressed

    def refusal(self, columns: Collection[str] = (), *, from_trash: bool) -> ChangeRefused:
        """Return why `columns` of the only row of this queryset can't be set; raises DoesNotExist if it has none."""
        in_trash = self.get().is_deleted  # type: ignore[attr-defined]  # what these rows have
        if in_trash is from_trash:
            return Suppressed()
        return NotInTrash() if from_trash else InTrash()


class VersionedQuerySet(ChangingQuerySet[Row_co]):
    """Rows with a `version`, which every change raises by one.

    The changes below raise the model's DoesNotExist, or what ChangeRefused stands for, having changed nothing.
    """

    def change(self, pk: int, versions: Collection[int], by: "User", **columns: Any) -> datetime:
        """Set `columns` of a row in use that has one of `versions`, and return the time that its `updated_at` says."""
        return self._replace(pk, versions, by, from_trash=False, **columns)

    def move_to_trash(self, pk: int, versions: Collection[int], by: "User", **columns: Any) -> datetime:
        """Put a row into the trash, setting `columns`, and return the time that its `deleted_at` says."""
        now = timezone.now()
        return self._replace(pk, versions, by, now, from_trash=False, is_deleted=True, deleted_at=now, **columns)

    def restore(self, pk: int, versions: Collection[int], by: "User") -> datetime:
        """Take a row out of the trash, and return the time that its `updated_at` says."""
        return self._replace(pk, versions, by, from_trash=True, is_deleted=False, deleted_at=None)

    def _replace(
        self,
        pk: int,
        versions: Collection[int],
        by: "User",
        now: datetime | None = None,
        *,
        from_trash: bool,
        **columns: Any,
    ) -> datetime:
        now = now or timezone.now()
        rows = self.filter(pk=pk)
        changed = rows.replaceable(versions, columns, from_trash=from_trash).update(**next_version(now, by, **columns))
        if not changed:
            raise rows.stale_or_refused(versions, columns, from_trash=from_trash)
        return now

    def replaceable(self, versions: Collection[Any], columns: Collection[str], *, from_trash: bool) -> Self:
        """The rows whose `columns` may be set where somebody has seen one of `versions`.

        An UPDATE that has waited for another looks again: the row has the next version by then.
        """
        return self.filter(version__in=versions, is_deleted=from_trash)

    def stale_or_refused(
        self, versions: Collection[int], columns: Collection[str] = (), *, from_trash: bool
    ) -> ChangeRefused:
        """Return why the only row of this queryset can't be changed; raises DoesNotExist if it has none."""
        current = self.get()
        if current.version not in versions:  # type: ignore[attr-defined]  # what these rows have
            return StaleVersion(current)
        return self.refusal(columns, from_trash=from_trash)


def next_version(now: Any, by: Any, **columns: Any) -> dict[str, Any]:
    """Return what every change sets, and `columns`."""
    changed = {"version": F("version") + 1, "updated_at": now, "updated_by_user": by, **columns}
    return {**changed, "amended_at": now} if amends(columns) else changed


class TemplateQuerySet(VersionedQuerySet["MedicalRecordTemplate"]):
    pass


def amendment(reason: str | None) -> dict[str, Any]:
    """Return what an amendment sets beside what it changes; nothing where there is no reason, and so none.

    With what `next_version` adds, the database lets it through: see `functions`.
    """
    if reason is None:
        return {}
    return {**dict.fromkeys(SIGNATURE), "amendment_reason": reason}


def amends(columns: Collection[str]) -> bool:
    """Whether setting these columns of a record is an amendment."""
    return "amendment_reason" in columns


class RecordQuerySet(OfPatientMixin, VersionedQuerySet["MedicalRecord"]):
    """Records. `services` moves one to the trash and restores it together with its photos.

    A change of what is signed is refused, unless `columns` are those of an `amendment` as well; `signing` signs.
    """

    def without_errors(self) -> Self:
        """The records that aren't marked as entered in error."""
        return self.filter(entered_in_error_at=None)

    def in_error(self) -> Self:
        return self.filter(entered_in_error_at__isnull=False)

    def signed(self) -> Self:
        return self.filter(signed_at__isnull=False)

    def unsigned(self) -> Self:
        return self.filter(signed_at=None)

    def overdue(self) -> Self:
        """The records that nobody has signed in the time after their last change."""
        return self.unsigned().filter(updated_at__lt=Now() - TIME_TO_SIGN)

    def replaceable(self, versions: Collection[Any], columns: Collection[str], *, from_trash: bool) -> Self:
        rows = super().replaceable(versions, columns, from_trash=from_trash)
        # Neither signed nor marked records are moved to the trash: how one that is there came there isn't known.
        return rows if from_trash else rows.filter(entered_in_error_at=None, signed_at__isnull=not amends(columns))

    def refusal(self, columns: Collection[str] = (), *, from_trash: bool) -> ChangeRefused:
        refusal = super().refusal(columns, from_trash=from_trash)
        if isinstance(refusal, Suppressed) and not from_trash:
            try:
                self.get().check_changeable(amends=amends(columns))
            except ChangeRefused as reason:
                return reason
        return refusal

    def raise_version(self, pk: int, by: "User", now: datetime, **columns: Any) -> None:
        """Let whoever has read a record know that it has other photos now."""
        self.filter(pk=pk).update(**next_version(now, by, **columns))

    def change_found(self, pk: int, versions: Collection[int], by: "User", now: datetime, **columns: Any) -> None:
        """As `change`, by a compiled query: the caller has found the record where the user may change it."""
        values = {"pk": pk, "versions": dict(enumerate(versions)), "now": now, "by": by.pk, "columns": columns}
        if not compiled_queries.update(_change_found, self.model, **values):
            raise self.filter(pk=pk).stale_or_refused(versions, columns, from_trash=False)


def _change_found(
    model: "type[MedicalRecord]", *, pk: Any, versions: dict[int, Any], now: Any, by: Any, columns: dict[str, Any]
) -> "tuple[RecordQuerySet, dict[str, Any]]":
    fields = {field.attname: field for field in model._meta.concrete_fields}
    saved = {name: as_saved(value, fields[name]) for name, value in columns.items()}
    rows = model.objects.filter(pk=pk).replaceable([*versions.values()], columns, from_trash=False)
    return rows, next_version(now, by, **saved)


class PhotoQuerySet(OfPatientMixin, ChangingQuerySet["PatientPhoto"]):
    """Photos: in the gallery (of no record), on a record, or pending until that record is saved with them.

    The changes below raise DoesNotExist, InTrash, NotInTrash or Suppressed, having changed nothing.
    """

    def trashed_with(self, record_id: int, deleted_at: datetime | None) -> Self:
        """The photos that went to the trash with their record, at `deleted_at`, and not by themselves."""
        return self.in_trash().filter(medical_record_id=record_id, deleted_at=deleted_at)

    def in_use_on(self, record_id: int) -> Self:
        """The photos on a record, pending ones included, that aren't in the trash."""
        return self.active().filter(medical_record_id=record_id)

    def shown_with_record(self, record: Callable[[str], Any]) -> Self:
        """The photos that a record is shown with, in the trash or not: `record` gives its columns, as OuterRef does."""
        same = self.filter(medical_record=record("pk"), clinic=record("clinic"), is_deleted=record("is_deleted"))
        return same.filter(Q(is_deleted=False) | Q(deleted_at=record("deleted_at")))

    def without_pending(self) -> Self:
        """The photos that aren't pending: these are shown with their record alone."""
        return self.filter(is_pending=False)

    def lock(self) -> "list[PatientPhoto]":
        """Lock the rows until the transaction ends, by their ids, so that two who lock some of the same can't deadlock."""
        return list(self.order_by("pk").select_for_update())

    def change(self, pk: int, by: "User", **columns: Any) -> None:
        """Set `columns` of a photo in use."""
        self._replace(pk, by, timezone.now(), from_trash=False, **columns)

    def move_to_trash(self, pk: int, by: "User", now: datetime | None = None) -> None:
        """Put a photo into the trash; it stays with its record there, which `services.move_photo_to_trash` tells."""
        now = now or timezone.now()
        self._replace(pk, by, now, from_trash=False, is_deleted=True, deleted_at=now)

    def restore(self, pk: int, by: "User", now: datetime) -> None:
        """Take a photo out of the trash, wherever its record is: `services.restore_photo` looks there first."""
        self._replace(pk, by, now, from_trash=True, is_deleted=False, deleted_at=None)

    def _replace(self, pk: int, by: "User", now: datetime, *, from_trash: bool, **columns: Any) -> None:
        rows = self.filter(pk=pk)
        if not rows.filter(is_deleted=from_trash).update(updated_at=now, updated_by_user=by, **columns):
            raise rows.refusal(from_trash=from_trash)
