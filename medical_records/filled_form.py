"""A record as the form that its snapshot describes, filled in, for reading.

Records of another program may hold anything in their JSON: what isn't a form is shown as it is, and nothing raises.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.translation import gettext

from clinic_project.clinics.administration.json_text import as_json, as_text

from .template_fields import CHOICE_TYPES, FieldType, range_text, unanswered_fields, unit_of


@dataclass(frozen=True, slots=True)
class Option:
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A field and its value: as `text`, or as `options` where the field has them. `range` is which numbers it takes.

    `is_blank`: it is shown as it will be asked, so that no answer is missing.
    """

    label: str
    type: str
    required: bool = False
    hint: str = ""
    range: str = ""
    placeholder: str = ""
    text: str = ""
    options: list[Option] = dataclass_field(default_factory=list)
    is_blank: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.text and not any(option.is_chosen for option in self.options)

    @property
    def is_unanswered(self) -> bool:
        """Whether the page has to say that there is no answer: that no box is ticked can be seen."""
        return self.is_empty and self.type != FieldType.CHECKBOX and not self.is_blank

    @property
    def is_missing(self) -> bool:
        return self.required and self.is_empty and not self.is_blank


@dataclass(frozen=True, slots=True)
class FilledForm:
    """`rest` is the values that belong to no field, as indented JSON; empty if there are none."""

    name: str
    description: str
    answers: list[Answer]
    rest: str


def filled_form(snapshot: Any, values: Any) -> FilledForm:
    """Return the form of `snapshot` with `values` filled in."""
    snapshot = snapshot if isinstance(snapshot, dict) else {"fields": snapshot}
    by_id = values if isinstance(values, dict) else {}
    fields = fields_in_order(snapshot.get("fields"))
    answers = [_answer(field, by_id.get(str(field.get("id")))) for field in fields]
    return FilledForm(
        name=as_text(snapshot.get("name")),
        description=as_text(snapshot.get("description")),
        answers=answers,
        rest=_rest(values, {str(field.get("id")) for field in fields}),
    )


def blank_form(name: str, description: str, fields: Sequence[Any]) -> FilledForm:
    """Return the form of `fields`, which are in its order, before anything is filled in."""
    answers = [replace(_answer(field, None), is_blank=True) for field in fields if isinstance(field, dict)]
    return FilledForm(name, description, answers, rest="")


def unanswered_labels(snapshot: Any, values: Any) -> list[str]:
    """Return the labels of the required fields that have no answer, in the form's order."""
    return [as_text(field.get("label")) for field in unanswered_fields(snapshot, values)]


def fields_in_order(fields: Any) -> list[dict[str, Any]]:
    """Return the fields of a template or a snapshot, in the order of the form; what isn't one is left out."""
    return [field for field in entries_in_order(fields) if isinstance(field, dict)]


def entries_in_order(fields: Any) -> list[Any]:
    """Return what a template or a snapshot has as its fields, in the order of the form, whatever each of them is."""
    return sorted(fields, key=_order) if isinstance(fields, list) else []


def _order(entry: Any) -> float | Decimal:
    order = entry.get("order") if isinstance(entry, dict) else None
    return order if isinstance(order, int | float | Decimal) else float("inf")


def _answer(field: dict[str, Any], value: Any) -> Answer:
    field_type = as_text(field.get("type"))
    options = list(_options(field.get("options"), value)) if field_type in CHOICE_TYPES else []
    return Answer(
        label=as_text(field.get("label")) or gettext("(no label)"),
        type=field_type,
        required=field.get("required") is True,
        hint=as_text(field.get("description")),
        range=range_text(field),
        placeholder=as_text(field.get("placeholder")),
        text="" if options else answer_text(field, value),
        options=options,
    )


def _options(options: Any, value: Any) -> Iterator[Option]:
    """Yield the options, and then the chosen values that aren't among them."""
    offered = [as_text(option) for option in options] if isinstance(options, list) else []
    chosen = [as_text(item) for item in (value if isinstance(value, list) else [value]) if item not in (None, "")]
    yield from (Option(option, option in chosen) for option in offered)
    yield from (Option(answer, is_chosen=True) for answer in chosen if answer not in offered)


def answer_text(field: Mapping[str, Any], value: Any) -> str:
    """Return an answer to a field as a person reads it, with its unit."""
    if field.get("type") == FieldType.DATE and isinstance(value, str):
        try:
            day = parse_date(value)
        except ValueError:
            day = None
        return date_format(day) if day else value
    text, unit = as_text(value), unit_of(field)
    return f"{text} {unit}" if text and unit else text


def _rest(values: Any, field_ids: set[str]) -> str:
    if isinstance(values, dict):
        values = {key: value for key, value in values.items() if key not in field_ids}
    return as_json(values) if values else ""
