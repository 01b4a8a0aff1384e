"""What a patient has, by date: `/clinic/patients/{patient_id}/timeline`."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, QuerySet, TextField, Value
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.openapi import CONTENT_ETAG, documented
from clinic_project.api.pagination import Listing
from clinic_project.api.serializers import Row, RowSerializer
from clinic_project.clinics.api.viewsets import ClinicViewSet
from clinic_project.clinics.models import Patient
from clinic_project.clinics.querysets import PatientQuerySet, TrashQuerySet
from medical_records.models import MedicalRecord, PatientPhoto

from .serializers import (
    RECORD_IN_ERROR,
    PhotoOutputSerializer,
    RecordOutputSerializer,
    TimelineEntryOutputSerializer,
)


class TimelineViewSet(ClinicViewSet[PatientQuerySet]):
    """Records and photos are read as their own lists show them, once it is known which are on the page."""

    queryset = Patient.objects.all()
    ordering = ("-at", "-type", "-id")
    documented_tag = "patients"

    @documented("getPatientTimeline", TimelineEntryOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request, patient_id: int) -> Response:
        """List a patient's records and photos together, the newest first.

        Pending photos, what is in the trash, and what was entered in error are left out.
        """
        patient = self.of_clinic(Patient, patient_id)
        records = MedicalRecord.objects.of_patient(patient).active().without_errors()
        photos = PatientPhoto.objects.of_patient(patient).active().without_pending()
        dated = [_dated("record", records, Value(False)), _dated("photo", photos, RECORD_IN_ERROR)]
        listing = Listing(dated, self.ordering, shown_beside=["record_entered_in_error"])
        return self.page_response(listing, _Entries(patient, records, photos))


@dataclass
class _Entries:
    """What a page of the timeline shows: `records` and `photos` of a patient, by their types."""

    patient: Patient
    records: TrashQuerySet[Any]
    photos: TrashQuerySet[Any]

    def identify(self, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return rows.values("at", "type", "id", "record_entered_in_error")

    read = identify

    def note_shown(self, dated: list[Row]) -> None:
        for serializer, kind in ((RecordOutputSerializer, "record"), (PhotoOutputSerializer, "photo")):
            serializer.note_shown({"id": pk, "patient_id": self.patient.pk} for pk in _ids(dated, kind))

    def represent(self, dated: list[Row]) -> list[Row]:
        shown = {
            "record": _by_id(RecordOutputSerializer, self.records, _ids(dated, "record")),
            "photo": _by_id(PhotoOutputSerializer, self.photos, _ids(dated, "photo")),
        }
        found = (_entry(row, shown[row["type"]].get(row["id"])) for row in dated)
        return [entry for entry in found if entry]


def _ids(dated: list[Row], kind: str) -> list[int]:
    return [row["id"] for row in dated if row["type"] == kind]


def _dated(kind: str, rows: TrashQuerySet[Any], in_error: Exists | Value) -> QuerySet[Any]:
    dated = {"at": F("created_at"), "type": Value(kind, TextField())}
    return rows.annotate(**dated, record_entered_in_error=in_error)


def _by_id(serializer: type[RowSerializer], rows: TrashQuerySet[Any], ids: list[int]) -> dict[int, Row]:
    """Return those of `rows` that have one of `ids`, serialized."""
    found = serializer.represent(list(serializer.read(rows.filter(pk__in=ids))))
    return {row["id"]: row for row in found}


def _entry(dated: Row, shown: Row | None) -> Row | None:
    """Return what a timeline shows of a row; None where it has gone since it was dated."""
    if shown is None:
        return None
    return {"type": dated["type"], "at": dated["at"], "record": None, "photo": None, dated["type"]: shown}
