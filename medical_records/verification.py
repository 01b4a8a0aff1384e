"""Whether what was signed is still there: each signature against its record, and the photos' files against their hashes."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from .exceptions import Unsignable
from .models import MedicalRecord, PatientPhoto
from .photos.responses import FileMissing, opened_file
from .photos.storage import PhotoFile, as_storage_unavailable
from .signatures import SignedContent
from .signing import photos_in_content, signed_contents

#: Rows that are read at a time: a record may have some megabytes.
BATCH = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """What isn't as it was signed: a row, by its table and id."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass
class Verification:
    """Compares what is there with what was signed. `counts` are the signatures and the files that it has compared so far.

    `others` are photos that another system stored: that these have a file is all that is known of it.
    """

    counts: Counter[str] = field(default_factory=Counter)

    def signatures(self) -> Iterator[Finding]:
        """Yield the signed records that aren't what was signed."""
        records, last = MedicalRecord.objects.signed().order_by("pk"), 0
        while batch := list(signed_contents(records.filter(pk__gt=last)[:BATCH])):
            for pk, content_hash, content in batch:
                self.counts["signatures"] += 1
                if text := _difference(content_hash, content):
                    yield Finding(f"medical_records {pk}", text)
            last = batch[-1][0]

    def files(self) -> Iterator[Finding]:
        """Yield the photos of signed records whose files aren't what was signed. Raises StorageUnavailable."""
        photos, last = photos_in_content().filter(medical_record__signed_at__isnull=False).order_by("pk"), 0
        while batch := list(photos.filter(pk__gt=last)[:BATCH]):
            for photo in batch:
                if text := self._file_difference(photo):
                    yield Finding(f"patient_photos {photo.pk} of medical_records {photo.medical_record_id}", text)
            last = batch[-1].pk

    def _file_difference(self, photo: PatientPhoto) -> str:
        is_ours = PhotoFile.from_key(photo.storage_key) is not None
        self.counts["files" if is_ours else "others"] += 1
        try:
            file = opened_file(photo, photo.storage_key)
        except FileMissing:
            return "its file is missing"
        with file, as_storage_unavailable():
            if not is_ours:
                return ""
            digest = hashlib.sha256()
            for chunk in file.chunks():
                digest.update(chunk)
        return "" if digest.hexdigest() == photo.content_hash else "its file isn't the one that was signed"


def _difference(content_hash: str | None, content: SignedContent) -> str:
    try:
        return "" if content.hash() == content_hash else "it isn't what was signed"
    except Unsignable as error:
        return f"it isn't what was signed. {error}"
