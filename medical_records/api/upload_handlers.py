"""Receives an upload: one image in a multipart body, limited while it arrives, and never written to disk.

On disk, a worker that is killed would leave it behind, with all the metadata that the phone wrote into it.
"""

from io import BytesIO
from typing import IO, Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from clinic_project.api.body_limits import drain
from medical_records.photos.decoding import MAX_BYTES, TooManyBytes

#: Bytes of the whole body: the image, the other fields, and the boundaries between them.
MAX_BODY = MAX_BYTES + 64 * 1024


class ImageUploadHandler(FileUploadHandler):
    """Keeps the file in memory. Raises TooManyBytes as soon as it is too large."""

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: Any,  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        if content_length > MAX_BODY:
            drain(input_data, content_length)
            raise TooManyBytes

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > MAX_BYTES:
            raise TooManyBytes
        self.received.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.received.seek(0)
        return InMemoryUploadedFile(
            self.received, self.field_name, self.file_name or "", self.content_type or "", file_size, self.charset
        )
