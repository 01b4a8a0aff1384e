"""The log of what was removed for good, for superusers and the administrators of its clinic. It is only read."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.history import described
from clinic_project.audit.models import Destruction

from ..access import ADMIN_ROLES
from ..history import said_by, via
from ..models import Clinic, Patient
from ..people import without_address
from ..times import EXACT, zoned
from ..verbose_names import set_verbose_names
from .base import ClinicModelAdmin
from .history_texts import VIA, column_text, session_of
from .scope import scope_of

set_verbose_names(Destruction, _("destruction"), _("destructions"), transaction_id=_("transaction"))


@admin.register(Destruction)
class DestructionAdmin(ClinicModelAdmin):
    """What it was isn't known any more: only that it was there, whose it was, and who let it go."""

    write_roles = ADMIN_ROLES
    change_form_template = "admin/clinics/log_entry.html"
    list_display = ["when", "what", "patient", "who", "kept_until", "clinic"]
    ordering = ["-pk"]
    sortable_by = ()
    unordered_filters = ()
    fieldsets = [
        (None, {"fields": ["what", "patient", "clinic", "when", "who", "session", "kept_until"]}),
        (_("What proves it"), {"fields": ["sha256", "entries", "transaction_id"]}),
    ]
    readonly_fields = [*fieldsets[0][1]["fields"], *fieldsets[1][1]["fields"]]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_role(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return self.has_role(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def clinic_id_of(self, obj: Any) -> int:
        return obj.clinic_id or 0  # no clinic's: superusers see it

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Add the names of patients and clinics: the log has the numbers alone."""
        names = {
            f"{name}_name": models.Subquery(
                model._default_manager.filter(pk=models.OuterRef(f"{name}_id")).values(column)
            )
            for name, model, column in (("patient", Patient, "full_name"), ("clinic", Clinic, "name"))
        }
        rows = admin.ModelAdmin.get_queryset(self, request).annotate(**names)
        scope = scope_of(request)
        return rows if scope.is_unlimited else rows.filter(clinic_id__in=scope.clinics_with(self.write_roles))

    def name_with_patient(self, obj: Any) -> str:
        if obj.patient_id is None:
            return self.what(obj)
        return gettext("%(object)s of %(patient)s") % {"object": self.what(obj), "patient": self._patient_name(obj)}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        named = self.name_with_patient(context["original"])
        title = gettext("Removed for good: %(what)s") % {"what": named}
        return super().render_change_form(
            request, {**context, "named": named, "title": title, "subtitle": None}, *args, **kwargs
        )

    @admin.display(description=_("removed for good"))
    def when(self, row: Destruction) -> str:
        return zoned(row.destroyed_at, EXACT)

    @admin.display(description=_("what"))
    def what(self, row: Destruction) -> str:
        names = {model._meta.db_table: model._meta.verbose_name for model in apps.get_models()}
        return f"{names.get(row.table_name, row.table_name)} {row.row_id}".capitalize()

    @admin.display(description=_("patient"))
    def patient(self, row: Any) -> str:
        if row.patient_id is None:
            return gettext("None")
        name = self._patient_name(row)
        link = reverse("admin:clinics_patient_change", args=[row.patient_id])
        return format_html('<a href="{}">{}</a>', link, name) if row.patient_name else name

    def _patient_name(self, row: Any) -> str:
        return row.patient_name or gettext("Patient %(id)s") % {"id": row.patient_id}

    @admin.display(description=_("clinic"))
    def clinic(self, row: Any) -> str:
        return row.clinic_name or gettext("Clinic %(id)s") % {"id": row.clinic_id}

    @admin.display(description=_("by"))
    def who(self, row: Destruction) -> str:
        context = described(row.context)
        by = said_by(context)
        name = (without_address(by.name) or gettext("user %(id)s") % {"id": by.id}) if by else None
        return ", ".join(filter(None, [name, str(VIA[via(context, row.application_name)])]))

    @admin.display(description=_("database user"))
    def session(self, row: Destruction) -> str:
        return session_of(row)

    @admin.display(description=_("had to be kept until"))
    def kept_until(self, row: Destruction) -> str:
        return column_text(None, row.retained_until) if row.retained_until else "-"

    @admin.display(description=_("SHA-256 of what it was"))
    def sha256(self, row: Destruction) -> str:
        return bytes(row.content_hash).hex()

    @admin.display(description=_("entries of its history"))
    def entries(self, row: Destruction) -> int:
        return row.entry_count
