"""Errors of DRF, Django and PostgreSQL as problems: DRF's exception handler, and a middleware for what is beside it."""

import http
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, RawPostDataException, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from .database_errors import database_problem
from .problems import CONTENT_TYPE, InvalidInput, NotFound, Problem
from .renderers import JSONRenderer


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: respond to `error` with a problem; None for a bug of ours, which becomes a 500."""
    problem = _as_problem(error)
    if problem is None:
        return None
    set_rollback()
    return Response(problem.body(), status=problem.status_code, headers=problem.headers, content_type=CONTENT_TYPE)


def _as_problem(error: Exception) -> Problem | None:
    match error:
        case Problem():
            problem: Problem | None = error
        case Http404() | exceptions.NotFound() | ObjectDoesNotExist():
            problem = NotFound()
        case DjangoPermissionDenied():
            problem = Problem(403, "forbidden", "Not allowed", "You may not do this.")
        case DjangoValidationError():
            problem = InvalidInput(dict(_django_messages(error)))
        case exceptions.ValidationError():
            problem = InvalidInput(dict(_by_path(error.detail)))
        case exceptions.APIException():
            problem = _from_drf(error)
        case SuspiciousOperation() | MultiPartParserError() | UnreadablePostError() | RawPostDataException():
            problem = _unreadable_body(error)
        case _:
            problem = database_problem(error) if isinstance(error, Error) else None
    return problem


def _unreadable_body(error: Exception) -> Problem:
    # The client has gone, most likely. The second is raised where the check of a session's token met the first before.
    if isinstance(error, UnreadablePostError | RawPostDataException):
        return Problem(400, "body-cut-short", "The body is cut short", "The connection ended before the body did.")
    return Problem(400, "unreadable-body", "The body can't be read", "It is malformed, or has too many parts.")


def _from_drf(error: exceptions.APIException) -> Problem:
    status = http.HTTPStatus(error.status_code)
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return Problem(status, _kind(status.phrase), status.phrase, str(error.detail), headers=headers)


def _django_messages(error: DjangoValidationError) -> Iterator[tuple[str, list[str]]]:
    if not hasattr(error, "error_dict"):
        yield api_settings.NON_FIELD_ERRORS_KEY, list(error.messages)
        return
    for path, messages in error.message_dict.items():
        yield (api_settings.NON_FIELD_ERRORS_KEY if path == NON_FIELD_ERRORS else path), messages


def _by_path(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Flatten DRF's nested details: {"fields": [{}, {"label": [m]}]} gives ("fields.1.label", [m])."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            as_a_whole = path and name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _by_path(inner, path if as_a_whole else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        for position, inner in enumerate(detail):
            yield from _by_path(inner, f"{path}.{position}" if path else str(position))
    elif detail:
        messages = detail if isinstance(detail, list) else [detail]
        yield path or api_settings.NON_FIELD_ERRORS_KEY, [str(message) for message in messages]


def is_for_the_api(request: HttpRequest) -> bool:
    """Whether the request is for `/api` or below, whatever the prefix of a proxy."""
    return f"{request.path_info}/".startswith("/api/")


class ProblemMiddleware:
    """Makes a problem of every error below `/api` that isn't one: of what no view answers, of bugs of ours.

    With DEBUG, too, where Django would respond with a page for people: the traceback is in the log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_problem = response.headers.get("Content-Type") == CONTENT_TYPE
        if response.status_code >= 400 and not is_problem and is_for_the_api(request):
            # Not a response of its own: this one has the headers of the middleware within.
            response.content = JSONRenderer().render(_from_status(response.status_code).body())
            response["Content-Type"], response["Content-Length"] = CONTENT_TYPE, str(len(response.content))
        return response


def _from_status(status: int) -> Problem:
    match status:
        case 400:  # a wrong Host, among others
            return Problem(400, "bad-request", "Bad request", "The request can't be read.")
        case 404:
            return NotFound()
        case 500:
            return Problem(500, "server-error", "Our mistake", "This went wrong. Tell us the request's id.")
    phrase = http.HTTPStatus(status).phrase
    return Problem(status, _kind(phrase), phrase, f"{phrase}.")


def _kind(phrase: str) -> str:
    return phrase.lower().replace(" ", "-").replace("'", "")
