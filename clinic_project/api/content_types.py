"""Requests whose Content-Type can't be read are refused by a view, not by the server with a 500 before any view is asked."""

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest


class _AnyContentType:
    """Takes a Content-Type for none where Django raises for it, as for a parameter in an unknown charset."""

    content_type: str | None
    content_params: dict[str, str] | None

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # Django's, of the other base
        except ValueError:
            # Parsers of bodies read the header again.
            meta["CONTENT_TYPE"] = ""
            self.content_type, self.content_params = "", {}


class AnyContentTypeWSGIRequest(_AnyContentType, WSGIRequest):
    pass


class AnyContentTypeASGIRequest(_AnyContentType, ASGIRequest):
    pass
