"""Reading an upload: one picture in a multipart body, limited while it arrives, and never written to disk.

On disk, a worker that is killed would leave it behind, with all that the phone wrote into it.
"""

from io import BytesIO
from typing import IO, Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic_project.api.converters import MAX_ID
from clinic_project.api.fields import RowId, Text
from clinic_project.api.parsers import drop
from clinic_project.api.problems import Problem
from medical_records.photos.decoding import MAX_BYTES, TooManyBytes

from .serializers import MAX_PHOTO_DESCRIPTION

#: What the other fields and the boundaries may take beside the picture.
MAX_BODY = MAX_BYTES + 64 * 1024


class PictureUploadHandler(FileUploadHandler):
    """Keeps the file in memory, and stops as soon as it is too large."""

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: Any,  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        if content_length > MAX_BODY:
            drop(input_data)
            raise too_large()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > MAX_BYTES:
            raise too_large()
        self.received.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.received.seek(0)
        return InMemoryUploadedFile(
            self.received, self.field_name, self.file_name or "", self.content_type or "", file_size, self.charset
        )


def too_large() -> Problem:
    message = str(TooManyBytes())
    return Problem(413, "upload-too-large", "The picture is too large", message, errors={"file": [message]})


class FormRowId(RowId):
    """The id of a row, written in digits, as forms send numbers."""

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdigit() and len(data) <= 10):
            self.fail("not_whole")
        if not 1 <= int(data) <= MAX_ID:
            self.fail("not_whole")
        return int(data)


@extend_schema_field(OpenApiTypes.BINARY)
class Picture(serializers.FileField):
    """Any file; what it is gets known when it is decoded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)


@extend_schema_field({"type": "string", "maxLength": MAX_PHOTO_DESCRIPTION, "pattern": r"^[^\u0000]*$"})
class FormDescription(Text):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_PHOTO_DESCRIPTION, allow_blank=True, **options)


class PhotoUpload(serializers.Serializer):
    """A picture: JPEG, PNG or WebP, HEIC where the server can, at most 10 MB and 50 megapixels."""

    patient_id = FormRowId()
    file = Picture()
    description = FormDescription(required=False)
    medical_record_id = FormRowId(required=False, help_text="The photo is pending until this record is saved with it.")
