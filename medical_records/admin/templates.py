"""Templates in the admin."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models.lookups import Exact
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.clinics.access import ADMIN_ROLES, CLINICAL_ROLES
from clinic_project.clinics.administration.filters import MAX_CHOICES
from clinic_project.clinics.administration.history_texts import ReadValue, ShownChange
from clinic_project.clinics.administration.json_text import as_json
from clinic_project.clinics.administration.scope import scope_of

from .. import services
from ..filled_form import blank_form, fields_in_order
from ..history import ReadableChange
from ..models import MedicalRecordTemplate
from ..template_fields import range_text, type_label
from .base import author_name
from .conflicts import conflict_of
from .copying import CopyMixin
from .csv_downloads import CsvMixin
from .forms import TemplateForm
from .history_values import field_in_history, template_change
from .question_edits import EDIT
from .stored_questions import can_be_edited

FieldSets = list[tuple[Any, dict[str, Any]]]


@admin.register(MedicalRecordTemplate)
class TemplateAdmin(CsvMixin, CopyMixin):
    """The clinic's administrators make and change templates; others read them."""

    write_roles = ADMIN_ROLES
    form = TemplateForm
    list_display = ["name", "field_count", "version", "created_on", "author", "clinic", "updated_on"]
    list_select_related = ["clinic"]
    list_defer = ["fields", "description"]
    search_fields = ["name", "description"]
    ordering = ["name", "pk"]
    sortable_by = ["name", "created_on"]

    class Media:
        js = ["medical_records/question_editor.js"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MedicalRecordTemplate]:
        # The length alone: a list of templates needn't carry all their fields.
        kind = models.Func("fields", function="jsonb_typeof", output_field=models.CharField())
        length = models.Func("fields", function="jsonb_array_length", output_field=models.IntegerField())
        count = models.Case(models.When(Exact(kind, "array"), then=length), default=0)
        return super().get_queryset(request).annotate(number_of_fields=count, author_name=author_name())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_role(request, None)

    def goes_along(self, obj: MedicalRecordTemplate) -> str:
        return gettext("Its records stay as they are. New ones can't be made from it before it is restored.")

    def goes_along_with_all(self, objs: list[MedicalRecordTemplate]) -> str:
        return gettext("Their records stay as they are. New ones can't be made from them before they are restored.")

    # The page of one template.

    def own_page_context(self, request: HttpRequest, template: MedicalRecordTemplate) -> dict[str, Any]:
        may_write_records = scope_of(request).has_role(CLINICAL_ROLES, template.clinic_id)
        may_fill_in = not template.is_deleted and may_write_records
        return {**super().own_page_context(request, template), "may_fill_in": may_fill_in}

    def get_fieldsets(self, request: HttpRequest, obj: Any | None = None) -> FieldSets:  # type: ignore[override]
        """Leave out the clinic of a new template where there is one to choose, and the fields where the editor has them."""
        if obj is None:
            several = len(scope_of(request).clinics_with(self.write_roles)[:2]) != 1
            return [(None, {"fields": ["name", "description", *(["clinic"] if several else [])]})]
        is_edited = self.has_change_permission(request, obj) and can_be_edited(obj.fields)
        return self._all_fieldsets("name", "description", *([] if is_edited else ["template_fields"]))

    def fieldsets_of_state(self, request: HttpRequest, obj: Any) -> FieldSets:
        return self._all_fieldsets("name", "description", "template_fields")

    def _all_fieldsets(self, *fields: str) -> FieldSets:
        about = {"fields": ["clinic", "version", "created", "updated"]}
        return [(None, {"fields": list(fields)}), (_("About this template"), about)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any | None = None) -> list[str]:
        return ["clinic", "template_fields", "created", "updated"] if obj else []

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Choose the clinic from a list, which works without JavaScript, unless that is a long one."""
        clinics = scope_of(request).clinics_with(self.write_roles)[: MAX_CHOICES + 1]
        return ["clinic"] if len(clinics) > MAX_CHOICES else []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        form = context["adminform"].form
        if context["original"] is None or self.has_change_permission(request, context["original"]):
            preview = blank_form(**form.typed()) if form.is_preview else None
            context |= {"questions": form.questions, "edit": EDIT, "preview": preview, "conflict": conflict_of(form)}
            # A draft is shown as after a button that changes nothing.
            context["draft_restore"] = EDIT if form.questions is not None else ""
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        by = scope_of(request).user
        if change:
            # The form has locked the row and seen that its version is the one that was read.
            versions = [form.cleaned_data["version"]]
            services.change_template(MedicalRecordTemplate.objects.all(), obj.pk, versions, by, **form.columns())
            return
        clinic = form.cleaned_data.get("clinic") or scope_of(request).clinics_with(self.write_roles).get()
        obj.pk = services.create_template(clinic, by, **form.columns()).pk
        obj.refresh_from_db()

    # What is shown of a template.

    def value_reader(self, changes: Sequence[ReadableChange]) -> ReadValue:
        return field_in_history

    def in_words(self, shown: ShownChange) -> ShownChange:
        return template_change(shown)

    @admin.display(description=_("questions"))
    def field_count(self, template: Any) -> int:
        return int(template.number_of_fields)

    @admin.display(description=_("questions"))
    def template_fields(self, template: MedicalRecordTemplate) -> str:
        found = [_as_shown(field) for field in fields_in_order(template.fields)]
        raw = "" if found else as_json(template.fields)
        return render_to_string("admin/medical_records/template_fields.html", {"fields": found, "raw": raw})

    def kept_until(self, obj: MedicalRecordTemplate) -> None:
        """Return nothing: what a record says of its template is in the record."""

    def trash_one(self, request: HttpRequest, obj: MedicalRecordTemplate) -> None:
        MedicalRecordTemplate.objects.move_to_trash(obj.pk, [obj.version], scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: MedicalRecordTemplate) -> None:
        MedicalRecordTemplate.objects.restore(obj.pk, [obj.version], scope_of(request).user)


def _as_shown(field: dict[str, Any]) -> dict[str, Any]:
    """Return `field` with its type as the question editor calls it, and the numbers that it takes."""
    return {**field, "type": type_label(field.get("type")), "range": range_text(field)}
