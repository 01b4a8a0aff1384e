"""Templates in the admin."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.template.loader import render_to_string

from clinic_project.clinics.access import ADMIN_ROLES
from clinic_project.clinics.administration.history_texts import ReadValue
from clinic_project.clinics.administration.json_text import as_json
from clinic_project.clinics.administration.scope import scope_of

from ..filled_form import fields_in_order
from ..history import ReadableChange
from ..models import MedicalRecordTemplate
from ..template_fields import range_text
from .copying import CopyMixin
from .forms import TemplateForm
from .history_values import field_in_history


@admin.register(MedicalRecordTemplate)
class TemplateAdmin(CopyMixin):
    """Only the clinic's administrators change templates; the fields are read here and edited in the clinic's own program."""

    write_roles = ADMIN_ROLES
    form = TemplateForm
    list_display = ["name", "field_count", "version", "created_on", "author", "clinic", "updated_on"]
    list_select_related = ["clinic", "created_by_user"]
    list_defer = ["fields", "description"]
    search_fields = ["name", "description"]
    ordering = ["name", "pk"]
    sortable_by = ["name", "created_on"]
    fields = ["name", "description", "clinic", "template_fields", "version", "created", "updated"]
    readonly_fields = ["clinic", "template_fields", "created", "updated"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MedicalRecordTemplate]:
        # The length alone: a list of templates needn't carry all their fields.
        kind = models.Func("fields", function="jsonb_typeof", output_field=models.CharField())
        length = models.Func("fields", function="jsonb_array_length", output_field=models.IntegerField())
        count = models.Case(models.When(Exact(kind, "array"), then=length), default=0)
        return super().get_queryset(request).annotate(number_of_fields=count)

    def value_reader(self, changes: Sequence[ReadableChange]) -> ReadValue:
        return field_in_history

    @admin.display(description="fields")
    def field_count(self, template: Any) -> int:
        return int(template.number_of_fields)

    @admin.display(description="fields")
    def template_fields(self, template: MedicalRecordTemplate) -> str:
        found = [{**field, "range": range_text(field)} for field in fields_in_order(template.fields)]
        raw = "" if found else as_json(template.fields)
        return render_to_string("admin/medical_records/template_fields.html", {"fields": found, "raw": raw})

    def kept_until(self, obj: MedicalRecordTemplate) -> None:
        """Return nothing: what a record says of its template is in the record."""

    def trash_one(self, request: HttpRequest, obj: MedicalRecordTemplate) -> None:
        MedicalRecordTemplate.objects.move_to_trash(obj.pk, [obj.version], scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: MedicalRecordTemplate) -> None:
        MedicalRecordTemplate.objects.restore(obj.pk, [obj.version], scope_of(request).user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # The form has locked the row and seen that its version is the one that was read.
        MedicalRecordTemplate.objects.change(
            obj.pk, [form.cleaned_data["version"]], scope_of(request).user, name=obj.name, description=obj.description
        )
