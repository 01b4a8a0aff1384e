"""Endpoints of the clinic's templates: `/clinic/medical-record-templates`."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.clinics.api.access import ADMINISTRATIVE
from clinic_project.clinics.api.documentation import CHANGING, CREATING, endpoint, page_of, row_id
from clinic_project.clinics.api.idempotency import idempotent
from medical_records import services
from medical_records.models import MedicalRecordTemplate
from medical_records.querysets import TemplateQuerySet

from . import representations
from .filters import TemplateFilters, filtered
from .serializers import TemplateChange, TemplateInput, TemplateOutput, TemplatePatch, TemplateQuery, VersionInput
from .views import VersionedView

_ID = row_id("id")


def _changes(shape: type[VersionInput]) -> Callable[[Any], Any]:
    return endpoint(TemplateOutput, takes=shape, problems=CHANGING, parameters=[_ID], versioned=True)


class TemplateView(VersionedView):
    writers = ADMINISTRATIVE
    represent = representations.template
    detail_route = "medical_records:template"

    @property
    def templates(self) -> TemplateQuerySet:
        return MedicalRecordTemplate.objects.for_clinic(self.clinic)


class TemplateList(TemplateView):
    @endpoint(page_of(TemplateOutput), parameters=[TemplateQuery], paged=True)
    def get(self, request: Request) -> Response:
        """List the clinic's templates, by name."""
        templates = filtered(request, self.templates, TemplateFilters)
        return Response(representations.template_page(request, templates.order_by("name", "id")))

    @endpoint(TemplateOutput, status=201, takes=TemplateInput, problems=CREATING, versioned=True, once=True)
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a template."""
        template = services.create_template(self.clinic, self.access.user, **self.valid(TemplateInput))
        return self.shown(template.pk, status=201)


class TemplateDetail(TemplateView):
    @endpoint(TemplateOutput, parameters=[_ID], versioned=True)
    def get(self, request: Request, pk: int) -> Response:
        """Show a template, in the trash or not."""
        return self.shown(pk)

    @_changes(TemplateChange)
    def put(self, request: Request, pk: int) -> Response:
        """Replace a template. Records made from it stay as they are."""
        return self._change(pk, TemplateChange)

    @_changes(TemplatePatch)
    def patch(self, request: Request, pk: int) -> Response:
        """Change parts of a template. Records made from it stay as they are."""
        return self._change(pk, TemplatePatch)

    @endpoint(None, status=204, takes=VersionInput, problems=CHANGING, parameters=[_ID])
    def delete(self, request: Request, pk: int) -> Response:
        """Put a template into the trash. Records made from it stay as they are."""
        self.templates.move_to_trash(pk, self.seen(), self.access.user)
        return Response(status=204)

    def _change(self, pk: int, shape: type[VersionInput]) -> Response:
        versions = self.seen()
        services.change_template(self.templates, pk, versions, self.access.user, **self.valid_change(shape))
        return self.shown(pk)


class TemplateRestore(TemplateView):
    @endpoint(TemplateOutput, takes=VersionInput, problems=CHANGING, parameters=[_ID], versioned=True)
    def post(self, request: Request, pk: int) -> Response:
        """Take a template out of the trash."""
        self.templates.restore(pk, self.seen(), self.access.user)
        return self.shown(pk)
