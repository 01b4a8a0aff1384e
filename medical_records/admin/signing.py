"""Amending a signed record in the admin, and marking one as entered in error: by forms of its page."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_POST

from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.administration.trash import TrashMixin

from .. import signing
from ..models import MedicalRecord
from ..signing import MAX_REASON, Signer

_RECORDS = MedicalRecord.objects.all


class VersionForm(forms.Form):
    """Names the version that the person has read: another one isn't changed."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)

    def save(self, record: MedicalRecord, by: Signer) -> None:
        raise NotImplementedError

    @property
    def versions(self) -> list[int]:
        return [self.cleaned_data["version"]]


class ReasonForm(VersionForm):
    reason = forms.CharField(max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 2}))


class AmendForm(ReasonForm):
    def save(self, record: MedicalRecord, by: Signer) -> None:
        signing.amend_record(_RECORDS(), record.pk, self.versions, by, self.cleaned_data["reason"])


class ErrorForm(ReasonForm):
    def save(self, record: MedicalRecord, by: Signer) -> None:
        signing.enter_in_error(_RECORDS(), record.pk, self.versions, by, self.cleaned_data["reason"])


class UndoErrorForm(VersionForm):
    def save(self, record: MedicalRecord, by: Signer) -> None:
        signing.undo_entered_in_error(_RECORDS(), record.pk, self.versions, by)


#: By the names of their views: the form, and what is said once it is done, which Django's log keeps in English.
_FORMS: dict[str, tuple[type[VersionForm], str]] = {
    "amend": (AmendForm, gettext_noop("Amended: this version isn't signed.")),
    "enter_in_error": (ErrorForm, gettext_noop("Marked as entered in error.")),
    "undo_error": (UndoErrorForm, gettext_noop("No longer marked as entered in error.")),
}


class SigningMixin(TrashMixin):
    """Who may move a record to the trash may sign it as well."""

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Offer the trash only for what may be moved there as it is: not for what is signed, or marked."""
        return super().has_delete_permission(request, obj) and not (obj is not None and self.why_it_stays(obj))

    def why_it_stays(self, obj: MedicalRecord) -> str:
        return why_record_stays(obj)

    def get_urls(self) -> list[URLPattern]:
        return [*(self.object_path(name, self._view(name), name) for name in _FORMS), *super().get_urls()]

    def _view(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            return self.signing_view(request, object_id, name)

        return view

    @method_decorator(require_POST)
    @of_object
    def signing_view(self, request: HttpRequest, record: MedicalRecord, name: str) -> HttpResponse:
        """Do what the form of that name says, and show the record again."""
        if not self.has_trash_permission(request, record):
            raise PermissionDenied
        form_class, said = _FORMS[name]
        form = form_class(request.POST)
        if not form.is_valid():
            self.message_user(request, gettext("Say why, in at most 2,000 characters."), messages.ERROR)
        elif self._change_one(request, record, lambda _, obj: form.save(obj, signer_of(request, obj)), said):
            self.message_user(request, gettext(said), messages.SUCCESS)
        return HttpResponseRedirect(self.object_url("change", record.pk))

    def own_page_context(self, request: HttpRequest, record: MedicalRecord) -> dict[str, Any]:
        context = super().own_page_context(request, record)
        is_changeable = not (record.is_deleted or record.patient.is_deleted)
        if is_changeable and self.has_trash_permission(request, record):
            context["signing"] = self._signing(record)
        return context

    def _signing(self, record: MedicalRecord) -> dict[str, Any]:
        """Return the forms that the record's page has, by the names of their views."""
        offered = ["undo_error"] if record.entered_in_error_at else ["enter_in_error"]
        if record.signed_at and not record.entered_in_error_at:
            offered.append("amend")
        return {
            name: {
                "url": self.object_url(name, record.pk),
                "form": _FORMS[name][0](initial={"version": record.version}, auto_id=f"{name}_%s"),
            }
            for name in offered
        }


def why_record_stays(record: MedicalRecord) -> str:
    """Return why a record, and a photo of it, can't be moved to the trash as it is; empty where it can."""
    if record.entered_in_error_at:
        return gettext("Marked as entered in error")
    return gettext("Signed") if record.signed_at else ""


def signer_of(request: HttpRequest, record: MedicalRecord) -> Signer:
    """Return the person at `request`, as the clinic of `record` calls them."""
    scope = scope_of(request)
    return Signer(scope.user, scope.name_in(record.clinic_id))
