"""Removes for good what is no longer needed: records, photos and templates long in the trash, photos long pending,
and files that nothing refers to. What has to be kept stays in the trash until its time is over.

Everything goes in batches, each committed on its own, and rows always before their files: a purge that is killed in
between leaves a file without a row, which the next one finds.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import Error, IntegrityError, connection, transaction
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from clinic_project.api.models import IdempotencyKey
from clinic_project.audit import transactions
from clinic_project.audit.destruction import destroy
from clinic_project.audit.functions import ROW_IS_RETAINED
from clinic_project.reconciliation.sqlstates import message, sqlstate

from .functions import SIGNED
from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from .photos import storage
from .photos.storage import PhotoFile
from .retention import IsRetained, RetainedUntil

logger = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Model)
#: The ids of rows that were removed, with the times until which they were retained.
Removed = dict[int, datetime | None]

BATCH = 500
#: How much longer a file stays than its photo, so that yesterday's backup of the database still finds all its files.
FILE_GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Step:
    """One part of the purge: `run` removes in batches, and yields the size of each; together they are `total`."""

    name: str
    total: Callable[[], int]
    run: Callable[[], Iterator[int]]


@dataclass
class Kept:
    """How many rows are retained, by the year until when, and until when the first of them is."""

    by_year: Counter[int] = field(default_factory=Counter)
    first: datetime | None = None

    def add(self, until: datetime) -> None:
        self.by_year[until.year] += 1
        self.first = min(self.first or until, until)


class Purge:
    """Removes what has been in the trash, or pending, for `days` days. `removed` counts what it has removed so far."""

    def __init__(self, days: int) -> None:
        self.age = timedelta(days=days)
        self.cutoff = timezone.now() - self.age
        self.file_cutoff = self.cutoff - FILE_GRACE
        #: What was deleted later is retained: the database needn't be asked for each. Its years are 365 days, or longer.
        self.retention_cutoff = timezone.now() - timedelta(days=365 * settings.RETENTION_YEARS)
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
        with_records = Q(medical_record__in=self.records())
        return Counter(
            files=sum(len(self._removable(folder)) for folder in storage.folders()),
            records=self.records().count(),
            photos=PatientPhoto.objects.filter(Q(pk__in=self.photos()) | with_records).count(),
            templates=self.templates().count(),
        )

    def kept(self) -> dict[str, Kept]:
        """Return what has been in the trash long enough, and is retained all the same: records and photos, if any."""
        found = {name: Kept() for name in ("records", "photos")}
        for kept, model in zip(found.values(), (MedicalRecord, PatientPhoto), strict=True):
            for until in self._trashed(model).values_list(RetainedUntil(model), flat=True).iterator():
                if until and until > timezone.now():
                    kept.add(until)
        return {name: kept for name, kept in found.items() if kept.first}

    def records(self) -> QuerySet[MedicalRecord]:
        old = Q(deleted_at__lte=self.retention_cutoff)
        return self._trashed(MedicalRecord).filter(old).exclude(IsRetained(MedicalRecord))

    def photos(self) -> QuerySet[PatientPhoto]:
        """Photos that went to the trash by themselves, and pending ones: others go with their records."""
        old = Q(deleted_at__lte=self.retention_cutoff) | Q(is_pending=True)
        return self._removable_photos().filter(old).exclude(IsRetained(PatientPhoto))

    def _removable_photos(self) -> QuerySet[PatientPhoto]:
        with_record = Q(medical_record__is_deleted=True, medical_record__deleted_at=F("deleted_at"))
        pending = Q(is_pending=True, created_at__lte=self.cutoff)
        return PatientPhoto.objects.filter((self._in_trash() & ~with_record) | pending)

    def templates(self) -> QuerySet[MedicalRecordTemplate]:
        """Templates that no record will refer to once `records` have been removed."""
        staying = MedicalRecord.objects.exclude(pk__in=self.records()).filter(template=OuterRef("pk"))
        return self._trashed(MedicalRecordTemplate).exclude(Exists(staying))

    def _trashed(self, model: type[Row]) -> QuerySet[Row]:
        return model._default_manager.filter(self._in_trash())

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
                locked = _locked(self._trashed(MedicalRecord), ids)
                photos = PatientPhoto.objects.filter(medical_record__in=locked).lock()
                removed, photos_removed = _remove_records([record.pk for record in locked], photos)
            self.removed["records"] += len(removed)
            self._finish_photos(photos, photos_removed)
            yield len(ids)

    def _purge_photos(self) -> Iterator[int]:
        for ids in _batches(self.photos()):
            with transactions.atomic():
                _lock_records_of(ids)
                photos = _locked(self._removable_photos(), ids)
                removed = _remove(PatientPhoto, [photo.pk for photo in photos])
                _tell_records([photo for photo in photos if photo.pk in removed])
            self._finish_photos(photos, removed)
            yield len(ids)

    def _purge_templates(self) -> Iterator[int]:
        for ids in _batches(self.templates()):
            with transactions.atomic():
                locked = _locked(self._trashed(MedicalRecordTemplate), ids)
                removed = _remove(MedicalRecordTemplate, [template.pk for template in locked])
            self.removed["templates"] += len(removed)
            yield len(ids)

    def _purge_responses(self) -> Iterator[int]:
        while removed := IdempotencyKey.objects.purge():
            yield removed

    def _finish_photos(self, photos: list[PatientPhoto], removed: Removed) -> None:
        """Count removed photos, and delete their files unless other photos refer to them or FILE_GRACE isn't over."""
        self.removed["photos"] += len(removed)
        gone = [photo for photo in photos if photo.pk in removed]
        keys = {key for photo in gone for key in (photo.storage_key, photo.thumbnail_key) if key}
        if others := {key for key in keys if PhotoFile.from_key(key) is None}:
            storage.delete_files_of_other_systems(others)
        due = (photo for photo in gone if self._removable_since(photo, removed) + FILE_GRACE <= timezone.now())
        storage.delete_unreferenced({file for photo in due if (file := PhotoFile.from_key(photo.storage_key))})

    def _removable_since(self, photo: PatientPhoto, removed: Removed) -> datetime:
        since = (photo.deleted_at or photo.created_at) + self.age
        return max(since, removed[photo.pk] or since)


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
    """Raise the version of the records that showed one of these until now, and have no trace of it left.

    Their `updated_at` stays: it is what a person changed last, from which the retention is counted.
    """
    shown_on = {photo.medical_record_id for photo in removed if photo.is_pending and not photo.is_deleted} - {None}
    MedicalRecord.objects.filter(pk__in=shown_on).update(version=F("version") + 1)


def _remove_records(ids: list[int], photos: list[PatientPhoto]) -> tuple[Removed, Removed]:
    """Remove these records, each with those of `photos` that are on it; return the records that were, and the photos."""
    on_record: dict[int | None, list[int]] = {}
    for photo in photos:
        on_record.setdefault(photo.medical_record_id, []).append(photo.pk)
    photos_removed: Removed = {}

    def remove(some: list[int]) -> Removed:
        gone = destroy(PatientPhoto._meta.db_table, [pk for record in some for pk in on_record.get(record, ())])
        removed = destroy(MedicalRecord._meta.db_table, some)
        photos_removed.update(gone)
        return removed

    return _removed(MedicalRecord, ids, remove), photos_removed


def _remove(model: type[Model], ids: list[int]) -> Removed:
    return _removed(model, ids, lambda some: destroy(model._meta.db_table, some))


def _removed(model: type[Model], ids: list[int], remove: Callable[[list[int]], Removed]) -> Removed:
    """Remove these rows and return those that were: one that has to stay does, with a warning."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return remove(ids)
    except Error as error:
        if not isinstance(error, IntegrityError) and sqlstate(error) not in {ROW_IS_RETAINED, SIGNED}:
            raise
        if len(ids) > 1:
            return {pk: until for one in ids for pk, until in _removed(model, [one], remove).items()}
        logger.warning("%s %s stays in the trash: %s", model._meta.verbose_name, ids[0], message(error))
        return {}
