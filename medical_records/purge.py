"""Removes for good what is no longer needed: records, photos and templates long in the trash, photos long pending,
and files that no photo refers to.

Everything goes in batches, each committed on its own, and rows always before their files: a purge that is killed in
between leaves a file without a row, which the next one finds.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from clinic_project.api.models import IdempotencyKey
from clinic_project.audit import transactions
from clinic_project.reconciliation.sqlstates import message

from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from .photos import storage
from .photos.storage import PhotoFile

logger = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Model)

BATCH = 500
#: How much longer a file stays than its photo, so that yesterday's backup of the database still finds all its files.
FILE_GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Step:
    """One part of the purge: `run` removes in batches, and yields the size of each; together they are `total`."""

    name: str
    total: Callable[[], int]
    run: Callable[[], Iterator[int]]


class Purge:
    """Removes what has been in the trash, or pending, for `days` days. `removed` counts what it has removed so far."""

    def __init__(self, days: int) -> None:
        self.cutoff = timezone.now() - timedelta(days=days)
        self.file_cutoff = self.cutoff - FILE_GRACE
        self.removed: Counter[str] = Counter()

    def steps(self) -> list[Step]:
        """Return the steps in their order.

        Files without a photo come first: those that this run's photos leave behind stay until the next, a day later.
        Records come before photos, so that none is left in the trash without its own; and before templates, which they
        protect. Responses kept for an `Idempotency-Key` repeat what a record said, and outlive it by at most a day.
        """
        return [
            Step("files without a photo", lambda: len(storage.folders()), self._purge_files),
            Step("records", self.records().count, self._purge_records),
            Step("photos", self.photos().count, self._purge_photos),
            Step("templates", self.templates().count, self._purge_templates),
            Step("old answers", IdempotencyKey.objects.old().count, self._purge_responses),
        ]

    def count_removable(self) -> Counter[str]:
        """Count what the steps would remove, removing nothing."""
        of_records = PatientPhoto.objects.filter(medical_record__in=self.records())
        return Counter(
            files=sum(len(self._removable(folder)) for folder in storage.folders()),
            records=self.records().count(),
            photos=(self.photos() | of_records).count(),
            templates=self.templates().count(),
        )

    def records(self) -> QuerySet[MedicalRecord]:
        return MedicalRecord.objects.filter(self._in_trash())

    def photos(self) -> QuerySet[PatientPhoto]:
        return PatientPhoto.objects.filter(self._in_trash() | Q(is_pending=True, created_at__lte=self.cutoff))

    def templates(self) -> QuerySet[MedicalRecordTemplate]:
        """Templates that no record will refer to once `records` have been removed."""
        staying = MedicalRecord.objects.exclude(self._in_trash()).filter(template=OuterRef("pk"))
        return MedicalRecordTemplate.objects.filter(self._in_trash()).exclude(Exists(staying))

    def _in_trash(self) -> Q:
        return Q(is_deleted=True, deleted_at__lte=self.cutoff)

    def _purge_files(self) -> Iterator[int]:
        for folder in storage.folders():
            self.removed["files"] += storage.delete_unreferenced(self._removable(folder))
            yield 1

    def _removable(self, folder: str) -> list[PhotoFile]:
        """Return the files of `folder` that no photo refers to and that are old enough to be removed."""
        unused = storage.unreferenced(list(storage.files_in(folder)))
        return [file for file in unused if file.modified_at() <= self.file_cutoff]

    def _purge_records(self) -> Iterator[int]:
        for ids in _batches(self.records()):
            with transactions.atomic():
                locked = _locked(self.records(), ids)
                photos = list(PatientPhoto.objects.filter(medical_record__in=locked).order_by("pk").select_for_update())
                removed = _remove(MedicalRecord, [record.pk for record in locked])
            self.removed["records"] += len(removed)
            self._finish_photos([photo for photo in photos if photo.medical_record_id in removed])
            yield len(ids)

    def _purge_photos(self) -> Iterator[int]:
        for ids in _batches(self.photos()):
            with transactions.atomic():
                _lock_records_of(ids)
                photos = _locked(self.photos(), ids)
                removed = _remove(PatientPhoto, [photo.pk for photo in photos])
                _tell_records([photo for photo in photos if photo.pk in removed])
            self._finish_photos([photo for photo in photos if photo.pk in removed])
            yield len(ids)

    def _purge_templates(self) -> Iterator[int]:
        for ids in _batches(self.templates()):
            with transactions.atomic():
                locked = _locked(self.templates(), ids)
                removed = _remove(MedicalRecordTemplate, [template.pk for template in locked])
            self.removed["templates"] += len(removed)
            yield len(ids)

    def _purge_responses(self) -> Iterator[int]:
        while removed := IdempotencyKey.objects.purge():
            yield removed

    def _finish_photos(self, photos: list[PatientPhoto]) -> None:
        """Count removed photos, and delete their files unless other photos refer to them or FILE_GRACE isn't over."""
        self.removed["photos"] += len(photos)
        keys = {key for photo in photos for key in (photo.storage_key, photo.thumbnail_key) if key}
        if others := {key for key in keys if PhotoFile.from_key(key) is None}:
            storage.delete_files_of_other_systems(others)
        due = (photo for photo in photos if _removable_since(photo) <= self.file_cutoff)
        storage.delete_unreferenced({file for photo in due if (file := PhotoFile.from_key(photo.storage_key))})


def _removable_since(photo: PatientPhoto) -> datetime:
    return photo.deleted_at or photo.created_at


def _batches(rows: QuerySet[Row]) -> Iterator[list[int]]:
    """Yield the ids of `rows` by their order, without holding them in one transaction or in memory."""
    last = 0
    while ids := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield ids
        last = ids[-1]


def _locked(rows: QuerySet[Row], ids: list[int]) -> list[Row]:
    """Lock and return the rows of `ids` that are still among `rows`: one may have been restored meanwhile."""
    return list(rows.filter(pk__in=ids).order_by("pk").select_for_update(of=("self",)))


def _lock_records_of(photo_ids: list[int]) -> None:
    """Lock the records that are told of their photos' removal, before these, as all do who lock both."""
    pending = PatientPhoto.objects.filter(pk__in=photo_ids, is_pending=True)
    list(
        MedicalRecord.objects.filter(pk__in=pending.values("medical_record"))
        .order_by("pk")
        .select_for_update(no_key=True)
    )


def _tell_records(removed: list[PatientPhoto]) -> None:
    """Raise the version of the records that showed one of these until now, and have no trace of it left."""
    shown_on = {photo.medical_record_id for photo in removed if photo.is_pending and not photo.is_deleted} - {None}
    MedicalRecord.objects.filter(pk__in=shown_on).update(version=F("version") + 1, updated_at=timezone.now())


def _remove(model: type[Model], ids: list[int]) -> set[int]:
    """Delete these rows and return the ids of those removed; one that another table refers to stays, with a warning."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            model._default_manager.filter(pk__in=ids).delete()
    except IntegrityError as error:
        if len(ids) > 1:
            return set().union(*(_remove(model, [pk]) for pk in ids))
        logger.warning("%s %s stays in the trash: %s", model._meta.verbose_name, ids[0], message(error))
        return set()
    return set(ids)
