"""The captions of photos: a page of a record, or of a patient for the gallery, on which they are written together."""

import re
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic_project.audit import transactions
from clinic_project.clinics.access import CLINICAL_ROLES
from clinic_project.clinics.administration.object_pages import ObjectPagesMixin
from clinic_project.clinics.administration.scope import scope_of

from .. import services
from ..exceptions import ChangeRefused
from ..models import MAX_PHOTO_DESCRIPTION, PatientPhoto
from ..photos.additions import Place
from .access_log import note_shown
from .refusals import refusal_text

#: Photos whose captions are on one page: the newest.
CAPTIONS_AT_ONCE = 50


class CaptionField(forms.CharField):
    def __init__(self, **options: Any) -> None:
        # Of several lines, as another program may have written it.
        widget = forms.Textarea(attrs={"rows": 2})
        super().__init__(required=False, max_length=MAX_PHOTO_DESCRIPTION, empty_value=None, widget=widget, **options)


class CaptionsForm(forms.Form):
    """The captions of some photos. Those that somebody else has changed meanwhile stay, unless they are typed here, too."""

    def __init__(self, photos: list[PatientPhoto], *args: Any) -> None:
        super().__init__(*args)
        self.photos = photos
        for photo in photos:
            # What the person has seen comes back with what they have typed.
            field = CaptionField(label=gettext_lazy("Caption"), initial=photo.description, show_hidden_initial=True)
            self.fields[str(photo.pk)] = field

    @property
    def rows(self) -> Iterator[tuple[PatientPhoto, Any]]:
        for photo in self.photos:
            yield photo, self[str(photo.pk)]

    @transactions.atomic
    def save(self, by: Any) -> list[PatientPhoto]:
        """Change the captions that were typed, all or none, and return their photos. Raises ChangeRefused."""
        changed = [photo for photo in self.photos if str(photo.pk) in self.changed_data]
        for photo in changed:
            caption = self.cleaned_data[str(photo.pk)]
            services.change_photo(PatientPhoto.objects.all(), photo.pk, by, description=caption)
        return changed


class CaptionsMixin(ObjectPagesMixin):
    """For what photos belong to: whoever has a role in the clinic writes their captions."""

    captions_template = "admin/medical_records/captions.html"

    def place_of(self, obj: Any) -> Place:
        """Return where the photos of `obj` are."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        captions = self.admin_site.admin_view(self.captions_view)
        name = self._page_name("photo_captions")
        return [path("<path:object_id>/photo-captions/", captions, name=name), *super().get_urls()]

    def own_page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().own_page_context(request, obj)
        if self.may_change_photos(request, obj):
            context["captions_url"] = self.object_url("photo_captions", obj.pk)
        return context

    def may_change_photos(self, request: HttpRequest, obj: Any) -> bool:
        return not obj.is_deleted and self._may_write(request, obj)

    def _may_write(self, request: HttpRequest, obj: Any) -> bool:
        return scope_of(request).has_role(CLINICAL_ROLES, obj.clinic_id)

    def captions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the photos with their captions, and change those."""
        obj = self.owner_of_photos(request, object_id)
        photos = _photos_of_captions(request, self.place_of(obj))
        form = CaptionsForm(photos, request.POST or None)
        if form.is_valid() and self._save_captions(request, form):
            return HttpResponseRedirect(self.object_url("change", obj.pk))
        note_shown(request, [obj, *photos])
        name = {"name": self.name_with_patient(obj)}
        context = {**self.object_context(request, obj, _("Captions: %(name)s") % name), "form": form}
        return TemplateResponse(request, self.captions_template, context)

    def _save_captions(self, request: HttpRequest, form: CaptionsForm) -> bool:
        try:
            changed = form.save(scope_of(request).user)
        except ChangeRefused as refusal:
            form.add_error(None, refusal_text(refusal))
            return False
        for photo in changed:
            self.log_change(request, photo, [{"changed": {"fields": ["description"]}}])
        count = len(changed)
        said = ngettext("%(count)d caption was changed.", "%(count)d captions were changed.", count) % {"count": count}
        self.message_user(request, said, messages.SUCCESS)
        return True

    def owner_of_photos(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object of the URL, without noting that it is shown: a page that only changes it shows nothing."""
        obj = admin.ModelAdmin.get_object(self, request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self._may_write(request, obj):
            raise PermissionDenied
        return obj


def _photos_of_captions(request: HttpRequest, place: Place) -> list[PatientPhoto]:
    """Return the photos that the page shows: the newest, and once it is sent the same ones, the trash included."""
    if request.method != "POST":
        return list(place.photos.order_by("-created_at", "-pk")[:CAPTIONS_AT_ONCE])[::-1]
    shown = [pk for pk in request.POST.getlist("photo")[:CAPTIONS_AT_ONCE] if re.fullmatch(r"[0-9]{1,10}", pk)]
    photos = PatientPhoto.objects.of_patient(place.patient).filter(medical_record=place.record, pk__in=shown)
    return list(photos.order_by("created_at", "pk"))
