"""The clinic's templates: `/clinic/medical-record-templates`."""

from typing import Any

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.documentation import CHANGING, CREATING, endpoint
from clinic_project.api.idempotency import idempotent
from clinic_project.clinics.access import ADMINISTRATIVE
from medical_records import services
from medical_records.models import MedicalRecordTemplate
from medical_records.querysets import TemplateQuerySet

from .filters import TemplateFilters
from .serializers import TemplateChange, TemplateInput, TemplateOutput, TemplatePatch, VersionInput
from .viewsets import VersionedViewSet


class TemplateViewSet(VersionedViewSet[TemplateQuerySet]):
    queryset = MedicalRecordTemplate.objects.all()
    filterset_class = TemplateFilters
    ordering = ("name", "id")
    writers = ADMINISTRATIVE
    serializer_class = TemplateOutput
    input_serializers = {
        "create": TemplateInput,
        "update": TemplateChange,
        "partial_update": TemplatePatch,
        "destroy": VersionInput,
        "restore": VersionInput,
    }
    detail_route = "medical_records:template-detail"
    documented_tag = "medical-record-templates"

    @endpoint(TemplateOutput)
    def list(self, request: Request) -> Response:
        """List the clinic's templates, by name."""
        return super().list(request)

    @endpoint(TemplateOutput, status=201, problems=CREATING, versioned=True, once=True)
    @idempotent
    def create(self, request: Request) -> Response:
        """Make a template."""
        template = services.create_template(self.clinic, self.access.user, **self.valid_input())
        return self.shown(template.pk, status=201)

    @endpoint(TemplateOutput, versioned=True)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a template, in the trash or not."""
        return self.shown(pk)

    @endpoint(TemplateOutput, problems=CHANGING, versioned=True)
    def update(self, request: Request, pk: int) -> Response:
        """Replace a template. Records made from it stay as they are."""
        return self.change(pk)

    @endpoint(TemplateOutput, problems=CHANGING, versioned=True)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change parts of a template. Records made from it stay as they are."""
        return self.change(pk)

    def perform_update(self, pk: int, versions: frozenset[int], columns: dict[str, Any]) -> None:
        services.change_template(self.get_queryset(), pk, versions, self.access.user, **columns)

    @endpoint(None, status=204, problems=CHANGING)
    def destroy(self, request: Request, pk: int) -> Response:
        """Put a template into the trash. Records made from it stay as they are."""
        self.get_queryset().move_to_trash(pk, self.seen(), self.access.user)
        return Response(status=204)

    @endpoint(TemplateOutput, problems=CHANGING, versioned=True)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: int) -> Response:
        """Take a template out of the trash."""
        self.get_queryset().restore(pk, self.seen(), self.access.user)
        return self.shown(pk)
