"""The files of photos, for the admin's pages."""

import logging
from typing import Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponseBase
from django.utils.cache import patch_cache_control

from .models import PatientPhoto

logger = logging.getLogger(__name__)

#: What a browser shows as a picture and never as a page. Anything else that a row of another program claims to be is
#: only ever downloaded.
SHOWN = frozenset({"image/jpeg", "image/png", "image/webp"})

#: Nothing runs in it; the styles are the browser's own, which centres a picture that is looked at by itself.
POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"

#: Seconds that the browser keeps a picture: a row's files never change.
KEPT_BY_BROWSER = 3600


def photo_response(photo: PatientPhoto, key: str | None) -> HttpResponseBase:
    """Answer with the file that the storage keeps under `key`, one of the keys of `photo`.

    Raises Http404 where it isn't there.
    """
    shown = photo.content_type in SHOWN
    response = FileResponse(
        _opened(photo, key),
        as_attachment=not shown,
        filename=photo.filename,
        content_type=photo.content_type if shown else "application/octet-stream",
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = POLICY
    patch_cache_control(response, private=True, max_age=KEPT_BY_BROWSER)
    return response


def _opened(photo: PatientPhoto, key: str | None) -> Any:
    try:
        if key:
            return default_storage.open(key)
    except (OSError, SuspiciousFileOperation, ValueError) as error:
        logger.warning("The file of photo %s can't be read: %s", photo.pk, type(error).__name__)
    raise Http404("The file of this photo isn't in the storage.")
