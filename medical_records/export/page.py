"""`index.html` of an export: what people read and print, piece by piece. It has no script, and needs no network."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.template.loader import get_template
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from clinic_project.clinics.models import Patient

from ..models import MedicalRecord, PatientPhoto
from ..printed_records import Print, PrintedPhoto, record_html, stylesheet
from .pictures import Picture, Pictures
from .reading import Names, in_batches, whole_records

_TEMPLATES = "medical_records/export"


class Page:
    """The pieces of the page, in their order."""

    def __init__(self, patient: Patient, pictures: Pictures, names: Names, printed: Print) -> None:
        self._patient = patient
        self._pictures = pictures
        self._names = names
        self._printed = printed
        self._photos = PatientPhoto.objects.of_patient(patient)

    def head(self) -> str:
        """Return the beginning: whose copy it is, who made it and when, what is missing, and the table of contents."""
        contents = MedicalRecord.objects.of_patient(self._patient).order_by("created_at", "pk")
        return _rendered(
            "head",
            stylesheet=mark_safe(stylesheet()),  # noqa: S308 - a file of ours
            patient=self._patient,
            printed=self._printed,
            problems=self._pictures.problems,
            contents=contents.values("id", "template_name", "created_at", "is_deleted", "entered_in_error_at"),
        )

    def records(self) -> Iterator[str]:
        """Yield each record with its photos, the oldest first."""
        for records in whole_records(self._patient):
            photos = defaultdict(list)
            # By their ids: PostgreSQL plans a subquery of them badly.
            on_records = self._photos.filter(medical_record__in=[record.pk for record in records])
            for photo in on_records.order_by("created_at", "pk"):
                photos[photo.medical_record_id].append(photo)
            for record in records:
                yield record_html(record, self._printed_photos(photos[record.pk]), self._names, self._printed)

    def gallery(self) -> Iterator[str]:
        """Yield the photos that are on no record of the patient's."""
        photos = self._photos.exclude(medical_record__in=MedicalRecord.objects.of_patient(self._patient))
        yield _rendered("gallery", has_photos=photos.exists())
        for batch in in_batches(photos):
            yield _rendered("photos", photos=self._printed_photos(batch))

    def tail(self) -> str:
        return _rendered("tail")

    def _printed_photos(self, photos: Iterable[PatientPhoto]) -> list[PrintedPhoto]:
        return [_printed_photo(photo, self._pictures[photo]) for photo in photos]


def _printed_photo(photo: PatientPhoto, picture: Picture) -> PrintedPhoto:
    if picture.name and not picture.is_image:
        return PrintedPhoto(
            photo, problem=_("Its type isn't shown here: the file is %(file)s.") % {"file": picture.name}
        )
    return PrintedPhoto(photo, address=picture.name or "", problem=str(picture.problem or ""))


def _rendered(template: str, **context: Any) -> str:
    return get_template(f"{_TEMPLATES}/{template}.html").render(context)
