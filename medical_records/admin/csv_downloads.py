"""The records of a template as CSV, from the template's page, in the language of who downloads them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_GET

from clinic_project.audit.accesses import describe_access
from clinic_project.audit.models import Access
from clinic_project.clinics.access import ADMIN_ROLES
from clinic_project.clinics.administration.cross_site import refuse_another_site
from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import scope_of

from ..export.exceptions import NO_ROOM, NoRoom
from ..export.responses import csv_response
from ..models import MedicalRecordTemplate
from .base import ClinicalAdmin


class CsvMixin(ClinicalAdmin):
    """For templates: who administers the clinic, and superusers, may have the records, as in the API."""

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("csv", self.csv_view, "csv"), *super().get_urls()]

    @method_decorator(require_GET)
    @of_object
    def csv_view(self, request: HttpRequest, template: MedicalRecordTemplate) -> HttpResponseBase:
        if not self._may_have_csv(request, template):
            raise PermissionDenied
        refuse_another_site(request)
        clinic_id = template.clinic_id
        describe_access(Access.Action.EXPORT, {clinic_id}, scope_of(request).name_in(clinic_id))
        try:
            return csv_response(template)
        except NoRoom:
            self.message_user(request, str(NO_ROOM), messages.ERROR)
            return HttpResponseRedirect(self.object_url("change", template.pk))

    def own_page_context(self, request: HttpRequest, template: MedicalRecordTemplate) -> dict[str, Any]:
        context = super().own_page_context(request, template)
        if self._may_have_csv(request, template):
            context["csv_url"] = self.object_url("csv", template.pk)
        return context

    def _may_have_csv(self, request: HttpRequest, template: MedicalRecordTemplate) -> bool:
        return scope_of(request).has_role(ADMIN_ROLES, template.clinic_id)
