"""Requests as servers give them: those that can't be read are refused by a view.

Django raises for some Content-Types before any view is asked, which is a 500. And it takes a body for whole that ends before
its Content-Length: a form may then lack its last fields, and nobody knows.
"""

from typing import IO, Any

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


class ReadableWSGIRequest(_AnyContentType, WSGIRequest):
    def __init__(self, environ: dict[str, Any]) -> None:
        environ["wsgi.input"] = WholeBody(environ["wsgi.input"])
        super().__init__(environ)


class ReadableASGIRequest(_AnyContentType, ASGIRequest):
    """Django itself aborts a request whose body is cut short: the server tells it that the client has gone."""


class WholeBody:
    """A body of which Django reads as much as the Content-Length says, and no more.

    Raises OSError where there is less, which Django passes on as UnreadablePostError.
    """

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body

    def read(self, size: int) -> bytes:
        return self._whole(self._body.read(size), size)

    def readline(self, size: int) -> bytes:
        line = self._body.readline(size)
        return line if line.endswith(b"\n") else self._whole(line, size)

    def _whole(self, data: bytes, size: int) -> bytes:
        # A server's stream returns less than it is asked for only at its end (PEP 3333).
        if len(data) < size:
            raise ConnectionAbortedError("the body ends before its Content-Length")
        return data
