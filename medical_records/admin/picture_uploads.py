"""Receives the pictures of a form: several in one body, never written to disk, and each refused by itself.

On disk, a worker that is killed would leave them behind, with all the metadata that a phone wrote into them.
"""

import functools
from io import BytesIO
from typing import Any

from django.contrib import admin
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from clinic_project.clinics.administration.unavailable import View

from ..photos.decoding import MAX_BYTES, MEGABYTE, ImageError, TooManyBytes

#: Bytes of all pictures of one body, which are in the memory of a worker together.
MAX_TOTAL = 5 * MAX_BYTES
#: Bytes of the whole body: with room for captions, and for one more picture, which is refused by itself.
MAX_BODY = MAX_TOTAL + MAX_BYTES


class TooMuchAtOnce(ImageError):
    def __init__(self) -> None:
        said = _("It wasn't received: the files before it have %(megabytes)d MB together. Choose it again.")
        super().__init__(said % {"megabytes": MAX_TOTAL // MEGABYTE})


class ReceivedPicture(InMemoryUploadedFile):
    """`refusal` says why the file wasn't kept: it is empty then."""

    refusal: ImageError | None = None


class PicturesUploadHandler(FileUploadHandler):
    """Keeps the files of staff in memory, and of those that are too large, or too many together, only their names."""

    total = 0

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self._request = request

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        # The view's check of the CSRF token reads the body of anybody, before it is known who that is.
        if not admin.site.has_permission(self._request):
            raise SkipFile
        super().new_file(*args, **kwargs)
        self.received = BytesIO()
        self.refusal: ImageError | None = None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.refusal is None and start + len(raw_data) > MAX_BYTES:
            self._refuse(TooManyBytes())
        elif self.refusal is None and self.total + len(raw_data) > MAX_TOTAL:
            self._refuse(TooMuchAtOnce())
        if self.refusal is None:
            self.total += self.received.write(raw_data)

    def file_complete(self, file_size: int) -> ReceivedPicture:
        size = self.received.tell()
        self.received.seek(0)
        name = self.file_name or ""
        picture = ReceivedPicture(self.received, self.field_name, name, self.content_type or "", size, self.charset)
        picture.refusal = self.refusal
        return picture

    def _refuse(self, refusal: ImageError) -> None:
        self.total -= self.received.tell()
        self.received = BytesIO()
        self.refusal = refusal


def receiving_pictures(view: View) -> View:
    """Wrap a view that checks the CSRF token itself, as all of the admin's do: that reads the body as well."""

    @csrf_exempt
    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.upload_handlers = [PicturesUploadHandler(request)]
        return view(request, *args, **kwargs)

    wrapped.max_body = MAX_BODY  # type: ignore[attr-defined]  # for BodyLimitMiddleware
    return wrapped
