"""Finding what people type, however they type it."""

import unicodedata
from collections.abc import Callable
from typing import Any

from django.db.models import Func, Q, TextField, Value
from django.db.models.functions import Collate, Upper


def text_contains(field_name: str, text: str) -> Q:
    """Match a part of a text; upper and lower case are the same, and so are both ways to write an accent in Unicode."""
    return _in_either_form(f"{field_name}__icontains", text, Value)


def key_begins(key_name: str, text: str) -> Q:
    """Match how a `caseless_key` begins, as `text_contains` matches a part."""
    return _in_either_form(f"{key_name}__startswith", text, lambda form: Upper(Value(form)))


def _in_either_form(lookup: str, text: str, operand: Callable[[str], Any]) -> Q:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    found = Q(**{lookup: operand(composed)})
    return found if composed == decomposed else found | Q(**{lookup: operand(decomposed)})


def caseless_key(field_name: str) -> Collate:
    """A text in capitals, as an index keeps it that finds and orders beginnings: LIKE uses one in the collation C.

    https://www.postgresql.org/docs/current/indexes-types.html#INDEXES-TYPES-BTREE
    """
    return Collate(Upper(field_name), "C")


def digits_key(field_name: str) -> Collate:
    """The digits in a column, as an index keeps them that finds how they begin."""
    return Collate(Digits(field_name), "C")


def digits_of(text: str) -> str | None:
    """Return the digits of what may be a part of a phone number; None for what has a letter, or no digit."""
    if any(character.isalpha() for character in text):
        return None
    return "".join(str(unicodedata.digit(character)) for character in text if character.isdecimal()) or None


class Digits(Func):
    """The digits in a column, without what is between them."""

    # Without parameters, so that PostgreSQL knows an index on it again.
    template = "REGEXP_REPLACE(%(expressions)s, '[^0-9]', '', 'g')"
    output_field = TextField()
