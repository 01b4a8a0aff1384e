"""An id for every request: in the response's `X-Request-ID`, in problems, in each line of the log."""

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"

_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")


def current_request_id() -> str:
    """Return the id of the request at hand, "-" outside of any."""
    return _request_id.get()


class RequestIdMiddleware:
    """Takes over a proxy's `X-Request-ID` where it is a plain id, else makes one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        named = request.headers.get(HEADER, "")
        token = _request_id.set(named if _ACCEPTABLE.fullmatch(named) else str(uuid.uuid4()))
        try:
            response = self.get_response(request)
            response[HEADER] = current_request_id()
        finally:
            _request_id.reset(token)
        return response
