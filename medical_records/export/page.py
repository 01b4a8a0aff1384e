"""`index.html` of an export: what people read and print, piece by piece. It has no script, and needs no network."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.template.loader import get_template

from clinic_project.clinics.models import Patient

from ..admin.filled_form import filled_form
from ..models import MedicalRecord, PatientPhoto
from .pictures import Picture, Pictures
from .reading import Names, in_batches, photos_of, records_of, whole_records

_TEMPLATES = "medical_records/export"


class Page:
    """The pieces of the page, in their order."""

    def __init__(self, patient: Patient, pictures: Pictures, names: Names) -> None:
        self._patient = patient
        self._pictures = pictures
        self._names = names
        self._photos = photos_of(patient)

    def head(self, made_at: datetime, made_by: str) -> str:
        """Return the beginning: whose copy it is, who made it and when, what is missing, and the table of contents."""
        contents = records_of(self._patient).order_by("created_at", "pk")
        return _rendered(
            "head",
            patient=self._patient,
            made_at=made_at,
            made_by=made_by,
            problems=self._pictures.problems,
            contents=contents.values("id", "template_name", "created_at", "is_deleted"),
        )

    def records(self) -> Iterator[str]:
        """Yield each record with its photos, the oldest first."""
        for records in whole_records(records_of(self._patient)):
            photos = defaultdict(list)
            # By their ids: PostgreSQL plans a subquery of them badly.
            on_records = self._photos.filter(medical_record__in=[record.pk for record in records])
            for photo in on_records.order_by("created_at", "pk"):
                photos[photo.medical_record_id].append(photo)
            for record in records:
                yield self._record(record, photos[record.pk])

    def gallery(self) -> Iterator[str]:
        """Yield the photos that are on no record of the patient's."""
        photos = self._photos.exclude(medical_record__in=records_of(self._patient))
        yield _rendered("gallery", has_photos=photos.exists())
        for batch in in_batches(photos):
            yield _rendered("photos", photos=self._with_pictures(batch))

    def tail(self) -> str:
        return _rendered("tail")

    def _record(self, record: MedicalRecord, photos: list[PatientPhoto]) -> str:
        return _rendered(
            "record",
            record=record,
            form=filled_form(record.template_snapshot, record.values),
            photos=self._with_pictures(photos),
            created_by=self._names.get(record.created_by_user_id),
            updated_by=self._names.get(record.updated_by_user_id),
        )

    def _with_pictures(self, photos: Any) -> list[tuple[PatientPhoto, Picture]]:
        return [(photo, self._pictures[photo]) for photo in photos]


def _rendered(template: str, **context: Any) -> str:
    return get_template(f"{_TEMPLATES}/{template}.html").render(context)
