"""Changing the answers of a record in the admin: a page whose form is the record's own."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_noop, ngettext

from clinic_project.api.converters import parse_row_id
from clinic_project.audit import transactions
from clinic_project.clinics.administration.json_text import as_stored
from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.history import readable_history
from clinic_project.clinics.listing import listed

from .. import services
from ..exceptions import ChangeRefused, InTrash
from ..filled_form import unanswered_labels
from ..models import MedicalRecord, check_in_use
from .answers import can_be_filled_in
from .base import ClinicalAdmin, when_and_by
from .record_forms import RecordForm

#: The button that goes on to the record's photos.
ADD_PHOTOS = "_addphotos"
#: Questions that a message names; the record's page marks all.
MAX_NAMED = 10


class ChangingAnswersMixin(ClinicalAdmin):
    """For records: who has a role in the clinic changes their answers."""

    answers_template = "admin/medical_records/change_answers.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("answers", self.answers_view, "answers"), *super().get_urls()]

    def own_page_context(self, request: HttpRequest, record: MedicalRecord) -> dict[str, Any]:
        context = super().own_page_context(request, record)
        if self.has_role(request, record) and _refusal_of(record) is None:
            context["answers_url"] = self.object_url("answers", record.pk)
        return context

    @of_object
    def answers_view(self, request: HttpRequest, record: MedicalRecord) -> HttpResponse:
        """Show the answers of a record, and change them."""
        if not self.has_role(request, record):
            raise PermissionDenied
        if request.method == "POST" and can_be_filled_in(record.template_snapshot, record.values):
            return self._change(request, record)
        if refusal := _refusal_of(record):
            self.message_user(request, refusal, messages.ERROR)
            return HttpResponseRedirect(self.object_url("change", record.pk))
        return self._answers_page(request, record, RecordForm(record))

    def _change(self, request: HttpRequest, found: MedicalRecord) -> HttpResponse:
        # The transaction of the request ends after the change: until then, nobody else makes one.
        rows = MedicalRecord.objects.select_related("patient", "appointment__calendar_event")
        record = rows.select_for_update(of=("self",), no_key=True).get(pk=found.pk)
        form = RecordForm(record, request.POST)
        version = parse_row_id(request.POST.get("version", ""))
        context: dict[str, Any] = {}
        if version != record.version:
            form.merge(_state_of(record, version))
            context["conflict"] = when_and_by(record.updated_at, record.updated_by_user_id, record.clinic_id)
        if form.is_valid() and not context:
            if not form.has_changes:
                return self.response_saved(request, record, gettext("Nothing was changed."))
            if self._is_changed(request, record, form):
                return self.response_saved(request, record, form.said_when_saved)
        return self._answers_page(request, record, form, **context)

    def _is_changed(self, request: HttpRequest, record: MedicalRecord, form: RecordForm) -> bool:
        """Change the record; where that is refused, let the form say why."""
        try:
            with transactions.atomic():
                services.change_record(record, [record.version], scope_of(request).user, **form.change())
                self.log_change(request, record, [{"changed": {"fields": [gettext_noop("Answers")]}}])
        except ChangeRefused as refusal:
            form.add_error(None, str(refusal))
            return False
        return True

    def _answers_page(
        self, request: HttpRequest, record: MedicalRecord, form: RecordForm, **context: Any
    ) -> HttpResponse:
        title = gettext("Change answers: %(record)s") % {"record": self.name_with_patient(record)}
        context |= {
            **self.object_context(request, record, title),
            "form": form,
            "draft": f"record/{record.pk}",
        }
        return TemplateResponse(request, self.answers_template, context)

    def response_saved(self, request: HttpRequest, record: MedicalRecord, said: str) -> HttpResponse:
        """Say that a record was saved and what is missing in it, and lead to its page, or to its photos."""
        self.message_user(request, said, messages.SUCCESS)
        record.refresh_from_db()
        missing = unanswered_labels(record.template_snapshot, record.values)
        if missing:
            self.message_user(request, _missing_text(missing), messages.INFO)
        next_page = "photos" if ADD_PHOTOS in request.POST else "change"
        return HttpResponseRedirect(self.object_url(next_page, record.pk))


def _missing_text(labels: list[str]) -> str:
    said = ngettext(
        "A required answer is missing: %(questions)s",
        "%(count)d required answers are missing: %(questions)s",
        len(labels),
    )
    named = listed([*labels[:MAX_NAMED], *(["…"] if len(labels) > MAX_NAMED else [])])
    return said % {"count": len(labels), "questions": named}


def _refusal_of(record: MedicalRecord) -> str | None:
    """Return why the answers of a record can't be changed, by an amendment or without; None where they can."""
    if not can_be_filled_in(record.template_snapshot, record.values):
        return gettext("Another program has written this record. Its answers can only be read here.")
    try:
        if record.is_deleted:
            raise InTrash
        record.check_changeable(amends=record.signed_at is not None)
        check_in_use(record.patient)
    except ChangeRefused as refusal:
        return str(refusal)
    return None


def _state_of(record: MedicalRecord, version: int | None) -> Mapping[str, Any] | None:
    """Return the row of a record as it was in a version; None where the history can't tell."""
    changes = readable_history(record)
    known = (change.after for change in changes if change.version == version and change.is_proven and change.after)
    state = next(known, None)
    return None if state is None else as_stored(state)
