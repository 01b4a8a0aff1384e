"""Finding what people type, however they type it."""

import unicodedata

from django.db.models import F, Func, Q, TextField, Value


def text_contains(field_name: str, text: str) -> Q:
    """Match a part of a text; upper and lower case are the same, and so are both ways to write an accent in Unicode."""
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    found = Q(**{f"{field_name}__icontains": composed})
    return found if composed == decomposed else found | Q(**{f"{field_name}__icontains": decomposed})


def digits_of(text: str) -> str | None:
    """Return the digits of what may be a part of a phone number; None for what has a letter, or no digit."""
    if any(character.isalpha() for character in text):
        return None
    return "".join(str(unicodedata.digit(character)) for character in text if character.isdecimal()) or None


class Digits(Func):
    """The digits in a column, without what is between them."""

    function = "REGEXP_REPLACE"
    output_field = TextField()

    def __init__(self, field_name: str) -> None:
        super().__init__(F(field_name), Value("[^0-9]"), Value(""), Value("g"))
