"""The page that asks before a record is signed: who signs reads there what is signed, and what that means."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_noop

from clinic_project.audit.accesses import show
from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.listing import listed

from .. import signing
from ..exceptions import ChangeRefused, StaleVersion
from ..filled_form import filled_form, unanswered_labels
from ..models import MedicalRecord, PatientPhoto
from ..signing import Signer, hash_to_sign, photos_in_content
from .appointments import appointment_text
from .signing import SigningMixin, VersionForm, signer_of

#: What Django's log says, in English.
_SIGNED = gettext_noop("Signed.")


class SignForm(VersionForm):
    """`content` is the hash of what the page showed; `incomplete` is asked where answers are missing."""

    content = forms.CharField(max_length=64, widget=forms.HiddenInput)
    incomplete = forms.BooleanField(required=False)

    def sign(self, record: MedicalRecord, by: Signer) -> bool:
        """Sign `record`, unless a click before this one has; return whether this one did. Raises ChangeRefused."""
        shown, incomplete = self.cleaned_data["content"], self.cleaned_data["incomplete"]
        try:
            records = MedicalRecord.objects.all()
            signing.sign_record(records, record.pk, self.versions, by, incomplete=incomplete, shown=shown)
        except StaleVersion as stale:
            now: Any = stale.current
            if (now.signed_by_user_id, now.content_hash) != (by.user.pk, shown):
                raise
            return False
        return True


class SignPageMixin(SigningMixin):
    sign_template = "admin/medical_records/sign.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("sign", self.sign_view, "sign"), *super().get_urls()]

    @of_object
    def sign_view(self, request: HttpRequest, record: MedicalRecord) -> HttpResponse:
        """Show a record as it will be signed, and sign it as it was shown."""
        if not self.has_trash_permission(request, record):
            raise PermissionDenied
        if request.method == "POST":
            return self._sign(request, record)
        try:
            shown = hash_to_sign(record)
        except ChangeRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(self.object_url("change", record.pk))
        # Read after the hash: of what changes in between, the page may show too much, and nothing is signed.
        record.refresh_from_db()
        title = gettext("Sign: %(record)s") % {"record": self.name_with_patient(record)}
        context = {
            **self.object_context(request, record, title),
            **_to_sign(record),
            "signer": signer_of(request, record).name,
            "form": SignForm(initial={"version": record.version, "content": shown}),
        }
        return TemplateResponse(request, self.sign_template, context)

    def _sign(self, request: HttpRequest, record: MedicalRecord) -> HttpResponse:
        form, signer = SignForm(request.POST), signer_of(request, record)

        def sign(request: HttpRequest, record: MedicalRecord) -> None:
            if form.sign(record, signer):
                self.log_change(request, record, _SIGNED)

        if form.is_valid() and self._is_done(request, record, sign):
            self.message_user(request, gettext(_SIGNED), messages.SUCCESS)
            return HttpResponseRedirect(self.object_url("change", record.pk))
        record.refresh_from_db()
        if not _can_be_signed(record):
            return HttpResponseRedirect(self.object_url("change", record.pk))
        said = gettext("Nothing was signed. This is the record as it is now.")
        self.message_user(request, said, messages.WARNING)
        return HttpResponseRedirect(self.object_url("sign", record.pk))

    def own_page_context(self, request: HttpRequest, record: MedicalRecord) -> dict[str, Any]:
        context = super().own_page_context(request, record)
        if "signing" in context and not (record.signed_at or record.entered_in_error_at):
            context["signing"]["sign_url"] = self.object_url("sign", record.pk)
        return context


def _can_be_signed(record: MedicalRecord) -> bool:
    try:
        hash_to_sign(record)
    except ChangeRefused:
        return False
    return True


def _to_sign(record: MedicalRecord) -> dict[str, Any]:
    """Return what the page shows of a record: what a signature covers, and nothing else."""
    photos = photos_in_content().for_clinic(record.clinic).filter(medical_record=record).order_by("created_at", "pk")
    shown: list[PatientPhoto] = list(photos)
    show(photos=((photo.pk, photo.patient_id) for photo in shown))
    return {
        "filled_form": filled_form(record.template_snapshot, record.values),
        "missing": listed(unanswered_labels(record.template_snapshot, record.values)),
        "visit": None if record.appointment is None else appointment_text(record.appointment),
        "photos": shown,
    }
