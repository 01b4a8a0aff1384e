"""The HTTP responses with exports. Who may have them has been decided before."""

from collections.abc import AsyncIterator
from datetime import datetime

from asgiref.sync import sync_to_async
from django.http import FileResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from clinic_project.clinics.models import Patient

from ..models import MedicalRecordTemplate
from .archive import Archive
from .patients import export_patient
from .template_csv import write_csv


class ArchiveResponse(StreamingHttpResponse):
    """Sends a zip with its length, so that whoever waits sees how much is left, and that a part isn't the whole."""

    def __init__(self, archive: Archive, name: str) -> None:
        headers = {
            "Content-Length": str(len(archive)),
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(archive, content_type="application/zip", headers=headers)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # Under ASGI, Django would read all of it into memory first.
        pieces = iter(self)
        next_piece = sync_to_async(lambda: next(pieces, None))
        while piece := await next_piece():
            yield piece


def export_response(patient: Patient, made_by: str) -> ArchiveResponse:
    """Respond with the copy of all that the clinic has of a patient. Raises as `export_patient`."""
    made_at = timezone.now()
    return ArchiveResponse(export_patient(patient, made_by, made_at), export_name(patient, made_at))


def csv_response(template: MedicalRecordTemplate) -> FileResponse:
    """Respond with the records of a template as CSV. Raises as `write_csv`."""
    name = f"template-{template.pk}-{timezone.localdate()}.csv"
    file = write_csv(template)
    response = FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
    response["Cache-Control"] = "private, no-store"
    return response


def export_name(patient: Patient, made_at: datetime) -> str:
    """Return the name of the zip, in which there is no person's."""
    return f"patient-{patient.pk}-{timezone.localdate(made_at)}.zip"
