"""The fields of a template, and the values that a record may have for them.

A field is an object {id, label, type, required, placeholder?, description?, options?, order, unit?, min?, max?}. Templates
keep a list of them, records a copy in their snapshot, and `values` by field id. Rows of older systems may hold anything,
so what is read from the database is never trusted to have this shape.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.api.fields import is_number, normalized_uuid, parse_date


class FieldType(models.TextChoices):
    TEXT = "text", _("Short text")
    TEXTAREA = "textarea", _("Long text")
    NUMBER = "number", _("Number")
    DATE = "date", _("Date")
    DROPDOWN = "dropdown", _("One option, from a list")
    RADIO = "radio", _("One option, from buttons")
    CHECKBOX = "checkbox", _("Several options")


def type_label(kind: Any) -> Any:
    """Return what people call a type of field; a type of another system keeps its name."""
    return next((label for value, label in FieldType.choices if value == kind), kind)


#: Types whose value is chosen from `options`.
CHOICE_TYPES = frozenset({FieldType.DROPDOWN, FieldType.RADIO, FieldType.CHECKBOX})
#: What only a field of type number may have: the unit of its answers, the smallest one and the largest one.
NUMBER_MEMBERS = ("unit", "min", "max")

MAX_FIELDS = 200
MAX_OPTIONS = 200
#: Characters of a label or an option.
MAX_LABEL = 255
#: Characters of a placeholder or description.
MAX_HINT = 2000
#: Characters of a unit.
MAX_UNIT = 50
#: Characters of a text answer.
MAX_ANSWER = 20_000
#: The largest number, as an answer or a limit: up to here, every JSON reader keeps whole numbers exactly (RFC 8259,
#: section 6).
MAX_NUMBER = 2**53 - 1

Errors = dict[str, list[str]]


def has_known_shape(field: Any) -> bool:
    """Tell whether `field` has all that a field needs, each of the type that these rules are about.

    What they say is another matter, and so are members that these rules don't know.
    """
    if not isinstance(field, dict) or field.get("type") not in FieldType.values:
        return False
    return all(field.get(name) is not None for name in ("id", "label")) and all(
        field.get(name) is None or fits(field[name]) for name, fits in _SHAPES.items()
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


#: Tells of each member, where it is there, whether it has the type that it needs.
_SHAPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("label", "placeholder", "description", "unit"), _is_text),
    **dict.fromkeys(("min", "max"), is_number),
    "id": lambda value: isinstance(value, str) and bool(value),
    "required": lambda value: isinstance(value, bool),
    "options": lambda value: isinstance(value, list) and all(map(_is_text, value)),
}


def prepared_fields(fields: list[Any], foreign: Collection[Any] = ()) -> list[Any]:
    """Return `fields`, whose shape has been checked, as they are stored: each with an id and an order.

    Those that are equal to one of `foreign`, which another program has made, stay as they are. Raises ValidationError by
    path for repeated ids, blank labels, options that are missing, repeated or needless, units and limits of what isn't a
    number, and limits that no number can keep. Its messages are the API's; who shows them to people goes by their codes.
    """
    prepared = [field if field in foreign else _complete(field, place) for place, field in enumerate(fields)]
    checked = {place: field for place, field in enumerate(prepared) if field not in foreign}
    seen = Counter(normalized_uuid(field["id"]) for field in checked.values())
    errors: dict[str, ValidationError] = {}
    for place, field in checked.items():
        if seen[normalized_uuid(field["id"])] > 1:
            errors[f"fields.{place}.id"] = _rule("repeated-id", "Another field of this template has the same id.")
        for name, error in _field_errors(field):
            errors[f"fields.{place}.{name}"] = error
    if errors:
        raise ValidationError(errors)
    return prepared


def renewed_fields(fields: Any) -> Any:
    """Return stored fields with new ids: what is answered to a copy is an answer to another question."""
    if not isinstance(fields, list):
        return fields
    return [{**field, "id": str(uuid.uuid4())} if isinstance(field, dict) else field for field in fields]


def _complete(field: Mapping[str, Any], position: int) -> dict[str, Any]:
    """Add the id and the order where they are left out; an id keeps the case in which it was sent."""
    return {**field, "id": field.get("id") or str(uuid.uuid4()), "order": field.get("order", position)}


def _rule(code: str, message: str, **params: Any) -> ValidationError:
    return ValidationError(message, code, params)


def _field_errors(field: Mapping[str, Any]) -> Iterator[tuple[str, ValidationError]]:
    if not field["label"].strip():
        yield "label", _rule("blank-label", "A label can't be blank.")
    yield from _options_errors(field)
    yield from _number_errors(field)


def _options_errors(field: Mapping[str, Any]) -> Iterator[tuple[str, ValidationError]]:
    options = field.get("options") or []
    kind = field["type"]
    if kind not in CHOICE_TYPES:
        if options:
            yield "options", _rule("needless-options", "A field of type %(type)s has no options.", type=kind)
    elif not options:
        yield "options", _rule("no-options", "A field of type %(type)s needs options to choose from.", type=kind)
    elif any(not option.strip() for option in options):
        yield "options", _rule("blank-option", "An option can't be blank.")
    elif len(set(options)) < len(options):
        yield "options", _rule("repeated-option", "Each option can be there only once.")


def _number_errors(field: Mapping[str, Any]) -> Iterator[tuple[str, ValidationError]]:
    low, high = field.get("min"), field.get("max")
    kind = field["type"]
    if kind != FieldType.NUMBER:
        for name in NUMBER_MEMBERS:
            if field.get(name) is not None:
                yield (
                    name,
                    _rule(f"needless-{name}", "A field of type %(type)s has no %(member)s.", type=kind, member=name),
                )
    elif low is not None and high is not None and low > high:
        yield "max", _rule("max-below-min", "At least min, which is %(min)s.", min=low)


def unit_of(field: Mapping[str, Any]) -> str:
    """Return the unit of a field's answers; empty if it has none."""
    unit = field.get("unit")
    return unit.strip() if isinstance(unit, str) else ""


def range_text(field: Mapping[str, Any]) -> str:
    """Return which numbers a field takes: "from 30 to 250 mmHg", "at least 0 kg", "in %"; empty if nothing says."""
    low, high, unit = *limits_of(field), unit_of(field)
    if low is None and high is None:
        return gettext("in %(unit)s") % {"unit": unit} if unit else ""
    if low is None or high is None:
        limits = gettext("at most %(max)s") if low is None else gettext("at least %(min)s")
    else:
        limits = gettext("from %(min)s to %(max)s")
    return f"{limits % {'min': low, 'max': high}} {unit}".rstrip()


def limits_of(field: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the smallest and the largest number that a field takes, each None where it has no such limit.

    An older system's limits that no number can keep are none: the field couldn't be answered any more.
    """
    low, high = (value if _is_limit(value) else None for value in (field.get("min"), field.get("max")))
    contradict = low is not None and high is not None and low > high
    return (None, None) if contradict or field.get("type") != FieldType.NUMBER else (low, high)


def _is_limit(value: Any) -> bool:
    return is_number(value) or isinstance(value, Decimal)


def snapshot_fields(snapshot: Any) -> dict[str, dict[str, Any]]:
    """Return the fields of a record's snapshot by their normalized id; what has no id is left out."""
    fields = snapshot.get("fields") if isinstance(snapshot, dict) else None
    if not isinstance(fields, list):
        return {}
    with_id = (field for field in fields if isinstance(field, dict) and isinstance(field.get("id"), str))
    return {normalized_uuid(field["id"]): field for field in with_id}


def checked_values(snapshot: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` by the ids as the snapshot writes them.

    Raises ValidationError, by ``values.<id>``, for answers that don't fit the fields of `snapshot`.
    """
    fields = snapshot_fields(snapshot)
    checked: dict[str, Any] = {}
    errors: Errors = {}
    for key, value in values.items():
        field = fields.get(normalized_uuid(key))
        message = _answer_error(field, value) if field else gettext("This record's template has no such field.")
        if field and field["id"] in checked:
            message = gettext("This field has two answers, whose ids differ in capital letters only.")
        if message:
            errors[f"values.{key}"] = [message]
        elif field:
            checked[field["id"]] = value
    if errors:
        raise ValidationError(errors)
    return checked


def missing_required(snapshot: Any, values: Any) -> list[str]:
    """Return the ids of the required fields that `values` leaves unanswered, in the form's order."""
    return [field["id"] for field in unanswered_fields(snapshot, values)]


def unanswered_fields(snapshot: Any, values: Any) -> list[dict[str, Any]]:
    """Return the required fields that `values` leaves unanswered, in the form's order."""
    answers, fields = answers_by_field(values), snapshot_fields(snapshot).items()
    return [field for key, field in fields if field.get("required") is True and is_blank(answers.get(key))]


def answers_by_field(values: Any) -> dict[str, Any]:
    """Return the answers of a record by the ids of their fields, however these are written; none of what isn't an object."""
    return {normalized_uuid(key): value for key, value in values.items()} if isinstance(values, dict) else {}


def is_answer(field: Mapping[str, Any], value: Any) -> bool:
    """Tell whether `value` is an answer that `field` may have."""
    return _answer_error(field, value) is None


def is_blank(value: Any) -> bool:
    """Tell whether `value` leaves a field unanswered."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _answer_error(field: Mapping[str, Any], value: Any) -> str | None:
    check = _CHECKS.get(str(field.get("type")))
    return check(field, value) if check else gettext("The type of this field is unknown, so that it can't be answered.")


def _text_error(field: Mapping[str, Any], value: Any) -> str | None:
    if not isinstance(value, str):
        return gettext("A text.")
    if len(value) > MAX_ANSWER:
        return gettext("At most %(max)d characters.") % {"max": MAX_ANSWER}
    return None if _is_storable(value) else gettext("It holds a NUL character or half a surrogate pair.")


def _is_storable(text: str) -> bool:
    """Tell whether PostgreSQL's jsonb takes `text`."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _number_error(field: Mapping[str, Any], value: Any) -> str | None:
    if not is_number(value):
        return gettext("A number.")
    # 1e999 is read as infinity, which is beyond it too.
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        return gettext("At most %(max)d, either sign.") % {"max": MAX_NUMBER}
    low, high = limits_of(field)
    is_within = (low is None or low <= value) and (high is None or value <= high)
    return None if is_within else gettext("A number %(range)s.") % {"range": range_text(field)}


def _date_error(field: Mapping[str, Any], value: Any) -> str | None:
    return None if isinstance(value, str) and parse_date(value) else gettext("A date, as YYYY-MM-DD.")


def _choice_error(field: Mapping[str, Any], value: Any) -> str | None:
    return None if isinstance(value, str) and value in _options(field) else gettext("One of the field's options.")


def _checkbox_error(field: Mapping[str, Any], value: Any) -> str | None:
    options = _options(field)
    if not (isinstance(value, list) and all(isinstance(item, str) and item in options for item in value)):
        return gettext("A list of the field's options.")
    return gettext("Each option only once.") if len(set(value)) < len(value) else None


def _options(field: Mapping[str, Any]) -> list[Any]:
    options = field.get("options")
    return options if isinstance(options, list) else []


_CHECKS: dict[str, Callable[[Mapping[str, Any], Any], str | None]] = {
    FieldType.TEXT: _text_error,
    FieldType.TEXTAREA: _text_error,
    FieldType.NUMBER: _number_error,
    FieldType.DATE: _date_error,
    FieldType.DROPDOWN: _choice_error,
    FieldType.RADIO: _choice_error,
    FieldType.CHECKBOX: _checkbox_error,
}
