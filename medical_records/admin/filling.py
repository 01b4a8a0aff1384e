"""Filling in a record in the admin, and changing one: pages whose form is the template's, or the record's own."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop, ngettext

from clinic_project.api.converters import parse_row_id
from clinic_project.api.models import IdempotencyKey
from clinic_project.api.problems import Problem
from clinic_project.audit import transactions
from clinic_project.clinics.administration.json_text import as_stored
from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.history import readable_history
from clinic_project.clinics.models import Patient

from .. import services
from ..exceptions import ChangeRefused, InTrash
from ..filled_form import unanswered_labels
from ..models import MedicalRecord, MedicalRecordTemplate, check_in_use
from .access_log import note_shown
from .answers import can_be_filled_in
from .base import ClinicalAdmin, when_and_by
from .choosing import Choice
from .record_forms import NewRecordForm, RecordForm

#: The button that goes on to the record's photos.
ADD_PHOTOS = "_addphotos"
#: Begins the keys of forms. The API takes no key with an end of line, so that none of its clients has one of these.
_KEY = "admin\n"
#: Questions that a message names; the record's page marks all.
MAX_NAMED = 10


class FillingMixin(ClinicalAdmin):
    """For records: who has a role in the clinic fills them in, and changes them."""

    choose_template = "admin/medical_records/choose.html"
    add_record_template = "admin/medical_records/add_record.html"
    answers_template = "admin/medical_records/change_answers.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_role(request, None)

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("answers", self.answers_view, "answers"), *super().get_urls()]

    def own_page_context(self, request: HttpRequest, record: MedicalRecord) -> dict[str, Any]:
        context = super().own_page_context(request, record)
        if self.has_role(request, record) and _refusal_of(record) is None:
            context["answers_url"] = self.object_url("answers", record.pk)
        return context

    # A new record

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for a patient and a template, and then for the answers."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        choice = Choice(request)
        is_usable = request.method == "POST" or not choice.in_trash
        if choice.patient is not None and choice.template is not None and is_usable:
            return self._new_record(request, choice.patient, choice.template)
        return self._choose(request, choice)

    def _choose(self, request: HttpRequest, choice: Choice) -> HttpResponse:
        if choice.patient is not None:
            note_shown(request, [choice.patient])
        asks_for_patient = choice.patient is None or choice.patient.is_deleted
        found = choice.find_patients() if asks_for_patient else choice.find_templates()
        context = self._add_context(request, gettext("Add medical record"))
        context |= {"choice": choice, "asks_for_patient": asks_for_patient, "found": found}
        return TemplateResponse(request, self.choose_template, context)

    def _add_context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "module_name": capfirst(self.opts.verbose_name_plural),
            "media": self.media,
        }

    def _new_record(self, request: HttpRequest, patient: Patient, template: MedicalRecordTemplate) -> HttpResponse:
        note_shown(request, [patient])
        form = NewRecordForm(template, patient, request.POST if request.method == "POST" else None)
        if form.is_valid() and not form.is_outdated:
            record = self._created(request, form, patient)
            if record is not None:
                return self._saved(request, record, gettext("Saved."))
        elif form.is_outdated:
            changed = gettext("The template has been changed meanwhile. Read its questions again before you save.")
            form.add_error(None, changed)
        context = {
            **self._add_context(request, gettext("Add medical record")),
            "form": form,
            "patient": patient,
            "template": template,
            "draft": f"record/{patient.pk}+{template.pk}",
        }
        return TemplateResponse(request, self.add_record_template, context)

    def _created(self, request: HttpRequest, form: NewRecordForm, patient: Patient) -> MedicalRecord | None:
        """Return the record that is made of the form, or has been; None where the form says why it isn't."""
        user = scope_of(request).user
        try:
            with transactions.atomic():
                key = IdempotencyKey.objects.claim(user.pk, patient.clinic_id, _KEY + form.key, _fingerprint(request))
                if key.status is not None:
                    return MedicalRecord.objects.get(pk=key.headers["record"])
                record = services.create_record(form.template, patient, user, **form.columns())
                _remember(key, record)
                self.log_addition(request, record, [{"added": {}}])
        except Problem:
            self._say_that_it_was_saved(form, user.pk, patient)
        except ChangeRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return record
        return None

    def _say_that_it_was_saved(self, form: NewRecordForm, user_id: int, patient: Patient) -> None:
        """Say that other answers have been saved with this form, as the browser's way back leads to it."""
        key = IdempotencyKey.objects.get(user=user_id, clinic=patient.clinic_id, key=_KEY + form.key)
        said = gettext(
            'This form has been saved with other answers, as <a href="{url}">a record</a>. Change that one. If you save'
            " again, there is a second record."
        )
        form.add_error(None, format_html(said, url=self.object_url("change", key.headers["record"])))
        form.key = form.new_key()

    # A record that is there

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
                return self._saved(request, record, gettext("Nothing was changed."))
            if self._is_changed(request, record, form):
                return self._saved(request, record, form.said_when_saved)
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

    # After it is saved

    def _saved(self, request: HttpRequest, record: MedicalRecord, said: str) -> HttpResponse:
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
    named = ", ".join(labels[:MAX_NAMED]) + (", …" if len(labels) > MAX_NAMED else "")
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


def _fingerprint(request: HttpRequest) -> str:
    """Hash what a form says, so that another form with the same key isn't taken for it; not its buttons, and no token."""
    said = sorted((name, values) for name, values in request.POST.lists() if not name.startswith(("_", "csrf")))
    return hashlib.sha256(repr((request.get_full_path(), said)).encode()).hexdigest()


def _remember(key: IdempotencyKey, record: MedicalRecord) -> None:
    # The location is the API's, by which the key is forgotten with its record.
    key.status = 201
    key.headers = {"Location": reverse("medical_records:record-detail", args=[record.pk]), "record": record.pk}
    key.save(update_fields=["status", "headers"])
