"""The inputs of a question that Django has no field for."""

import re
import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import normalize_newlines
from django.utils.translation import gettext_lazy as _

from ..template_fields import CHOICE_TYPES, MAX_LABEL, MAX_NUMBER, MAX_OPTIONS, NUMBER_MEMBERS, FieldType

_NUMBER = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})(e[+-]?\d{1,3})?", re.ASCII)


#: The style sheet tells by `placeholder` that an input is empty. A browser that fills in by itself doesn't know which
#: question it was that has moved.
ATTRS = {"placeholder": " ", "autocomplete": "off"}


class TextField(forms.CharField):
    """A text of one line, kept as it was typed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"widget": forms.TextInput(attrs=ATTRS), "required": False, "strip": False, **options})


class LinesField(forms.CharField):
    """A text of several lines, whose ends are those that the API's clients write: browsers send others."""

    def __init__(self, *, rows: int = 2, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows, **ATTRS})
        super().__init__(**{"widget": widget, "required": False, "strip": False, **options})

    def prepare_value(self, value: Any) -> Any:
        return normalize_newlines(value) if isinstance(value, str) else value

    def to_python(self, value: Any) -> Any:
        return self.prepare_value(super().to_python(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class OptionsField(LinesField):
    """Options, one a line; blank lines are none. They are compared as they are shown: what has spaces around it in the
    database stays as it is there.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"rows": 4, **options})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else super().prepare_value(value)

    def clean(self, value: Any) -> list[str]:
        options = _lines(super().clean(value))
        if len(options) > MAX_OPTIONS:
            raise ValidationError(_("At most %(max)d options."), params={"max": MAX_OPTIONS})
        for option in options:
            if len(option) > MAX_LABEL:
                params = {"option": option[:30], "max": MAX_LABEL}
                raise ValidationError(_("“%(option)s…” has more than %(max)d characters."), params=params)
        return options

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _lines(self.prepare_value(initial)) != _lines(self.to_python(data))


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").split("\n") if line.strip()]


class NumberField(forms.CharField):
    """A number as JSON has it: 5 is 5, and 5.0 is 5.0. What is no number is shown again, to be corrected."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", **ATTRS})
        super().__init__(**{"widget": widget, "required": False, "empty_value": None, **options})

    def to_python(self, value: Any) -> Any:
        text = super().to_python(None if value is None else str(value))
        if text is None:
            return None
        # Chinese keyboards have wide digits.
        text = unicodedata.normalize("NFKC", text)
        if not _NUMBER.fullmatch(text):
            raise ValidationError(_("A number, such as 30 or 36.5."))
        return int(text) if text.lstrip("+-").isdigit() else float(text)

    def validate(self, value: Any) -> None:
        if value is not None and abs(value) > MAX_NUMBER:
            raise ValidationError(_("At most %(max)d, either sign."), params={"max": MAX_NUMBER})

    def run_validators(self, value: Any) -> None:
        """Django's are those of texts."""


class TypeSelect(forms.Select):
    """The types of questions, each with the inputs that it needs, so that the style sheet hides the others."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        option["attrs"]["data-takes"] = " ".join(_inputs_for(str(value)))
        return option


def _inputs_for(field_type: str) -> list[str]:
    """Return the inputs that make sense for some types only, and do for that one."""
    if field_type in CHOICE_TYPES:
        return ["options"]
    if field_type == FieldType.NUMBER:
        return ["placeholder", *NUMBER_MEMBERS]
    return [] if field_type == FieldType.DATE else ["placeholder"]


class TypeField(forms.ChoiceField):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"choices": FieldType.choices, "widget": TypeSelect(attrs={"autocomplete": "off"}), **options}
        )
