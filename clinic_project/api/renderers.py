"""Writing JSON bodies, and not choosing by `Accept`: there is only JSON."""

from collections.abc import Iterable
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JSONRenderer(BaseRenderer):
    """Writes `orjson.Fragment`s as they are: PostgreSQL's jsonb needn't be read into objects to be sent on."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> str:
    if isinstance(value, Promise):  # a translated message
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


class OnlyJSON(BaseContentNegotiation):
    """Takes the parser for the content type, and the only renderer whatever `Accept` says.

    Negotiation comes before authentication; were it to fail, a caller without credentials would see a 406, not a 401.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type or ""
