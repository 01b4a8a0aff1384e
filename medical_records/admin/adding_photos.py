"""Adding photos in the admin: a page of a record, or of a patient for the gallery."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic_project.clinics.administration.scope import scope_of

from ..exceptions import ChangeRefused
from ..models import MAX_PHOTO_DESCRIPTION
from ..photos.additions import Addition, Picture, Place, add_to
from ..photos.decoding import MAX_BYTES, MEGABYTE, ImageError, TooManyBytes, accepted_types, heic_is_accepted
from ..photos.file_names import clean_file_name
from ..photos.storage import StorageUnavailable
from .access_log import note_shown
from .captions import CaptionField, CaptionsMixin
from .picture_uploads import MAX_TOTAL, ReceivedPicture, receiving_pictures
from .refusals import refusal_text


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: `error` says why it wasn't saved."""

    name: str
    addition: Addition | None = None
    error: str = ""


class AddPhotosMixin(CaptionsMixin):
    """For what photos are added to. Each file is saved by itself, and told by its name where it isn't."""

    add_photos_template = "admin/medical_records/add_photos.html"

    def get_urls(self) -> list[URLPattern]:
        adding = receiving_pictures(self.admin_site.stepwise_view(self.add_photos_view))  # type: ignore[attr-defined]
        return [path("<path:object_id>/photos/", adding, name=self._page_name("photos")), *super().get_urls()]

    def own_page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().own_page_context(request, obj)
        if self.may_change_photos(request, obj) and _refusal(self.place_of(obj)) is None:
            context["add_photos_url"] = self.object_url("photos", obj.pk)
        return context

    def add_photos_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for pictures and keep them; for a script, say as JSON what became of each."""
        obj = self.owner_of_photos(request, object_id)
        place = self.place_of(obj)
        if request.method == "POST":
            outcomes = list(self._outcomes(request, place))
            is_script = request.headers.get("Accept") == "application/json"
            return _as_json(outcomes) if is_script else self._told(request, obj, outcomes)
        note_shown(request, [obj])
        if refusal := _refusal(place):
            self.message_user(request, refusal_text(refusal), messages.ERROR)
            return HttpResponseRedirect(self.object_url("change", obj.pk))
        context = {
            **self.object_context(request, obj, _("Add photos: %(name)s") % {"name": self.name_with_patient(obj)}),
            "accepted": ",".join(accepted_types()),
            "takes_heic": heic_is_accepted(),
            "max_bytes": MAX_BYTES,
            "max_megabytes": MAX_BYTES // MEGABYTE,
            "total_megabytes": MAX_TOTAL // MEGABYTE,
            "max_files": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
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
                yield Outcome(name, error=refusal_text(refusal))
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
