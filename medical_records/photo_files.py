"""Where pictures are kept: in Django's default storage, one file and its thumbnail for equal bytes in a clinic.

Uploads and the purge of the trash keep out of each other's way so:

1. A file is named by its clinic and the hash of its content, so whoever keeps or deletes it knows its lock.
2. Both take that lock, PostgreSQL's for the rest of the transaction, before they look whether the file is there and
   whether a row refers to it.
3. An upload holds it until its row is committed. Whoever deletes, and got the lock, sees that row and leaves the file;
   an upload that got the lock after a deletion sees no file and writes it.

This wants READ COMMITTED, Django's default: under REPEATABLE READ the look could be older than the lock.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from .models import PatientPhoto
from .pictures import Picture

logger = logging.getLogger(__name__)

FOLDER = "patient_photos"
_THUMBNAIL = ".thumbnail"
_NAME = re.compile(rf"(?P<sha256>[0-9a-f]{{64}})(?:{re.escape(_THUMBNAIL)})?\.jpg")
_KEY = re.compile(rf"{FOLDER}/(?P<clinic>\d{{1,10}})/[0-9a-f]{{2}}/{_NAME.pattern}")


@dataclass(frozen=True, order=True)
class PhotoFile:
    """A kept picture and its thumbnail, by the clinic they belong to and the SHA-256 of the picture."""

    clinic_id: int
    sha256: str

    @classmethod
    def of_key(cls, key: str) -> "PhotoFile | None":
        """Return the file that `key` names; None for a key that another system made."""
        found = _KEY.fullmatch(key)
        return cls(int(found["clinic"]), found["sha256"]) if found else None

    @property
    def key(self) -> str:
        return f"{self._stem}.jpg"

    @property
    def thumbnail_key(self) -> str:
        return f"{self._stem}{_THUMBNAIL}.jpg"

    @property
    def _stem(self) -> str:
        # 256 folders a clinic, so that none gets too large to be listed at once.
        return f"{FOLDER}/{self.clinic_id}/{self.sha256[:2]}/{self.sha256}"

    def lock(self) -> None:
        """Wait for the file's lock and hold it until the transaction ends."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.key])

    def is_used(self) -> bool:
        """Whether a photo refers to it, in the trash or not."""
        return PatientPhoto.objects.filter(clinic=self.clinic_id, content_hash=self.sha256).exists()

    def keep(self, picture: Picture) -> None:
        """Write the two files, unless they are there already. The caller holds the lock."""
        _write(self.thumbnail_key, picture.thumbnail)
        _write(self.key, picture.jpeg)

    def discard(self) -> bool:
        """Delete the two files and return True, unless a photo refers to them."""
        with transaction.atomic():
            self.lock()
            if self.is_used():
                return False
            default_storage.delete(self.key)
            default_storage.delete(self.thumbnail_key)
        return True

    def modified_at(self) -> datetime:
        """When the younger of the two files was written; the year 1 if neither is there."""
        return max(_modified_at(self.key), _modified_at(self.thumbnail_key))


def _write(key: str, content: bytes) -> None:
    if _holds(key, content):
        return
    # What a crash cut short: saving beside it would choose another name.
    default_storage.delete(key)
    saved = default_storage.save(key, ContentFile(content))
    if saved != key:
        default_storage.delete(saved)
        raise OSError(f"The storage kept {key} as {saved}; a storage for photos must keep the names it is given.")


def _holds(key: str, content: bytes) -> bool:
    try:
        with default_storage.open(key) as file:
            return bool(file.read() == content)
    except FileNotFoundError:
        return False


def _modified_at(key: str) -> datetime:
    try:
        found = default_storage.get_modified_time(key)
    except FileNotFoundError:
        return datetime.min.replace(tzinfo=UTC)
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def discard_foreign(key: str) -> bool:
    """Delete the file of a photo that another system made and return True, unless a photo still refers to it."""
    if PatientPhoto.objects.filter(storage_key=key).exists():
        return False
    try:
        default_storage.delete(key)
    except (SuspiciousFileOperation, OSError, ValueError) as error:
        logger.warning("The file of a purged photo is left where it is: %s", error)
        return False
    return True


def folders() -> list[str]:
    """Return the folders that hold kept files."""
    return [f"{FOLDER}/{clinic}/{shard}" for clinic in _listed(FOLDER)[0] for shard in _listed(f"{FOLDER}/{clinic}")[0]]


def files_in(folder: str) -> Iterator[PhotoFile]:
    """Yield each kept file of `folder` once, even where only its thumbnail is there."""
    keys = (f"{folder}/{name}" for name in _listed(folder)[1])
    yield from sorted({file for key in keys if (file := PhotoFile.of_key(key))})


def without_photo(files: Iterable[PhotoFile]) -> list[PhotoFile]:
    """Return those of `files`, all of one clinic, that no photo refers to."""
    by_hash = {file.sha256: file for file in files}
    clinics = {file.clinic_id for file in by_hash.values()}
    photos = PatientPhoto.objects.filter(clinic__in=clinics, content_hash__in=by_hash)
    used = set(photos.values_list("content_hash", flat=True))
    return [file for sha256, file in by_hash.items() if sha256 not in used]


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []
