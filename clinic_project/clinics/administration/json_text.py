"""Any JSON as text for people."""

import json
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext


def as_text(value: Any) -> str:
    """Return any JSON value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(as_text(item) for item in value)
    return as_json(value) if isinstance(value, list | dict) else str(value)


def as_json(value: Any) -> str:
    """Return `value` as indented JSON; a Decimal that no float is equal to, in quotes."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_number)


def as_stored(value: Any) -> Any:
    """Return JSON of the history, whose numbers may be Decimals, as a row of the table has it."""
    return json.loads(as_json(value))


def _number(value: Decimal) -> float | str:
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else str(value)
