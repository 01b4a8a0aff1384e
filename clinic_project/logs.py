"""The log: lines in JSON, with the id of the request that they belong to, and without patients' data.

The messages of exceptions are left out: PostgreSQL's quote whole rows, others the value that they refuse. Type, SQLSTATE
and the places in the code are enough to find the cause.
"""

import json
import logging
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse

from clinic_project.api.request_ids import current_request_id
from clinic_project.reconciliation.sqlstates import sqlstate

requests = logging.getLogger("clinic_project.requests")


class JSONFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, request_id, and `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "request_id": current_request_id(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = _described(record.exc_info[1], record.exc_info[2])
        return json.dumps(line)


def _message(record: logging.LogRecord) -> str:
    """Return the message of `record`, in which the request's path, which has ids in it, is replaced by its route."""
    message = record.getMessage()
    request = getattr(record, "request", None)
    if not isinstance(request, HttpRequest):
        return message
    # As Django writes it into its log.
    path = request.path.encode("unicode_escape").decode("ascii")
    return message.replace(path, _route(request) or "no route")


def _route(request: HttpRequest) -> str:
    return request.resolver_match.route if request.resolver_match else ""


def _described(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    frames = traceback.extract_tb(trace)
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "sqlstate": sqlstate(error) if isinstance(error, Error) else None,
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


class RequestLogMiddleware:
    """Logs each request by its route, which has no ids in it, and without its query string."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        fields = {
            "method": request.method,
            "route": _route(request),
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
        }
        requests.info("request", extra={"fields": fields})
        return response
