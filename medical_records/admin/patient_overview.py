"""A patient's records and photos together, in a fixed number of queries."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count, Q

from clinic_project.clinics.models import Patient

from ..models import MedicalRecord, PatientPhoto
from ..querysets import PhotoQuerySet
from .base import author_name

#: How many of each are shown; the lists have the others.
LATEST_RECORDS = 20
LATEST_PHOTOS = 24


@dataclass(frozen=True, slots=True)
class RecordWithPhotos:
    record: MedicalRecord
    photos: list[PatientPhoto]


@dataclass(frozen=True, slots=True)
class PatientOverview:
    """The latest records, each with its photos, and the latest photos that are on no record; and how many there are."""

    records: list[RecordWithPhotos]
    gallery: list[PatientPhoto]
    record_count: int
    records_in_trash: int
    records_in_error: int
    photo_count: int
    photos_in_trash: int

    @property
    def shown(self) -> list[MedicalRecord | PatientPhoto]:
        """All that is shown."""
        on_records = (photo for item in self.records for photo in item.photos)
        return [*(item.record for item in self.records), *on_records, *self.gallery]


def patient_overview(patient: Patient) -> PatientOverview:
    all_records, all_photos = MedicalRecord.objects.of_patient(patient), PatientPhoto.objects.of_patient(patient)
    latest = (
        all_records.active().without_errors().defer("template_snapshot", "values").annotate(author_name=author_name())
    )
    records = list(latest.order_by("-created_at", "-pk")[:LATEST_RECORDS])
    on_records = _by_record(all_photos.active().filter(medical_record__in=[record.pk for record in records]))
    gallery = all_photos.active().filter(medical_record=None, is_pending=False).order_by("-created_at", "-pk")
    tally = {"kept": Count("pk", filter=Q(is_deleted=False)), "trashed": Count("pk", filter=Q(is_deleted=True))}
    in_error = Q(is_deleted=False, entered_in_error_at__isnull=False)
    record_counts = all_records.aggregate(**tally, in_error=Count("pk", filter=in_error))
    photo_counts = all_photos.aggregate(**tally)
    return PatientOverview(
        records=[RecordWithPhotos(record, on_records[record.pk]) for record in records],
        gallery=list(gallery[:LATEST_PHOTOS]),
        record_count=record_counts["kept"] - record_counts["in_error"],
        records_in_trash=record_counts["trashed"],
        records_in_error=record_counts["in_error"],
        photo_count=photo_counts["kept"],
        photos_in_trash=photo_counts["trashed"],
    )


def _by_record(photos: PhotoQuerySet) -> defaultdict[int, list[PatientPhoto]]:
    by_record: defaultdict[int, list[PatientPhoto]] = defaultdict(list)
    for photo in photos.order_by("created_at", "pk"):
        if photo.medical_record_id is not None:
            by_record[photo.medical_record_id].append(photo)
    return by_record
