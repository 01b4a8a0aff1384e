"""Templates, records and photos in the admin."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils import timezone

from clinic_project.clinics.administration.base import ClinicModelAdmin
from clinic_project.clinics.administration.filters import ClinicFilter, PatientFilter, TrashFilter
from clinic_project.clinics.administration.trash import TrashMixin
from clinic_project.clinics.api.access import ADMINISTRATIVE

from .filled_form import as_json, filled_form, questions
from .filters import LinkedFilter, TemplateFilter
from .forms import TemplateForm
from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto


class ClinicalAdmin(TrashMixin, ClinicModelAdmin):
    """Made and filled in by the clinic's own program: here they are read, put in the trash and restored."""

    list_filter: ClassVar[Any] = [TrashFilter, ClinicFilter]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-pk"]
    sortable_by: ClassVar[Any] = ["created_at"]

    def only_clinics(self, queryset: Any, clinic_ids: list[int]) -> models.QuerySet[Any]:
        return queryset.for_clinics(clinic_ids)

    class Media:
        css = {"all": ["medical_records/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(MedicalRecordTemplate)
class TemplateAdmin(ClinicalAdmin):
    """Only the clinic's administrators change templates; the questions are read here and edited in the clinic's app."""

    roles = ADMINISTRATIVE
    form = TemplateForm
    list_display = ["name", "question_count", "version", "clinic", "created_by_user", "created_at", "updated_at"]
    list_select_related = ["clinic", "created_by_user"]
    list_defer = ["fields", "description"]
    search_fields = ["name", "description"]
    ordering = ["name", "pk"]
    sortable_by = ["name", "created_at"]
    fields = [
        "name",
        "description",
        "clinic",
        "questions_asked",
        "version",
        ("created_at", "created_by_user"),
        ("updated_at", "updated_by_user"),
        "deleted_at",
    ]
    readonly_fields = [
        "clinic",
        "questions_asked",
        "created_at",
        "created_by_user",
        "updated_at",
        "updated_by_user",
        "deleted_at",
    ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MedicalRecordTemplate]:
        # The length alone: a list of templates needn't carry all their questions.
        kind = models.Func("fields", function="jsonb_typeof", output_field=models.CharField())
        length = models.Func("fields", function="jsonb_array_length", output_field=models.IntegerField())
        count = models.Case(models.When(Exact(kind, "array"), then=length), default=0)
        return super().get_queryset(request).annotate(questions_in_all=count)

    @admin.display(description="questions")
    def question_count(self, template: Any) -> int:
        return int(template.questions_in_all)

    @admin.display(description="questions")
    def questions_asked(self, template: MedicalRecordTemplate) -> str:
        asked = list(questions(template.fields))
        raw = "" if asked else as_json(template.fields)
        return render_to_string("admin/medical_records/questions.html", {"questions": asked, "raw": raw})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.version += 1
        obj.updated_by_user = request.user
        super().save_model(request, obj, form, change)


@admin.register(MedicalRecord)
class RecordAdmin(ClinicalAdmin):
    """A record is read as its filled-in form; the clinic's app changes it, with its versions."""

    list_display = ["template_name", "patient", "clinic", "created_by_user", "created_at", "updated_at"]
    list_filter = [TrashFilter, PatientFilter, ClinicFilter, TemplateFilter]
    list_select_related = ["patient", "clinic", "created_by_user"]
    list_defer = ["template_snapshot", "values"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    search_help_text = "Part of the patient's name or phone number."
    fields = [
        ("patient", "clinic"),
        "filled_in",
        ("template", "version"),
        "appointment",
        ("created_at", "created_by_user"),
        ("updated_at", "updated_by_user"),
        "deleted_at",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: MedicalRecord | None = None) -> list[str]:
        return ["filled_in", *(column.name for column in self.opts.fields)]

    @admin.display(description="form")
    def filled_in(self, record: MedicalRecord) -> str:
        form = filled_form(record.template_snapshot, record.values)
        return render_to_string("admin/medical_records/filled_form.html", {"form": form})

    def trash(self, request: HttpRequest, queryset: models.QuerySet[MedicalRecord]) -> int:
        """Move records to the trash, and their photos with them, marked by the same instant."""
        now = timezone.now()
        chosen = list(queryset.filter(is_deleted=False).select_for_update().values_list("pk", flat=True))
        PatientPhoto.objects.filter(medical_record__in=chosen, is_deleted=False).update(is_deleted=True, deleted_at=now)
        return self._stamp(request, chosen, is_deleted=True, deleted_at=now)

    def untrash(self, request: HttpRequest, queryset: models.QuerySet[MedicalRecord]) -> int:
        """Restore records, and the photos that went to the trash with them."""
        chosen = list(queryset.filter(is_deleted=True).select_for_update().values_list("pk", flat=True))
        PatientPhoto.objects.filter(
            medical_record__in=chosen, is_deleted=True, deleted_at=models.F("medical_record__deleted_at")
        ).update(is_deleted=False, deleted_at=None)
        return self._stamp(request, chosen, is_deleted=False, deleted_at=None)

    def _stamp(self, request: HttpRequest, chosen: list[int], **columns: Any) -> int:
        return MedicalRecord.objects.filter(pk__in=chosen).update(
            version=models.F("version") + 1, updated_at=timezone.now(), updated_by_user=request.user, **columns
        )


@admin.register(PatientPhoto)
class PhotoAdmin(ClinicalAdmin):
    list_display = ["filename", "patient", "medical_record_id", "size", "is_pending", "clinic", "created_at"]
    list_filter = [TrashFilter, PatientFilter, ClinicFilter, LinkedFilter]
    list_select_related = ["patient", "clinic"]
    list_defer = ["description"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    search_help_text = "Part of the patient's name or phone number."
    fields = [
        ("patient", "clinic"),
        "medical_record",
        "description",
        ("filename", "content_type", "size"),
        "is_pending",
        ("created_at", "uploaded_by_user"),
        ("updated_at", "updated_by_user"),
        "deleted_at",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: PatientPhoto | None = None) -> list[str]:
        return ["size", *(column.name for column in self.opts.fields if column.name != "description")]

    @admin.display(description="size", ordering="size_bytes")
    def size(self, photo: PatientPhoto) -> str:
        return filesizeformat(photo.size_bytes)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.updated_by_user = request.user
        super().save_model(request, obj, form, change)
