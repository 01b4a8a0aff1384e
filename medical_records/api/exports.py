"""A patient's copy of all that the clinic has of them: `/clinic/patients/{patient_id}/export`."""

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request

from clinic_project.api.openapi import documented
from clinic_project.api.problems import Problem, Unavailable
from clinic_project.clinics.access import ADMIN_ROLES
from clinic_project.clinics.api.viewsets import ClinicViewSet
from clinic_project.clinics.models import Patient
from clinic_project.clinics.querysets import PatientQuerySet
from medical_records.export.exceptions import NO_ROOM, ChangedMeanwhile, NoRoom
from medical_records.export.responses import export_response
from medical_records.photos.storage import StorageUnavailable

from .base import storage_fails

_ZIP = {(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, description="The zip.")}
CSV = {(200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, description="UTF-8 with a byte order mark.")}


def export_problem(exc: Exception) -> Problem | None:
    """Return the problem of an export that can't be made now; None for anything else."""
    match exc:
        case StorageUnavailable():
            return storage_fails()
        case ChangedMeanwhile():
            detail = "A photo was removed for good while it was exported. Send it again."
            return Unavailable("changed-meanwhile", "Changed meanwhile", detail, seconds=5)
        case NoRoom():
            return Unavailable("no-room", "No room for the export", str(NO_ROOM), seconds=60)
    return None


class PatientExportViewSet(ClinicViewSet[PatientQuerySet]):
    queryset = Patient.objects.all()
    documented_tag = "patients"

    def as_api_error(self, exc: Exception) -> Exception:
        return export_problem(exc) or super().as_api_error(exc)

    @documented("exportPatient", None, responses=_ZIP)
    def export(self, request: Request, patient_id: int) -> HttpResponseBase:
        """Send a copy of all that the clinic has of a patient, as a zip.

        It has a page to read and print, each record as JSON, the photos, all histories and a FHIR R4 bundle; the trash is
        in it, and marked. Only administrators may ask for it. Its length is known before: a part isn't taken for the whole.
        """
        self.access.require(ADMIN_ROLES)
        return export_response(self.of_clinic(Patient, patient_id), self.access.membership.full_name)
