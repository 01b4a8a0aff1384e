"""Photos' files in Django's default storage: equal images in one clinic share a file and its thumbnail.

So that no purge deletes a file that an upload is about to use:

1. A file's name is made of its clinic and the hash of its content, and names an advisory lock of PostgreSQL as well.
2. Uploads and purges take that lock, until their transaction ends, before they check whether the file exists and whether
   a row, or the history of one, refers to it.
3. An upload holds it until its row is committed. A purge that gets the lock afterwards sees the row and leaves the file;
   an upload that gets it after a purge sees no file and writes it.

This requires READ COMMITTED, PostgreSQL's default: under REPEATABLE READ the check could see a state older than the lock.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.fields.json import KT
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.models import HistoryEntry

from ..models import PatientPhoto
from .processing import ProcessedImage

logger = logging.getLogger(__name__)

#: What photos were, those too that were removed by other ways than a destruction: their histories stay.
_HISTORY = HistoryEntry.objects.filter(table_name=PatientPhoto._meta.db_table)

FOLDER = "patient_photos"
#: Locks that a purge holds at a time: PostgreSQL has room for some thousands, and uploads of the same files wait for them.
LOCKED_AT_ONCE = 100
_THUMBNAIL = ".thumbnail"
_NAME = re.compile(rf"(?P<sha256>[0-9a-f]{{64}})(?:{re.escape(_THUMBNAIL)})?\.jpg")
_KEY = re.compile(rf"{FOLDER}/(?P<clinic>\d{{1,10}})/[0-9a-f]{{2}}/{_NAME.pattern}")


#: What people are told of it.
STORAGE_FAILS = _("The storage of the photos is full, broken or away. Tell whoever runs the server.")


class StorageUnavailable(OSError):
    """The storage is full, broken or away."""


@contextmanager
def as_storage_unavailable() -> Iterator[None]:
    """Raise StorageUnavailable for whatever is raised in the block: each storage has errors of its own."""
    try:
        yield
    except Exception as error:
        logger.exception("The storage of the photos fails.")
        raise StorageUnavailable(str(error)) from error


@dataclass(frozen=True, order=True)
class PhotoFile:
    """The file of an image, and that of its thumbnail: named by their clinic and the SHA-256 of the image."""

    clinic_id: int
    sha256: str

    @classmethod
    def from_key(cls, key: str) -> "PhotoFile | None":
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
    def keys(self) -> tuple[str, str]:
        return self.key, self.thumbnail_key

    @property
    def _stem(self) -> str:
        # 256 folders a clinic, so that none grows too large to be listed.
        return f"{FOLDER}/{self.clinic_id}/{self.sha256[:2]}/{self.sha256}"

    def lock(self) -> None:
        """Wait for the file's lock and hold it until the transaction ends."""
        _lock([self])

    def save(self, image: ProcessedImage) -> None:
        """Write the two files, unless they are there already; raises StorageUnavailable. The caller holds the lock."""
        with as_storage_unavailable():
            _write(self.thumbnail_key, image.thumbnail)
            _write(self.key, image.jpeg)

    def modified_at(self) -> datetime:
        """When the younger of the two files was written; the year 1 if neither is there."""
        return max(_modified_at(self.key), _modified_at(self.thumbnail_key))


def _write(key: str, content: bytes) -> None:
    if _holds(key, content):
        return
    # A file of other content was cut short by a crash. If it stayed, save() would choose another name.
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


def delete_files_of_other_systems(keys: set[str]) -> None:
    """Delete files that another system has stored, unless a photo or the history of one still refers to them.

    No upload refers to one, so no lock is needed.
    """
    for key in keys - _named(keys):
        try:
            default_storage.delete(key)
        except (SuspiciousFileOperation, OSError, ValueError) as error:
            logger.warning("The file of a purged photo is left where it is: %s", error)


def _named(keys: set[str]) -> set[str]:
    """Return those of `keys` that a photo has, or the history of one that is gone, and others that it has with them.

    Keys have no index, so one query each looks for all of them.
    """
    photos = PatientPhoto.objects.filter(Q(storage_key__in=keys) | Q(thumbnail_key__in=keys))
    kept = _HISTORY.annotate(key=KT("kept__storage_key"), thumbnail=KT("kept__thumbnail_key"))
    referring = [
        *photos.values_list("storage_key", "thumbnail_key"),
        *kept.filter(Q(key__in=keys) | Q(thumbnail__in=keys)).values_list("key", "thumbnail"),
    ]
    return {key for pair in referring for key in pair}


def clinic_folders() -> list[str]:
    return [f"{FOLDER}/{clinic}" for clinic in sorted(_listed(FOLDER)[0])]


def folders() -> list[str]:
    """Return the folders that have photos' files."""
    return [f"{clinic}/{shard}" for clinic in clinic_folders() for shard in _listed(clinic)[0]]


def files_in(folder: str) -> Iterator[PhotoFile]:
    """Yield each photo's file in `folder` once, even if only its thumbnail is there."""
    keys = (f"{folder}/{name}" for name in _listed(folder)[1])
    yield from sorted({file for key in keys if (file := PhotoFile.from_key(key))})


def unreferenced(files: Collection[PhotoFile]) -> list[PhotoFile]:
    """Return those of `files` that no photo refers to, in the trash or not, and no history of a photo that is gone.

    A photo refers to a file by its hash, or by its name alone, as another program may have left it.
    """
    photos = PatientPhoto.objects.filter(
        clinic__in={file.clinic_id for file in files}, content_hash__in={file.sha256 for file in files}
    )
    used = set(photos.values_list("clinic_id", "content_hash"))
    unused = [file for file in files if (file.clinic_id, file.sha256) not in used]
    kept = _HISTORY.filter(kept__has_key="content_hash").annotate(sha256=KT("kept__content_hash"))
    # Of whichever clinic: an entry of a change needn't say.
    in_history = set(kept.filter(sha256__in={file.sha256 for file in unused}).values_list("sha256", flat=True))
    unused = [file for file in unused if file.sha256 not in in_history]
    named = _named({key for file in unused for key in file.keys}) if unused else set()
    return [file for file in unused if named.isdisjoint(file.keys)]


def delete_unreferenced(files: Iterable[PhotoFile]) -> int:
    """Delete those of `files` that no photo refers to, and return how many they were."""
    ordered = sorted(files)
    starts = range(0, len(ordered), LOCKED_AT_ONCE)
    return sum(_delete_unreferenced(ordered[start : start + LOCKED_AT_ONCE]) for start in starts)


def _delete_unreferenced(files: list[PhotoFile]) -> int:
    with transaction.atomic():
        _lock(files)
        unused = unreferenced(files)
        for file in unused:
            default_storage.delete(file.key)
            default_storage.delete(file.thumbnail_key)
    return len(unused)


def _lock(files: list[PhotoFile]) -> None:
    # Ordered, so that two purges can't deadlock; an upload takes one lock only.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) "
            "FROM (SELECT key FROM unnest(%s::text[]) AS key ORDER BY key) AS ordered",
            [[file.key for file in files]],
        )


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []
