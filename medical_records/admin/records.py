"""Records in the admin."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from clinic_project.api.searching import text_contains
from clinic_project.audit.accesses import describe_access, show
from clinic_project.audit.models import Access
from clinic_project.clinics.administration.filters import MAX_CHOICES, ClinicFilter, PatientFilter, TrashFilter
from clinic_project.clinics.administration.history_texts import ShownChange
from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import Scope, scope_of
from clinic_project.clinics.administration.searching import PatientSearchMixin
from clinic_project.clinics.earlier_states import State
from clinic_project.clinics.models import Patient
from clinic_project.clinics.people import names_of

from .. import services
from ..filled_form import filled_form
from ..history import ReadableChange, RecordHistory
from ..models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from ..photos.additions import Place
from ..printed_records import STYLESHEET, Print, PrintedPhoto, record_html
from .access_log import AccessLogMixin
from .adding_photos import AddPhotosMixin
from .appointments import appointment_text
from .base import ClinicalAdmin, author_name
from .filling import FillingMixin
from .filters import ErrorFilter, SignatureFilter, TemplateFilter
from .history_values import AnswerReader, record_change
from .sign_page import SignPageMixin


@admin.register(MedicalRecord)
class RecordAdmin(AccessLogMixin, AddPhotosMixin, FillingMixin, SignPageMixin, PatientSearchMixin, ClinicalAdmin):
    """A record is filled in, changed, and gets photos by pages of its own; its page shows it as it is, and signs it."""

    list_display = ["template_name", "patient_shown", "state", "created_on", "author", "clinic", "updated_on"]
    list_filter = [TrashFilter, SignatureFilter, ErrorFilter, PatientFilter, ClinicFilter, TemplateFilter]
    list_select_related = ["patient", "clinic"]
    unordered_filters = (SignatureFilter.parameter_name, ErrorFilter.parameter_name)
    list_defer = ["template_snapshot", "values"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    search_help_texts = (
        _("Part of a patient's name or phone number, or of a template's name."),
        _(
            "How a patient's name or phone number begins, or part of a template's name. In a clinic's list, a part of any "
            "of them is enough."
        ),
    )
    fieldsets = [
        (None, {"fields": ["patient", "signature", "filled_in", "photos"]}),
        (_("About this record"), {"fields": ["template", "visit", "clinic", "version", "created", "updated"]}),
    ]
    readonly_fields = [*fieldsets[0][1]["fields"], *fieldsets[1][1]["fields"]]
    change_form_template = "admin/medical_records/record_change_form.html"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MedicalRecord]:
        return super().get_queryset(request).annotate(author_name=author_name())

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def trash_one(self, request: HttpRequest, obj: MedicalRecord) -> None:
        services.move_record_to_trash(MedicalRecord.objects.all(), obj.pk, [obj.version], scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: MedicalRecord) -> None:
        services.restore_record(MedicalRecord.objects.all(), obj.pk, [obj.version], scope_of(request).user)

    def place_of(self, obj: MedicalRecord) -> Place:
        return Place(obj.patient, obj)

    def own_page_context(self, request: HttpRequest, record: Any) -> dict[str, Any]:
        context = super().own_page_context(request, record)
        # For the field with the photos, which isn't given the request.
        record.photo_links = {name: context.get(name) for name in ("add_photos_url", "captions_url")}
        return context

    def name_with_patient(self, obj: MedicalRecord) -> str:
        return gettext("%(object)s of %(patient)s") % {"object": obj, "patient": obj.patient}

    def patient_of(self, obj: MedicalRecord) -> Patient:
        return obj.patient

    def trash_question(self, obj: MedicalRecord) -> str:
        photos = PatientPhoto.objects.in_use_on(obj.pk).count()
        named = {"record": obj, "patient": obj.patient.name_and_birthday, "count": photos}
        if not photos:
            return gettext("Move the record %(record)s of %(patient)s to the trash?") % named
        return (
            ngettext(
                "Move the record %(record)s of %(patient)s, and its photo, to the trash?",
                "Move the record %(record)s of %(patient)s, and its %(count)d photos, to the trash?",
                photos,
            )
            % named
        )

    def goes_along_with_all(self, objs: list[MedicalRecord]) -> str:
        photos = PatientPhoto.objects.active().filter(medical_record__in=objs).count()
        said = ngettext("Their photo goes along.", "Their %(count)d photos go along.", photos)
        return said % {"count": photos} if photos else ""

    def search(self, request: HttpRequest, queryset: Any, text: str) -> Any:
        """Return the records of `queryset` whose patient `text` finds, or whose template has it in its name."""
        site: Any = self.admin_site
        named = site.visible(request, MedicalRecordTemplate).filter(text_contains("name", text))
        templates = list(named.values_list("pk", flat=True)[:MAX_CHOICES])
        if not templates:
            return super().search(request, queryset, text)
        # Not sorted apart: there may be many of a template, which an index has in order.
        return queryset.filter(
            models.Q(patient__in=self.find_patients(request, text)) | models.Q(template__in=templates)
        )

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("print", self.print_view, "print"), *super().get_urls()]

    @method_decorator(require_safe)
    @of_object
    def print_view(self, request: HttpRequest, record: MedicalRecord) -> HttpResponse:
        """Show a record as it is printed, with nothing around it on paper."""
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        describe_access(Access.Action.PRINT)
        context = {
            "record": record,
            "record_url": self.object_url("change", record.pk),
            "printed_record": _printed(record, scope_of(request)),
            "stylesheet": STYLESHEET,
        }
        return TemplateResponse(request, "admin/medical_records/print.html", context)

    def value_reader(self, changes: Sequence[ReadableChange]) -> AnswerReader:
        return AnswerReader(changes)

    def in_words(self, shown: ShownChange) -> ShownChange:
        return record_change(shown)

    def object_then(self, now: MedicalRecord, state: State, history: RecordHistory) -> Any:
        then = super().object_then(now, state, history)
        shown = history.photos_in(state)
        then.photos_then = _noted([PatientPhoto(**photo) for photo in shown])
        return then

    @admin.display(description=_("state"))
    def state(self, record: MedicalRecord) -> str:
        if record.entered_in_error_at:
            return gettext("Entered in error")
        if record.signed_at:
            return gettext("Signed")
        return gettext("Overdue") if record.is_overdue else gettext("Not signed")

    @admin.display(description=_("signature"))
    def signature(self, record: MedicalRecord) -> str:
        return render_to_string("admin/medical_records/signature.html", {"record": record})

    @admin.display(description=_("form"))
    def filled_in(self, record: MedicalRecord) -> str:
        form = filled_form(record.template_snapshot, record.values)
        return render_to_string("admin/medical_records/filled_form.html", {"form": form})

    @admin.display(description=_("appointment"))
    def visit(self, record: MedicalRecord) -> str:
        return gettext("None") if record.appointment is None else appointment_text(record.appointment)

    @admin.display(description=_("photos"))
    def photos(self, record: MedicalRecord) -> str:
        photos = record.photos_then if hasattr(record, "photos_then") else _photos_of(record)
        links = getattr(record, "photo_links", {})
        return render_to_string("admin/medical_records/record_photos.html", {"photos": photos, **links})


def _printed(record: MedicalRecord, scope: Scope) -> SafeString:
    photos = [
        PrintedPhoto(photo, reverse("admin:medical_records_patientphoto_file", args=[photo.pk]))
        for photo in _photos_of(record)
    ]
    names = names_of([record.created_by_user_id, record.updated_by_user_id], record.clinic_id)
    return record_html(record, photos, names, Print(timezone.now(), scope.name_in(record.clinic_id)))


def _photos_of(record: MedicalRecord) -> list[PatientPhoto]:
    """Return the photos of `record`, which the page shows: those in use, or those in the trash if the record is there."""
    photos = PatientPhoto.objects.for_clinic(record.clinic).filter(medical_record=record, is_deleted=record.is_deleted)
    return _noted(list(photos.order_by("created_at", "pk")))


def _noted(photos: list[PatientPhoto]) -> list[PatientPhoto]:
    """Note for the access log that the page shows these photos, and return them."""
    show(photos=((photo.pk, photo.patient_id) for photo in photos))
    return photos
