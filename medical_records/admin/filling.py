"""Filling in a record in the admin: pages that ask for a patient and a template, and one whose form is the template's."""

import hashlib
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext

from clinic_project.api.models import IdempotencyKey
from clinic_project.api.problems import Problem
from clinic_project.audit import transactions
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.models import Patient

from .. import services
from ..exceptions import ChangeRefused
from ..models import MedicalRecord, MedicalRecordTemplate
from .access_log import note_shown
from .changing_answers import ChangingAnswersMixin
from .choosing import Choice
from .record_forms import NewRecordForm

#: Begins the keys of forms. The API takes no key with an end of line, so that none of its clients has one of these.
_KEY = "admin\n"


class FillingMixin(ChangingAnswersMixin):
    """For records: who has a role in the clinic fills them in."""

    choose_template = "admin/medical_records/choose.html"
    add_record_template = "admin/medical_records/add_record.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_role(request, None)

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
        context = self._add_context(request)
        context |= {"choice": choice, "asks_for_patient": asks_for_patient, "found": found}
        return TemplateResponse(request, self.choose_template, context)

    def _add_context(self, request: HttpRequest) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "title": gettext("Add medical record"),
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
                return self.response_saved(request, record, gettext("Saved."))
        elif form.is_outdated:
            changed = gettext("The template has been changed meanwhile. Read its questions again before you save.")
            form.add_error(None, changed)
        context = {
            **self._add_context(request),
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


def _fingerprint(request: HttpRequest) -> str:
    """Hash what a form says, so that another form with the same key isn't taken for it; not its buttons, and no token."""
    said = sorted((name, values) for name, values in request.POST.lists() if not name.startswith(("_", "csrf")))
    return hashlib.sha256(repr((request.get_full_path(), said)).encode()).hexdigest()


def _remember(key: IdempotencyKey, record: MedicalRecord) -> None:
    # The location is the API's, by which the key is forgotten with its record.
    key.status = 201
    key.headers = {"Location": reverse("medical_records:record-detail", args=[record.pk]), "record": record.pk}
    key.save(update_fields=["status", "headers"])
