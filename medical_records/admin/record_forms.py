"""The forms of a record: a new one, and one that is changed."""

import uuid
from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.models import Patient

from ..models import MedicalRecord, MedicalRecordTemplate
from ..signing import MAX_REASON
from .answers import AnswersForm, Row, typed_elsewhere
from .stored_questions import StoredQuestions


class NewRecordForm(AnswersForm):
    """A template that is filled in. `key` is the form's own, so that it isn't saved twice."""

    def __init__(self, template: MedicalRecordTemplate, patient: Patient, data: Any = None) -> None:
        super().__init__(template.snapshot, {}, data, patient=patient)
        self.template, self.version = template, template.version
        self.key = _uuid_of(self.data.get("key", "")) or self.new_key()
        self.is_outdated = self.is_bound and self.data.get("version") != str(template.version)

    @staticmethod
    def new_key() -> str:
        return str(uuid.uuid4())

    @property
    def leftovers(self) -> list[tuple[str, str, list[str]]]:
        """What was typed for questions that the template doesn't have any more: input, question and texts."""
        typed = typed_elsewhere(self)
        if not typed:
            return []
        known = StoredQuestions(self.template)
        return [(name, _label_in(known, name.partition("-")[2]), texts) for name, texts in typed]


def _uuid_of(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def _label_in(known: StoredQuestions, reference: str) -> str:
    if reference not in known:
        return gettext("A question that was removed")
    question = known[reference]
    return as_text(question.get("label") if isinstance(question, dict) else question)


class RecordForm(AnswersForm):
    """A record that is changed; what is signed, with a `reason`."""

    def __init__(self, record: MedicalRecord, data: Any = None) -> None:
        super().__init__(
            record.template_snapshot,
            record.values,
            data,
            patient=record.patient,
            appointment=record.appointment,
        )
        self.version = record.version
        if record.signed_at is not None:
            self.fields["reason"] = forms.CharField(
                max_length=MAX_REASON,
                widget=forms.Textarea(attrs={"rows": 2}),
                label=gettext_lazy("Why it is changed"),
                help_text=gettext_lazy(
                    "The signed version stays in the history. This makes a new one, which isn't signed."
                ),
            )

    @property
    def rows(self) -> Iterator[Row]:
        if "reason" in self.fields:
            yield Row(self["reason"].label, required=True, input=self["reason"])
        yield from super().rows

    @property
    def has_changes(self) -> bool:
        return bool({*self.changed_data} - {"reason"})

    @property
    def said_when_saved(self) -> str:
        if "reason" in self.fields:
            return gettext("Saved as a new version, which isn't signed.")
        return gettext("Saved.")

    def change(self) -> dict[str, Any]:
        """Return what the service takes. Answers of which none has changed aren't written anew."""
        given = {**self.columns(), "kept": self.kept(), "amendment_reason": self.cleaned_data.get("reason")}
        if self.questions.keys().isdisjoint(self.changed_data):
            del given["values"]
        return given
