"""Records in the admin."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.formats import date_format

from clinic_project.clinics.administration.filters import ClinicFilter, PatientFilter, TrashFilter
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.administration.searching import PatientSearchMixin
from clinic_project.clinics.earlier_states import State

from .. import services
from ..history import ReadableChange, RecordHistory
from ..models import MedicalRecord, PatientPhoto
from .base import ClinicalAdmin
from .filled_form import filled_form
from .filters import TemplateFilter
from .history_values import AnswerReader


@admin.register(MedicalRecord)
class RecordAdmin(PatientSearchMixin, ClinicalAdmin):
    """A record is read as its filled-in form; the clinic's own program changes it."""

    list_display = ["template_name", "patient", "created_on", "author", "clinic", "updated_on"]
    list_filter = [TrashFilter, PatientFilter, ClinicFilter, TemplateFilter]
    list_select_related = ["patient", "clinic", "created_by_user"]
    unordered_filters = ()
    list_defer = ["template_snapshot", "values"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    fieldsets = [
        (None, {"fields": ["patient", "filled_in", "photos"]}),
        ("About this record", {"fields": ["template", "visit", "clinic", "version", "created", "updated"]}),
    ]
    readonly_fields = [*fieldsets[0][1]["fields"], *fieldsets[1][1]["fields"]]

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def trash_one(self, request: HttpRequest, obj: MedicalRecord) -> None:
        services.move_record_to_trash(MedicalRecord.objects.all(), obj.pk, [obj.version], scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: MedicalRecord) -> None:
        services.restore_record(MedicalRecord.objects.all(), obj.pk, [obj.version], scope_of(request).user)

    def name_in_history(self, obj: MedicalRecord) -> str:
        return f"{obj} of {obj.patient}"

    def value_reader(self, changes: Sequence[ReadableChange]) -> AnswerReader:
        return AnswerReader(changes)

    def object_then(self, now: MedicalRecord, state: State, history: RecordHistory) -> Any:
        then = super().object_then(now, state, history)
        shown = history.photos_in(state)
        then.photos_then = [PatientPhoto(**photo) for photo in shown]
        return then

    @admin.display(description="form")
    def filled_in(self, record: MedicalRecord) -> str:
        form = filled_form(record.template_snapshot, record.values)
        return render_to_string("admin/medical_records/filled_form.html", {"form": form})

    @admin.display(description="appointment")
    def visit(self, record: MedicalRecord) -> str:
        if record.appointment is None:
            return "None"
        event = record.appointment.calendar_event
        start = f", {event.start_time:%H:%M}" if event.start_time else ""
        return f"{date_format(event.date, 'j M Y')}{start} ({record.appointment.status})"

    @admin.display(description="photos")
    def photos(self, record: MedicalRecord) -> str:
        photos = record.photos_then if hasattr(record, "photos_then") else _photos_of(record)
        return render_to_string("admin/medical_records/thumbnails.html", {"photos": photos}) if photos else "None"


def _photos_of(record: MedicalRecord) -> list[PatientPhoto]:
    """Return the photos of `record`: those in use, or those in the trash if the record is there."""
    photos = PatientPhoto.objects.for_clinic(record.clinic).filter(medical_record=record, is_deleted=record.is_deleted)
    return list(photos.order_by("created_at", "pk"))
