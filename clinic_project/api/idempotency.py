"""`Idempotency-Key`: a request that is sent again gets the first response, and does nothing twice.

The key is claimed in the transaction that does the work. A second request with the same key waits in its INSERT for
the first to end, as long as a change waits for a lock. If that was committed, its response is replayed; if it failed,
nothing was kept, and the second does the work.
"""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Protocol, TypeVar, cast

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.db import models
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.audit.transactions import atomic

from .models import IdempotencyKey
from .problems import InvalidInput
from .renderers import JSONRenderer

HEADER = "Idempotency-Key"
MAX_KEY = 255
#: Headers of a response that are kept with it.
_KEPT_HEADERS = ("ETag", "Location")


class ClinicView(Protocol):
    """A view of what belongs to one clinic: keys are each clinic's own."""

    @property
    def clinic(self) -> models.Model: ...

    def note_shown(self, body: Any) -> None:
        """Note for the access log that the body of an earlier response is shown again."""


View = TypeVar("View", bound=ClinicView)
Handler = Callable[Concatenate[View, Request, ...], Response]


def idempotent(handler: Handler[View]) -> Handler[View]:
    """Let a view's method, which creates something, honour the key. With a key, it runs in a transaction."""

    @wraps(handler)
    def handle_once(view: View, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *args, **kwargs)
        _check_key(key)
        with atomic():
            user_id = cast("int", request.user.pk)  # a view of a clinic requires a login
            row = IdempotencyKey.objects.claim(user_id, view.clinic.pk, key, _fingerprint(request))
            if row.status is not None:
                return _replayed(view, row)
            response = handler(view, request, *args, **kwargs)
            _remember(row, response)
        return response

    handle_once.is_idempotent = True  # type: ignore[attr-defined]
    return handle_once


def is_idempotent(handler: Callable[..., Any]) -> bool:
    """Whether a view's method was decorated with `idempotent`."""
    return getattr(handler, "is_idempotent", False)


def _check_key(key: str) -> None:
    if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput({HEADER: [f"1 to {MAX_KEY} printable ASCII characters."]})


def _replayed(view: ClinicView, row: IdempotencyKey) -> Response:
    body = bytes(row.answer or b"null")
    view.note_shown(orjson.loads(body))
    headers = {**row.headers, "Idempotent-Replayed": "true"}
    return Response(orjson.Fragment(body), status=row.status, headers=headers)


def _remember(row: IdempotencyKey, response: Response) -> None:
    row.status = response.status_code
    row.headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
    row.answer = JSONRenderer().render(response.data)
    row.save(update_fields=["status", "headers", "answer"])


def _fingerprint(request: Request) -> str:
    """Hash method, path, and the values and files of the body: requests that have them in common are the same."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    data = request.data
    if not hasattr(data, "lists"):
        digest.update(json.dumps(data, sort_keys=True).encode())
        return digest.hexdigest()
    for name, values in sorted(data.lists()):
        for value in values:
            digest.update(f"\n{name}\n".encode(errors="surrogatepass"))
            digest.update(_file_hash(value) if isinstance(value, UploadedFile) else str(value).encode())
    return digest.hexdigest()


def _file_hash(file: UploadedFile) -> bytes:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.digest()
