"""Adding photos in the admin: a page of a record, or of a patient for the gallery, and a page with their captions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic_project.audit import transactions
from clinic_project.clinics.access import CLINICAL_ROLES
from clinic_project.clinics.administration.object_pages import ObjectPagesMixin
from clinic_project.clinics.administration.scope import scope_of

from .. import services
from ..exceptions import ChangeRefused, EnteredInError, Signed
from ..models import MAX_PHOTO_DESCRIPTION, PatientPhoto
from ..photos.additions import Addition, Picture, Place, add_to
from ..photos.decoding import MAX_BYTES, MEGABYTE, ImageError, TooManyBytes, accepted_types, heic_is_accepted
from ..photos.file_names import clean_file_name
from ..photos.storage import STORAGE_FAILS, StorageUnavailable
from .access_log import note_shown
from .picture_uploads import MAX_TOTAL, ReceivedPicture, receiving_pictures

#: Photos whose captions are on one page: the newest.
CAPTIONS_AT_ONCE = 50

#: What a person at the admin can do, where the refusal itself speaks of the API's requests.
_REMEDIES: dict[type[ChangeRefused], Any] = {
    Signed: gettext_lazy("The record is signed. Press “Amend” on its page and say why it is changed, then add photos."),
    EnteredInError: gettext_lazy("The record is marked as entered in error. Undo that on its page, then add photos."),
}


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: `error` says why it wasn't saved."""

    name: str
    addition: Addition | None = None
    error: str = ""


class AddPhotosMixin(ObjectPagesMixin):
    """For what photos are added to. Each file is saved by itself, and told by its name where it isn't."""

    add_photos_template = "admin/medical_records/add_photos.html"
    captions_template = "admin/medical_records/captions.html"

    def place_of(self, obj: Any) -> Place:
        """Return where the photos of `obj` are."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        adding = receiving_pictures(self.admin_site.stepwise_view(self.add_photos_view))  # type: ignore[attr-defined]
        captions = self.admin_site.admin_view(self.captions_view)
        return [
            path("<path:object_id>/photos/", adding, name=self._page_name("photos")),
            path("<path:object_id>/photo-captions/", captions, name=self._page_name("photo_captions")),
            *super().get_urls(),
        ]

    def own_page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().own_page_context(request, obj)
        if obj.is_deleted or not self.may_add_photos(request, obj):
            return context
        context["captions_url"] = self.object_url("photo_captions", obj.pk)
        if _refusal(self.place_of(obj)) is None:
            context["add_photos_url"] = self.object_url("photos", obj.pk)
        return context

    def may_add_photos(self, request: HttpRequest, obj: Any) -> bool:
        return scope_of(request).has_role(CLINICAL_ROLES, obj.clinic_id)

    # Adding

    def add_photos_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for pictures and keep them; for a script, say as JSON what became of each."""
        obj = self._for_photos(request, object_id)
        place = self.place_of(obj)
        if request.method == "POST":
            outcomes = list(self._outcomes(request, place))
            is_script = request.headers.get("Accept") == "application/json"
            return _as_json(outcomes) if is_script else self._told(request, obj, outcomes)
        note_shown(request, [obj])
        if refusal := _refusal(place):
            self.message_user(request, _text(refusal), messages.ERROR)
            return HttpResponseRedirect(self.object_url("change", obj.pk))
        context = {
            **self.object_context(request, obj, _("Add photos: %(name)s") % {"name": self.name_with_patient(obj)}),
            "accepted": ",".join(accepted_types()),
            "takes_heic": heic_is_accepted(),
            "max_bytes": MAX_BYTES,
            "max_megabytes": MAX_BYTES // MEGABYTE,
            "total_megabytes": MAX_TOTAL // MEGABYTE,
            "max_caption": MAX_PHOTO_DESCRIPTION,
            "too_large": TooManyBytes(),
        }
        return TemplateResponse(request, self.add_photos_template, context)

    def _outcomes(self, request: HttpRequest, place: Place) -> Iterator[Outcome]:
        files: list[Any] = request.FILES.getlist("photos")
        captions = [*request.POST.getlist("caption"), *[""] * len(files)]
        for file, caption in zip(files, captions, strict=False):
            name = clean_file_name(file.name)
            try:
                addition = add_to(place, _picture(file, caption), scope_of(request).user)
            except (ChangeRefused, ImageError, StorageUnavailable, ValidationError) as refusal:
                yield Outcome(name, error=_text(refusal))
                continue
            if addition.is_new:
                self.log_addition(request, addition.photo, [{"added": {}}])
            yield Outcome(name, addition)

    def _told(self, request: HttpRequest, obj: Any, outcomes: list[Outcome]) -> HttpResponse:
        """Say what became of each file, and lead to the captions of those that were saved."""
        if not outcomes:
            self.message_user(request, _("Choose at least one photo."), messages.ERROR)
        added = [outcome for outcome in outcomes if outcome.addition and outcome.addition.is_new]
        if count := len(added):
            said = ngettext("%(count)d photo was added.", "%(count)d photos were added.", count) % {"count": count}
            self.message_user(request, said, messages.SUCCESS)
        for outcome in outcomes:
            if outcome.error:
                said = _("%(name)s: %(error)s") % {"name": outcome.name, "error": outcome.error}
                self.message_user(request, said, messages.ERROR)
            elif outcome not in added:
                said = _("%(name)s was there already.") % {"name": outcome.name}
                self.message_user(request, said, messages.WARNING)
        is_any_saved = any(outcome.addition for outcome in outcomes)
        return HttpResponseRedirect(self.object_url("photo_captions" if is_any_saved else "photos", obj.pk))

    # Captions

    def captions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the photos with their captions, and change those."""
        obj = self._for_photos(request, object_id)
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
            form.add_error(None, _text(refusal))
            return False
        for photo in changed:
            self.log_change(request, photo, [{"changed": {"fields": ["description"]}}])
        count = len(changed)
        said = ngettext("%(count)d caption was changed.", "%(count)d captions were changed.", count) % {"count": count}
        self.message_user(request, said, messages.SUCCESS)
        return True

    def _for_photos(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object of the URL, without noting that it is shown: a page that only changes it shows nothing."""
        obj = admin.ModelAdmin.get_object(self, request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.may_add_photos(request, obj):
            raise PermissionDenied
        return obj


def _photos_of_captions(request: HttpRequest, place: Place) -> list[PatientPhoto]:
    """Return the photos that the page shows: the newest, and once it is sent the same ones, the trash included."""
    if request.method != "POST":
        return list(place.photos.order_by("-created_at", "-pk")[:CAPTIONS_AT_ONCE])[::-1]
    shown = [pk for pk in request.POST.getlist("photo")[:CAPTIONS_AT_ONCE] if re.fullmatch(r"[0-9]{1,10}", pk)]
    photos = PatientPhoto.objects.of_patient(place.patient).filter(medical_record=place.record, pk__in=shown)
    return list(photos.order_by("created_at", "pk"))


def _picture(file: ReceivedPicture, caption: str) -> Picture:
    """Return an uploaded file; raises ImageError for one that wasn't kept, ValidationError for its caption."""
    if file.refusal is not None:
        raise file.refusal
    return Picture(file.read(), file.name or "", CaptionField().clean(caption))


def _as_json(outcomes: list[Outcome]) -> JsonResponse:
    return JsonResponse({"files": [{"name": outcome.name, "error": outcome.error} for outcome in outcomes]})


def _refusal(place: Place) -> ChangeRefused | None:
    """Return why no photos can be added there."""
    try:
        place.check()
    except ChangeRefused as refusal:
        return refusal
    return None


def _text(refusal: Exception) -> str:
    match refusal:
        case StorageUnavailable():
            return str(STORAGE_FAILS)
        case ValidationError():
            return " ".join(refusal.messages)
        case ChangeRefused():
            return str(_REMEDIES.get(type(refusal), refusal))
    return str(refusal)
