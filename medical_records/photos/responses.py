"""HTTP responses with a photo's file, which a browser must never take for anything but an image.

Who may see the photo has been decided before: `photo_response` doesn't check it.
"""

import errno
import logging

from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag

from ..models import PatientPhoto
from .file_names import clean_file_name, jpeg_name
from .processing import CONTENT_TYPE
from .storage import as_storage_unavailable

logger = logging.getLogger(__name__)

#: What photos of other systems may be served as. Ours are all JPEG.
IMAGE_TYPES = frozenset({CONTENT_TYPE, "image/png", "image/webp"})
_ANY_BYTES = "application/octet-stream"


class FileMissing(Exception):
    """The row of the photo with this id is there, and its file isn't."""

    def __init__(self, photo_id: int) -> None:
        super().__init__(photo_id)
        self.photo_id = photo_id

    def log(self) -> None:
        """Tell whoever runs the server. Not where it is raised: a request may be tried on a replica and on the primary."""
        logger.error("Photo %s has no file in the storage.", self.photo_id)


class AnotherFile(Exception):
    """The file isn't the one that the request is about."""


def photo_response(request: HttpRequest, photo: PatientPhoto, *, thumbnail: bool = False) -> HttpResponseBase:
    """Respond with the image of `photo` or its thumbnail; with 304 where the browser has it already.

    Raises FileMissing, StorageUnavailable, and AnotherFile where `If-Match` names another than this.
    """
    # A photo of another system may have no thumbnail.
    key = (thumbnail and photo.thumbnail_key) or photo.storage_key
    etag = quote_etag(f"{photo.content_hash or photo.pk}{'-thumbnail' if thumbnail else ''}")
    response = get_conditional_response(request, etag=etag) or _file_response(photo, key)
    if response.status_code == 412:
        raise AnotherFile
    response["ETag"] = etag
    # Kept by the browser alone, which asks each time whether it may still show it: people share computers.
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _file_response(photo: PatientPhoto, key: str) -> FileResponse:
    is_image = photo.content_type in IMAGE_TYPES
    name = clean_file_name(photo.filename)
    file = opened_file(photo, key)
    response = FileResponse(file, content_type=photo.content_type if is_image else _ANY_BYTES)
    shown_name = jpeg_name(name) if photo.content_type == CONTENT_TYPE else name
    response["Content-Disposition"] = content_disposition_header(not is_image, shown_name) or "inline"
    return response


def opened_file(photo: PatientPhoto, key: str) -> File:
    """Open the file of `photo` that `key` names; raises FileMissing, StorageUnavailable."""
    with as_storage_unavailable():
        file = _opened(key)
    if file is None:
        raise FileMissing(photo.pk)
    return file


def _opened(key: str) -> File | None:
    """Return the file that `key` names; None where there is none, or none can have that name."""
    try:
        return default_storage.open(key)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, SuspiciousFileOperation):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise
