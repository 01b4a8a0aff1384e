"""The inputs of a form's questions, one for each type. What they take is checked by `template_fields`."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.utils.text import capfirst, normalize_newlines
from django.utils.translation import gettext_lazy as _

from clinic_project.clinics.administration.json_text import as_text

from ..template_fields import FieldType, range_text
from .inputs import LinesField, NumberField, TextField

#: Shown for a question that has no answer, and chosen to take one back.
NOT_ANSWERED = _("Not answered")

Question = Mapping[str, Any]


class DateField(forms.CharField):
    """A date as YYYY-MM-DD, which is what a browser sends however it shows it."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"max": "9999-12-31", "autocomplete": "off"})
        widget.input_type = "date"
        super().__init__(**{"widget": widget, "required": False, **options})


class OptionsMixin(forms.ChoiceField):
    """Options of a question. Browsers send other ends of lines than those that an option may have in the database."""

    def __init__(self, *, options: list[str], **arguments: Any) -> None:
        self.by_text = {normalize_newlines(option): option for option in options}
        super().__init__(**{"required": False, "choices": [*self.by_text.items()], **arguments})


class OptionField(OptionsMixin):
    """One option, or none."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.choices = [("", NOT_ANSWERED), *self.by_text.items()]

    def prepare_value(self, value: Any) -> Any:
        return normalize_newlines(value) if isinstance(value, str) else value

    def clean(self, value: Any) -> str | None:
        return self.by_text.get(super().clean(normalize_newlines(value or "")))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), normalize_newlines(data or ""))


class SeveralOptionsField(OptionsMixin, forms.MultipleChoiceField):
    """Any number of options, in the order in which they are offered."""

    widget = forms.CheckboxSelectMultiple

    def prepare_value(self, value: Any) -> Any:
        return [normalize_newlines(option) for option in value] if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        chosen = super().clean(self.prepare_value(value))
        return [option for text, option in self.by_text.items() if text in chosen]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), self.prepare_value(data))


def input_for(question: Question, stored: Any) -> forms.Field:
    """Return the input of a question whose type is known; `stored` is its answer in the database, or None."""
    field = _INPUTS[question["type"]](question, stored)
    field.label = as_text(question.get("label")) or _("(no label)")
    hints = (as_text(question.get("description")), capfirst(range_text(question)))
    field.help_text = "\n".join(filter(None, hints))
    if placeholder := as_text(question.get("placeholder")):
        field.widget.attrs["placeholder"] = placeholder
    return field


def _text(question: Question, stored: Any) -> forms.Field:
    # An input of one line would drop the ends of lines that another program has put there.
    return LinesField() if isinstance(stored, str) and len(stored.splitlines()) > 1 else TextField()


def _options(question: Question) -> list[str]:
    """Return what can be chosen; another program's options may be anything."""
    options = question.get("options")
    return [option for option in options if isinstance(option, str) and option] if isinstance(options, list) else []


_INPUTS: dict[str, Callable[[Question, Any], forms.Field]] = {
    FieldType.TEXT: _text,
    FieldType.TEXTAREA: lambda question, stored: LinesField(rows=4),
    FieldType.NUMBER: lambda question, stored: NumberField(),
    FieldType.DATE: lambda question, stored: DateField(),
    FieldType.DROPDOWN: lambda question, stored: OptionField(options=_options(question)),
    FieldType.RADIO: lambda question, stored: OptionField(options=_options(question), widget=forms.RadioSelect),
    FieldType.CHECKBOX: lambda question, stored: SeveralOptionsField(options=_options(question)),
}
