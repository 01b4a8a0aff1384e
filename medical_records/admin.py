"""Templates, records and photos in the admin."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.db.models.lookups import Exact
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime

from clinic_project.clinics.admin import PatientAdmin
from clinic_project.clinics.administration.filters import ClinicFilter, PatientFilter, TrashFilter
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.administration.trash import TrashMixin
from clinic_project.clinics.api.access import ADMINISTRATIVE
from clinic_project.clinics.models import Patient, User

from .exceptions import ChangeRefused
from .filled_form import as_json, filled_form, questions
from .filters import PlaceFilter, TemplateFilter
from .forms import TemplateForm
from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from .patient_overview import patient_overview, record_photos
from .photos.responses import FileIsMissingError, photo_response

#: Nothing runs in an image. The styles are the browser's own: it centres an image that is looked at by itself.
IMAGE_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"


def _when(moment: datetime | None) -> str:
    """Short enough for a column, and the same to read in every country."""
    return date_format(localtime(moment), "j M Y, H:i") if moment else "-"


def _when_and_who(moment: datetime | None, user: User | None) -> str:
    return f"{_when(moment)} by {user}" if user else _when(moment)


class ClinicalAdmin(TrashMixin):
    """Made and filled in by the clinic's own program: here they are read, put in the trash and restored."""

    refusals = (ChangeRefused,)
    list_filter: ClassVar[Any] = [TrashFilter, ClinicFilter]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-pk"]
    sortable_by: ClassVar[Any] = ["created_on"]

    class Media:
        css = {"all": ["medical_records/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="created", ordering="created_at")
    def created_on(self, obj: Any) -> str:
        return _when(obj.created_at)

    @admin.display(description="changed", ordering="updated_at")
    def updated_on(self, obj: Any) -> str:
        return _when(obj.updated_at)

    @admin.display(description="created")
    def created(self, obj: Any) -> str:
        return _when_and_who(obj.created_at, obj.created_by_user)

    @admin.display(description="author")
    def author(self, obj: Any) -> User | None:
        author: User | None = obj.created_by_user
        return author

    @admin.display(description="last change")
    def updated(self, obj: Any) -> str:
        return _when_and_who(obj.updated_at, obj.updated_by_user)


class VersionedAdmin(ClinicalAdmin):
    """Trashed and restored by the rules of the model's queryset, which raise the version and keep a record's photos."""

    def trash_one(self, request: HttpRequest, obj: Any) -> None:
        rows: Any = self.model._default_manager
        rows.move_to_trash(obj.pk, [obj.version], scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: Any) -> None:
        rows: Any = self.model._default_manager
        rows.restore(obj.pk, [obj.version], scope_of(request).user)


@admin.register(MedicalRecordTemplate)
class TemplateAdmin(VersionedAdmin):
    """Only the clinic's administrators change templates; the questions are read here and edited in the clinic's app."""

    roles = ADMINISTRATIVE
    form = TemplateForm
    list_display = ["name", "question_count", "version", "created_on", "author", "clinic", "updated_on"]
    list_select_related = ["clinic", "created_by_user"]
    list_defer = ["fields", "description"]
    search_fields = ["name", "description"]
    ordering = ["name", "pk"]
    sortable_by = ["name", "created_on"]
    fields = ["name", "description", "clinic", "questions_asked", "version", "created", "updated"]
    readonly_fields = ["clinic", "questions_asked", "created", "updated"]

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
        # The form has locked the row and seen that its version is the one that was read.
        MedicalRecordTemplate.objects.change(
            obj.pk, [form.cleaned_data["version"]], scope_of(request).user, name=obj.name, description=obj.description
        )


@admin.register(MedicalRecord)
class RecordAdmin(VersionedAdmin):
    """A record is read as its filled-in form; the clinic's app changes it, with its versions."""

    list_display = ["template_name", "patient", "created_on", "author", "clinic", "updated_on"]
    list_filter = [TrashFilter, PatientFilter, ClinicFilter, TemplateFilter]
    list_select_related = ["patient", "clinic", "created_by_user"]
    list_defer = ["template_snapshot", "values"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    search_help_text = "Part of the patient's name or phone number."
    fieldsets = [
        (None, {"fields": ["patient", "filled_in", "photos"]}),
        ("About this record", {"fields": ["template", "visit", "clinic", "version", "created", "updated"]}),
    ]
    readonly_fields = [*fieldsets[0][1]["fields"], *fieldsets[1][1]["fields"]]

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

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
        photos = record_photos(record)
        return render_to_string("admin/medical_records/thumbnails.html", {"photos": photos}) if photos else "None"


@admin.register(PatientPhoto)
class PhotoAdmin(ClinicalAdmin):
    """A photo is looked at and described; the clinic's app uploads it and puts it on a record."""

    list_display = ["thumbnail", "caption", "patient", "place", "created_on", "clinic"]
    list_display_links = ["caption"]
    list_filter = [TrashFilter, PatientFilter, ClinicFilter, PlaceFilter]
    list_select_related = ["patient", "clinic", "medical_record"]
    list_defer = ["medical_record__template_snapshot", "medical_record__values"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    search_help_text = "Part of the patient's name or phone number."
    fieldsets = [
        (None, {"fields": ["image", "description", "patient", "place"]}),
        ("About this photo", {"fields": ["filename", "content_type", "size", "clinic", "created", "updated"]}),
    ]
    readonly_fields = ["image", "patient", "place", *fieldsets[1][1]["fields"]]

    def trash_one(self, request: HttpRequest, obj: PatientPhoto) -> None:
        PatientPhoto.objects.move_to_trash(obj.pk, scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: PatientPhoto) -> None:
        PatientPhoto.objects.restore(obj.pk, scope_of(request).user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        PatientPhoto.objects.change(obj.pk, scope_of(request).user, description=obj.description)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:pk>/{kind}/", self.admin_site.admin_view(view), name=f"medical_records_patientphoto_{kind}")
            for kind, view in (("file", self.file_view), ("thumbnail", self.thumbnail_view))
        ]
        return [*own, *super().get_urls()]

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._image(request, pk, thumbnail=False)

    def thumbnail_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._image(request, pk, thumbnail=True)

    def _image(self, request: HttpRequest, pk: int, *, thumbnail: bool) -> HttpResponseBase:
        photo = get_object_or_404(self.get_queryset(request), pk=pk)
        try:
            response = photo_response(request, photo, thumbnail=thumbnail)
        except FileIsMissingError as error:
            raise Http404("The file of this photo is missing from the storage.") from error
        response["Content-Security-Policy"] = IMAGE_POLICY
        return response

    @admin.display(description="photo")
    def thumbnail(self, photo: PatientPhoto) -> str:
        return format_html(
            '<a class="thumbnail" href="{}"><img src="{}" alt="{}" width="64" height="64" loading="lazy"></a>',
            reverse("admin:medical_records_patientphoto_file", args=[photo.pk]),
            reverse("admin:medical_records_patientphoto_thumbnail", args=[photo.pk]),
            f"{photo.description or photo.filename}: the full image",
        )

    @admin.display(description="image")
    def image(self, photo: PatientPhoto) -> str:
        return render_to_string("admin/medical_records/image.html", {"photo": photo})

    @admin.display(description="caption")
    def caption(self, photo: PatientPhoto) -> str:
        return photo.description or photo.filename

    @admin.display(description="place")
    def place(self, photo: PatientPhoto) -> str:
        record = photo.medical_record
        if record is None:
            return "In the gallery"
        link = reverse("admin:medical_records_medicalrecord_change", args=[record.pk])
        if record.clinic_id != photo.clinic_id:  # as another program may have left it
            return "On a record of another clinic"
        waits = ", pending until that is saved" if photo.is_pending else ""
        return format_html('<a href="{}">{}</a>{}', link, record, waits)

    @admin.display(description="uploaded")
    def created(self, photo: PatientPhoto) -> str:
        return _when_and_who(photo.created_at, photo.uploaded_by_user)

    @admin.display(description="size", ordering="size_bytes")
    def size(self, photo: PatientPhoto) -> str:
        return filesizeformat(photo.size_bytes)


admin.site.unregister(Patient)


@admin.register(Patient)
class PatientWithRecordsAdmin(PatientAdmin):
    """The patient's page, with the records and photos that the app of the patients knows nothing of."""

    change_form_template = "admin/medical_records/patient_change_form.html"

    class Media:
        css = {"all": ["medical_records/admin.css"]}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if context.get("original") is not None:
            context["overview"] = patient_overview(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)
