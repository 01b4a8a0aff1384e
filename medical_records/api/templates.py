"""Endpoints of the clinic's templates: `/clinic/medical-record-templates`."""

from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.clinics.api.access import ADMINISTRATIVE
from clinic_project.clinics.api.pagination import paginate
from clinic_project.clinics.api.views import ClinicView
from medical_records.models import MedicalRecordTemplate

from . import representations
from .filters import TemplateFilters, filtered


class TemplateList(ClinicView):
    writers = ADMINISTRATIVE

    def get(self, request: Request) -> Response:
        """List the clinic's templates, by name."""
        templates = filtered(request, MedicalRecordTemplate.objects.for_clinic(self.clinic), TemplateFilters)
        rows = representations.read(
            templates.order_by("name", "id"), representations.TEMPLATE, representations.TEMPLATE_JSON
        )
        page = paginate(request, rows)
        for row in page["results"]:
            representations.finish(row, representations.TEMPLATE_JSON)
        return Response(page)
