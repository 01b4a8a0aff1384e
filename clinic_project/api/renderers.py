"""Writing JSON bodies."""

from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer


class JSONRenderer(BaseRenderer):
    """Writes an `orjson.Fragment` as it is, so that PostgreSQL's jsonb is sent on without being parsed."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        return as_json(data)


def as_json(data: Any) -> bytes:
    """Write `data` as JSON, each Decimal as the number that it is."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> str | orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    if isinstance(value, Promise):  # a translated message
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
