"""The export of a patient in the admin: a page that says what is in it, and the download."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from clinic_project.audit.accesses import describe_access
from clinic_project.audit.models import Access
from clinic_project.clinics.access import ADMIN_ROLES
from clinic_project.clinics.admin import PatientAdmin
from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.models import Patient

from ..export.exceptions import NO_ROOM, ChangedMeanwhile, NoRoom
from ..export.responses import export_response
from ..models import MedicalRecord, PatientPhoto
from ..photos.storage import STORAGE_FAILS, StorageUnavailable

_REFUSALS: dict[type[Exception], Any] = {
    ChangedMeanwhile: _("A photo was removed for good while it was exported. Try again."),
    NoRoom: NO_ROOM,
    StorageUnavailable: STORAGE_FAILS,
}


class ExportMixin(PatientAdmin):
    """For patients: who administers the clinic, and superusers, may export all that there is of one."""

    export_template = "admin/medical_records/export.html"

    def has_export_permission(self, request: HttpRequest, patient: Patient) -> bool:
        return scope_of(request).has_role(ADMIN_ROLES, patient.clinic_id)

    def get_urls(self) -> list[URLPattern]:
        pages = {"export": self.export_view, "download": self.download_view}
        return [*(self.object_path(name, view, name) for name, view in pages.items()), *super().get_urls()]

    @method_decorator(require_GET)
    @of_object
    def export_view(self, request: HttpRequest, patient: Patient) -> HttpResponse:
        """Say what is in the export, and lead to it."""
        self._check_permission(request, patient)
        context = {
            **self.object_context(request, patient, gettext("Export of %(patient)s") % {"patient": patient}),
            **_counts(patient),
        }
        return TemplateResponse(request, self.export_template, context)

    @method_decorator(require_GET)
    @of_object
    def download_view(self, request: HttpRequest, patient: Patient) -> HttpResponseBase:
        """Send the export; the browser shows how far it is."""
        self._check_permission(request, patient)
        describe_access(Access.Action.EXPORT)
        try:
            return export_response(patient, scope_of(request).name_in(patient.clinic_id))
        except tuple(_REFUSALS) as refusal:
            self.message_user(request, _REFUSALS[type(refusal)], messages.ERROR)
            return HttpResponseRedirect(self.object_url("export", patient.pk))

    def own_page_context(self, request: HttpRequest, patient: Patient) -> dict[str, Any]:
        may_export = self.has_export_permission(request, patient)
        return {**super().own_page_context(request, patient), "may_export": may_export}

    def _check_permission(self, request: HttpRequest, patient: Patient) -> None:
        if not self.has_export_permission(request, patient):
            raise PermissionDenied


def _counts(patient: Patient) -> dict[str, Any]:
    """Count what is in the export, and of it what is in the trash."""
    tally = {"all": Count("pk"), "in_trash": Count("pk", filter=Q(is_deleted=True))}
    photos = PatientPhoto.objects.of_patient(patient).aggregate(**tally, size=Sum("size_bytes", default=0))
    return {"records": MedicalRecord.objects.of_patient(patient).aggregate(**tally), "photos": photos}
