"""The answers of a record as a form: each question of a template is an input of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from clinic_project.api.fields import normalized_uuid
from clinic_project.audit.history import differ
from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.models import Appointment, Patient

from ..filled_form import answer_text, fields_in_order, filled_form
from ..template_fields import (
    FieldType,
    answers_by_field,
    checked_values,
    is_answer,
    is_blank,
    snapshot_fields,
    unit_of,
)
from .answer_inputs import Question, input_for
from .appointments import AppointmentField

APPOINTMENT = "appointment"

#: Begins the names of the questions' inputs, which the normalized ids of the questions end.
_ANSWER = "answer-"
#: Begins the names of the inputs that say which of two answers is taken.
_TAKE = "take-"


def name_of(field_id: str) -> str:
    return _ANSWER + normalized_uuid(field_id)


class NumberedInput(BoundField):
    """An input whose id is one in HTML, which the id of a question of another program needn't be."""

    @property
    def auto_id(self) -> str:
        return f"id_input_{[*self.form.fields].index(self.name)}"


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What somebody else has saved of a question since the form was opened: `saved` instead of `before`.

    `is_open`: it was answered in the form as well, so that the person has to choose.
    """

    before: str | None
    saved: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A question on the page. Without an `input`, it can't be answered.

    `stored` is an answer of another program, which the input can't show; it stays until there is another one.
    """

    label: Any
    required: bool = False
    unit: str = ""
    input: BoundField | None = None
    stored: str = ""
    meanwhile: Meanwhile | None = None

    @property
    def is_group(self) -> bool:
        """Whether the input is several, which have their labels each."""
        return self.input is not None and self.input.field.widget.use_fieldset

    @property
    def anchor(self) -> str:
        """The id of the input, or of the first of several."""
        return "" if self.input is None else f"{self.input.auto_id}_0" if self.is_group else self.input.auto_id

    @property
    def take_name(self) -> str:
        return "" if self.input is None else _TAKE + self.input.name


class AnswersForm(forms.Form):
    """The answers to the questions of `snapshot`, and the appointment; `values` are those in the database.

    Answers that aren't changed stay as they are there, whatever that is.
    """

    use_required_attribute = False
    bound_field_class = NumberedInput

    def __init__(
        self,
        snapshot: Any,
        values: Any,
        data: Any = None,
        *,
        patient: Patient,
        appointment: Appointment | None = None,
    ) -> None:
        super().__init__(data)
        self.snapshot = snapshot
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        self._asked = snapshot if isinstance(snapshot, dict) else {}
        self.questions: dict[str, Question] = {
            name_of(key): field
            for key, field in snapshot_fields(snapshot).items()
            if field.get("type") in FieldType.values
        }
        self.meanwhile: dict[str, Meanwhile] = {}
        self._stored = self._by_name(self.values, appointment.pk if appointment else None)
        for name, question in self.questions.items():
            self.fields[name] = input_for(question, self._stored[name])
        choice = AppointmentField(patient, appointment)
        if choice.is_offered:
            self.fields[APPOINTMENT] = choice
        self.initial = self._shown(self._stored)
        self._take_what_is_chosen()

    def _by_name(self, values: Any, appointment_id: int | None) -> dict[str, Any]:
        """Return what is stored, by the names of the inputs."""
        stored = answers_by_field(values)
        answers = {name: stored.get(name.removeprefix(_ANSWER)) for name in self.questions}
        return {**answers, APPOINTMENT: str(appointment_id or "")}

    def _shown(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the inputs show of that: not what they don't take."""
        fits = {name: is_answer(question, stored[name]) for name, question in self.questions.items()}
        return {name: value if fits.get(name, True) else None for name, value in stored.items()}

    # What somebody else has saved meanwhile

    def merge(self, base: Mapping[str, Any] | None) -> None:
        """Put what was typed beside what is in the database now; `base` is the row as it was when the form was opened.

        What somebody else alone has changed is taken over. Without `base`, that isn't known of anything.
        """
        before = None if base is None else self._by_name(base.get("values"), base.get("appointment_id"))
        for name in self._chosen_names():
            if self._is_typed_anew(name, self._stored) and (before is None or differ(before[name], self._stored[name])):
                is_open = before is None or self._is_typed_anew(name, before)
                if not is_open:
                    self._put(name, self.initial[name])
                was = None if before is None else self._text(name, before[name])
                self.meanwhile[name] = Meanwhile(was, self._text(name, self._stored[name]), is_open)

    def _is_typed_anew(self, name: str, stored: Mapping[str, Any]) -> bool:
        return self.fields[name].has_changed(self._shown(stored)[name], self[name].data)

    def _chosen_names(self) -> list[str]:
        return [name for name in (*self.questions, APPOINTMENT) if name in self.fields]

    def _text(self, name: str, value: Any) -> str:
        field = self.fields[name]
        return field.text_of(value) if isinstance(field, AppointmentField) else answer_text(self.questions[name], value)

    def _take_what_is_chosen(self) -> None:
        for name in self._chosen_names() if self.is_bound else ():
            if self.data.get(_TAKE + name) == "saved":
                self._put(name, self.initial[name])

    def _put(self, name: str, value: Any) -> None:
        """Let the form be as if `value` had been typed."""
        shown = self.fields[name].prepare_value(value)
        texts = shown if isinstance(shown, list) else [] if shown is None else [str(shown)]
        self.data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        self.data.setlist(name, texts)  # type: ignore[attr-defined]

    # What was typed

    def clean(self) -> dict[str, Any]:
        try:
            checked_values(self.snapshot, self.answers())
        except ValidationError as error:
            for path, messages in error.message_dict.items():
                self.add_error(name_of(path.removeprefix("values.")), messages)
        return self.cleaned_data

    def answers(self) -> dict[str, Any]:
        """Return the answers that were typed anew and can be read, by the ids of their questions."""
        typed = {name: self.cleaned_data[name] for name in self._changed_names() if name in self.cleaned_data}
        return {self.questions[name]["id"]: value for name, value in typed.items() if not is_blank(value)}

    def kept(self) -> list[str]:
        """Return the keys of the stored answers that stay, among them those of no question."""
        replaced = set(self._changed_names())
        return [key for key in self.values if name_of(key) not in replaced]

    def columns(self) -> dict[str, Any]:
        """Return what is to be saved, as the services take it, but for the answers that are kept."""
        given = {"values": self.answers()}
        return given | ({"appointment_id": self.cleaned_data[APPOINTMENT]} if APPOINTMENT in self.changed_data else {})

    def _changed_names(self) -> list[str]:
        return [name for name in self.changed_data if name in self.questions]

    # What the page shows

    @property
    def rows(self) -> Iterator[Row]:
        """The questions in their order, those too that another program has made and that can't be answered."""
        names = {id(question): name for name, question in self.questions.items()}
        others = answers_by_field(self.values)
        for field in fields_in_order(self._asked.get("fields")):
            name = names.get(id(field))
            if name is None:
                value = others.get(normalized_uuid(as_text(field.get("id"))))
                yield Row(as_text(field.get("label")) or _("(no label)"), stored=answer_text(field, value))
            else:
                is_shown = self.initial[name] is not None
                yield self._row(name, "" if is_shown else answer_text(field, self._stored[name]))
        if APPOINTMENT in self.fields:
            yield self._row(APPOINTMENT)

    def _row(self, name: str, stored: str = "") -> Row:
        question, bound = self.questions.get(name, {}), self[name]
        return Row(
            label=bound.label,
            required=question.get("required") is True,
            unit=unit_of(question),
            input=bound,
            stored=stored,
            meanwhile=self.meanwhile.get(name),
        )

    @property
    def has_required(self) -> bool:
        return any(question.get("required") is True for question in self.questions.values())

    @property
    def rows_with_errors(self) -> list[Row]:
        return [row for row in self.rows if row.input is not None and row.input.errors]

    @property
    def rest(self) -> str:
        """The stored answers that belong to no question, as text."""
        return filled_form(self.snapshot, self.values).rest

    @property
    def description(self) -> str:
        return as_text(self._asked.get("description"))


def can_be_filled_in(snapshot: Any, values: Any) -> bool:
    """Tell whether a record can be shown as this form: those of other programs may hold anything."""
    return isinstance(snapshot, dict) and isinstance(snapshot.get("fields"), list) and isinstance(values, dict)


def typed_elsewhere(form: AnswersForm) -> Sequence[tuple[str, list[str]]]:
    """Return what was typed for questions that the form doesn't have, by the names of their inputs."""
    lists = form.data.lists() if form.is_bound else ()  # type: ignore[attr-defined]
    typed = [(name, texts) for name, texts in lists if name.startswith(_ANSWER) and name not in form.fields]
    return [(name, texts) for name, texts in typed if any(text.strip() for text in texts)]
