"""The endpoints of templates: `/clinic/medical-record-templates`."""

from typing import Any

from django.http import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.idempotency import idempotent
from clinic_project.api.openapi import CHANGING, CONTENT_ETAG, CREATING, VERSION_ETAG, documented
from clinic_project.audit import transactions
from clinic_project.clinics.access import ADMIN_ROLES
from medical_records import services
from medical_records.export.responses import csv_response
from medical_records.models import MedicalRecordTemplate
from medical_records.querysets import TemplateQuerySet

from .base import VersionedViewSet
from .exports import CSV, export_problem
from .filters import TemplateFilterSet
from .history import HistoryViewSet, as_it_was
from .serializers import (
    HistoryEntryOutputSerializer,
    PastTemplateOutputSerializer,
    StaleTemplateSerializer,
    TemplateChangeSerializer,
    TemplateCopySerializer,
    TemplateInputSerializer,
    TemplateOutputSerializer,
    TemplatePatchSerializer,
    VersionInputSerializer,
)


class TemplateViewSet(HistoryViewSet[TemplateQuerySet], VersionedViewSet[TemplateQuerySet]):
    queryset = MedicalRecordTemplate.objects.all()
    filterset_class = TemplateFilterSet
    ordering = ("name", "id")
    is_ordered_by_name = True
    write_roles = ADMIN_ROLES
    serializer_class = TemplateOutputSerializer
    past_serializer = PastTemplateOutputSerializer
    input_serializers = {
        "create": TemplateInputSerializer,
        "copy": TemplateCopySerializer,
        "update": TemplateChangeSerializer,
        "partial_update": TemplatePatchSerializer,
        "destroy": VersionInputSerializer,
        "restore": VersionInputSerializer,
    }
    detail_route = "medical_records:template-detail"
    documented_tag = "templates"

    def as_api_error(self, exc: Exception) -> Exception:
        return export_problem(exc) or super().as_api_error(exc)

    @documented("listTemplates", TemplateOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request) -> Response:
        """List the clinic's templates, by name."""
        return super().list(request)

    @documented("createTemplate", TemplateOutputSerializer, status=201, problems=CREATING, etag=VERSION_ETAG)
    @idempotent
    @transactions.atomic
    def create(self, request: Request) -> Response:
        """Create a template."""
        template = services.create_template(self.clinic, self.access.user, **self.valid_input())
        return self.row_response(template.pk, status=201)

    @documented("copyTemplate", TemplateOutputSerializer, status=201, problems=CREATING, etag=VERSION_ETAG)
    @action(detail=True, methods=["post"])
    @idempotent
    @transactions.atomic
    def copy(self, request: Request, pk: int) -> Response:
        """Copy a template under another name. Its fields get ids of their own."""
        template = self.of_clinic(MedicalRecordTemplate, pk)
        copied = services.copy_template(template, self.access.user, **self.valid_input())
        return self.row_response(copied.pk, status=201)

    @documented("exportTemplateRecords", None, responses=CSV)
    @action(detail=True, url_path="records.csv")
    def records_csv(self, request: Request, pk: int) -> HttpResponseBase:
        """Send the records of a template as CSV: a row for each record, a column for each field.

        Those in the trash are left out. Fields that only older records have come last. Texts that a spreadsheet would
        calculate begin with an apostrophe. Only administrators may ask for it.
        """
        self.access.require(ADMIN_ROLES)
        return csv_response(self.of_clinic(MedicalRecordTemplate, pk))

    @documented("getTemplate", TemplateOutputSerializer, etag=VERSION_ETAG, conditional=True)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a template, in the trash or not."""
        return self.show(pk)

    @documented("replaceTemplate", TemplateOutputSerializer, problems=CHANGING, stale=StaleTemplateSerializer)
    def update(self, request: Request, pk: int) -> Response:
        """Replace a template. Records made from it stay as they are."""
        return self.change(pk)

    @documented("updateTemplate", TemplateOutputSerializer, problems=CHANGING, stale=StaleTemplateSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change parts of a template. Records made from it stay as they are."""
        return self.change(pk)

    def perform_update(self, pk: int, versions: frozenset[int], columns: dict[str, Any]) -> None:
        services.change_template(self.get_queryset(), pk, versions, self.access.user, **columns)

    @documented("deleteTemplate", None, status=204, problems=CHANGING, stale=StaleTemplateSerializer)
    @transactions.atomic
    def destroy(self, request: Request, pk: int) -> Response:
        """Put a template into the trash. Records made from it stay as they are."""
        versions, _ = self.validated_change()
        self.get_queryset().move_to_trash(pk, versions, self.access.user)
        return Response(status=204)

    @documented("restoreTemplate", TemplateOutputSerializer, problems=CHANGING, stale=StaleTemplateSerializer)
    @action(detail=True, methods=["post"])
    @transactions.atomic
    def restore(self, request: Request, pk: int) -> Response:
        """Take a template out of the trash."""
        versions, _ = self.validated_change()
        self.get_queryset().restore(pk, versions, self.access.user)
        return self.row_response(pk)

    @documented("listTemplateHistory", HistoryEntryOutputSerializer(many=True), etag=CONTENT_ETAG, conditional=True)
    @action(detail=True, filterset_class=None)
    def history(self, request: Request, pk: int) -> Response:
        """List what was done to a template, the newest change first."""
        return self.history_response(pk)

    @documented(
        "getPastTemplate", None, responses=as_it_was(PastTemplateOutputSerializer), etag=CONTENT_ETAG, conditional=True
    )
    @action(detail=True, url_path="history/<sequence:sequence>")
    def past(self, request: Request, pk: int, sequence: int) -> Response:
        """Show a template as a change left it: the one that has this place in its history."""
        return self.past_response(pk, sequence)
