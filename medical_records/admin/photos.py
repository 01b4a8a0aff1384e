"""Photos in the admin, with the views that send their files."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.models import Access
from clinic_project.clinics.administration.filters import ClinicFilter, PatientFilter, TrashFilter
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.administration.searching import PatientSearchMixin
from clinic_project.clinics.models import Patient

from .. import services
from ..models import PatientPhoto
from ..photos.responses import FileMissing, photo_response
from ..photos.storage import STORAGE_FAILS, StorageUnavailable
from .access_log import AccessLogMixin
from .base import ClinicalAdmin, when_and_by
from .filters import PlaceFilter
from .signing import why_record_stays

#: Nothing runs in an image. The styles are the browser's own: it centres an image that is looked at by itself.
IMAGE_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"


@admin.register(PatientPhoto)
class PhotoAdmin(AccessLogMixin, PatientSearchMixin, ClinicalAdmin):
    """A photo is looked at and described. It is added on the page of a record or a patient."""

    list_display = ["thumbnail", "caption", "patient_shown", "place", "created_on", "clinic"]
    list_display_links = ["caption"]
    list_filter = [TrashFilter, PatientFilter, ClinicFilter, PlaceFilter]
    list_select_related = ["patient", "clinic", "medical_record"]
    unordered_filters = (*ClinicalAdmin.unordered_filters, PlaceFilter.parameter_name)
    list_defer = ["medical_record__template_snapshot", "medical_record__values"]
    search_fields = ["patient__full_name", "patient__phone_number"]
    fieldsets = [
        (None, {"fields": ["image", "description", "patient", "place"]}),
        (_("About this photo"), {"fields": ["filename", "content_type", "size", "clinic", "created", "updated"]}),
    ]
    readonly_fields = ["image", "patient", "place", *fieldsets[1][1]["fields"]]

    def name_with_patient(self, obj: PatientPhoto) -> str:
        return gettext("%(object)s of %(patient)s") % {"object": _caption(obj), "patient": obj.patient}

    def patient_of(self, obj: PatientPhoto) -> Patient:
        return obj.patient

    def trash_question(self, obj: PatientPhoto) -> str:
        named = {"photo": _caption(obj), "patient": obj.patient.name_and_birthday}
        return gettext("Move the photo “%(photo)s” of %(patient)s to the trash?") % named

    def goes_along(self, obj: PatientPhoto) -> str:
        if obj.medical_record is None or obj.is_pending:
            return ""
        return gettext("The record %(record)s is then without it.") % {"record": obj.medical_record}

    def goes_along_with_all(self, objs: list[PatientPhoto]) -> str:
        count = len({photo.medical_record_id for photo in objs if not photo.is_pending} - {None})
        said = ngettext("A record is then without them.", "%(count)d records are then without them.", count)
        return said % {"count": count} if count else ""

    def why_it_stays(self, obj: PatientPhoto) -> str:
        why = why_record_stays(obj.medical_record) if obj.medical_record else ""
        return gettext("Its record: %(state)s") % {"state": why} if why else ""

    def not_in_state(self, then: PatientPhoto, now: PatientPhoto) -> Collection[str]:
        # Their address is the photo's, and has the file of now.
        return [] if then.storage_key == now.storage_key else ["image"]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer the trash only for what may be moved there as it is: not for a photo of a record that stays."""
        photo = context["original"]
        context["show_delete"] = photo is None or not self.why_it_stays(photo)
        return super().render_change_form(request, context, *args, **kwargs)

    def trash_one(self, request: HttpRequest, obj: PatientPhoto) -> None:
        services.move_photo_to_trash(PatientPhoto.objects.all(), obj.pk, scope_of(request).user)

    def restore_one(self, request: HttpRequest, obj: PatientPhoto) -> None:
        services.restore_photo(PatientPhoto.objects.all(), obj.pk, scope_of(request).user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        services.change_photo(PatientPhoto.objects.all(), obj.pk, scope_of(request).user, description=obj.description)

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
        self.note_shown(request, [photo], Access.Action.THUMBNAIL if thumbnail else Access.Action.FILE)
        try:
            response = photo_response(request, photo, thumbnail=thumbnail)
        except FileMissing as error:
            error.log()
            raise Http404(gettext("The file of this photo is missing from the storage.")) from error
        except StorageUnavailable:
            return HttpResponse(STORAGE_FAILS, status=503, content_type="text/plain; charset=utf-8")
        response["Content-Security-Policy"] = IMAGE_POLICY
        return response

    @admin.display(description=_("photo"))
    def thumbnail(self, photo: PatientPhoto) -> str:
        return format_html(
            '<a class="thumbnail" href="{}"><img src="{}" alt="{}" width="64" height="64" loading="lazy"></a>',
            reverse("admin:medical_records_patientphoto_file", args=[photo.pk]),
            reverse("admin:medical_records_patientphoto_thumbnail", args=[photo.pk]),
            gettext("%(caption)s: the full image") % {"caption": photo.caption},
        )

    @admin.display(description=_("image"))
    def image(self, photo: PatientPhoto) -> str:
        return render_to_string("admin/medical_records/image.html", {"photo": photo})

    @admin.display(description=_("caption"))
    def caption(self, photo: PatientPhoto) -> str:
        return photo.caption

    @admin.display(description=_("place"))
    def place(self, photo: PatientPhoto) -> str:
        record = photo.medical_record
        if record is None:
            return gettext("In the gallery")
        link = reverse("admin:medical_records_medicalrecord_change", args=[record.pk])
        if record.clinic_id != photo.clinic_id:  # as another program may have left it
            return gettext("On a record of another clinic")
        shown = format_html('<a href="{}">{}</a>', link, record)
        if photo.is_pending:
            shown = format_html(gettext("{record}, pending until that is saved"), record=shown)
        if record.entered_in_error_at is not None:
            shown = format_html(gettext("{record}, which was entered in error"), record=shown)
        return shown

    @admin.display(description=_("uploaded"))
    def created(self, photo: PatientPhoto) -> str:
        return when_and_by(photo.created_at, photo.uploaded_by_user_id, photo.clinic_id)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, photo: PatientPhoto) -> str:
        return filesizeformat(photo.size_bytes)


def _caption(photo: PatientPhoto) -> str:
    """Return what a photo is called among other words."""
    return Truncator(photo.caption).chars(60)
