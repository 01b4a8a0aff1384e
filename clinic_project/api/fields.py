"""DRF's serializer fields, strict about the JSON type of their input.

DRF's own take "5" for 5, 5 for "5" and "yes" for true, so that what is read back isn't what was sent.
"""

import datetime
import re
from typing import Any

from django.db import models
from rest_framework import serializers

from .converters import MAX_ID, parse_row_id

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_date(text: str) -> datetime.date | None:
    """Return the date that `text` is as YYYY-MM-DD; None for anything else, such as the week date 2026-W10-1."""
    try:
        return datetime.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def normalized_uuid(text: str) -> str:
    """Return a UUID in small letters, since two that differ in case are equal; any other text as it is."""
    return text.lower() if _UUID.fullmatch(text) else text


def is_number(data: Any) -> bool:
    """Tell whether `data` is a JSON number: true and false are none, though Python counts with them."""
    return isinstance(data, int | float) and not isinstance(data, bool)


def whole_number(data: Any) -> int | None:
    """Return the whole number that a JSON number is, 3.0 as well as 3; None for anything else."""
    return int(data) if is_number(data) and data == data // 1 else None


class StrictCharField(serializers.CharField):
    """A string, kept as it is, with at least one character that isn't blank unless `allow_blank`."""

    default_error_messages = {"not_text": "A text."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        if not self.allow_blank and not data.strip():
            self.fail("blank")
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A whole number that PostgreSQL's integer can hold, negative or not."""

    default_error_messages = {"not_whole": "A whole number."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": -MAX_ID, "max_value": MAX_ID, **options})

    def to_internal_value(self, data: Any) -> int:
        whole = whole_number(data)
        if whole is None:
            self.fail("not_whole")
        return whole


class StrictNumberField(serializers.FloatField):
    """A number from `min_value` to `max_value`, kept as it was sent: 5 stays 5, and 5.0 stays 5.0."""

    default_error_messages = {"not_a_number": "A number."}

    def to_internal_value(self, data: Any) -> float:
        if not is_number(data):
            self.fail("not_a_number")
        number: float = data
        return number


class RowIdField(StrictIntegerField):
    """The id of a row, or its version: a whole number from 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 1, **options})


class FormRowIdField(RowIdField):
    """The id of a row in a form, where every value is a text: its digits."""

    def to_internal_value(self, data: Any) -> int:
        row_id = parse_row_id(data) if isinstance(data, str) else None
        if row_id is None:
            self.fail("not_whole")
        return row_id


class StrictBooleanField(serializers.BooleanField):
    """true or false."""

    default_error_messages = {"not_a_flag": "true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("not_a_flag")
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of the strings of a TextChoices."""

    def __init__(self, choices: type[models.TextChoices], **options: Any) -> None:
        super().__init__(choices=choices.choices, **options)
        self.error_messages["invalid_choice"] = f"One of {', '.join(choices.values)}."

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice")
        return str(super().to_internal_value(data))


class StrictUUIDField(serializers.UUIDField):
    """A UUID as text with hyphens, kept in the case in which it was sent."""

    default_error_messages = {"invalid": "A UUID, such as 0b3c2f3e-9d6a-4f0e-8a53-1c2d3e4f5a6b."}

    def to_internal_value(self, data: Any) -> Any:
        if not (isinstance(data, str) and _UUID.fullmatch(data)):
            self.fail("invalid")
        return data
