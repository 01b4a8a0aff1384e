"""The pictures of an export: each photo's file as a member of the zip, or what is wrong with it."""

import hashlib
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..models import PatientPhoto
from ..photos.processing import CONTENT_TYPE
from ..photos.responses import FileMissing, opened_file
from ..photos.storage import PhotoFile, StorageUnavailable, as_storage_unavailable
from .archive import Archive

MISSING = _("The file of this photo is missing from the clinic's storage.")
UNREADABLE = _("The file of this photo can't be read from the clinic's storage.")
CHANGED = _("The file of this photo isn't the one that the clinic stored: it has been changed or damaged since.")

#: Endings of the names by what the file is; others can't be shown, and are kept as they are.
_ENDINGS = {CONTENT_TYPE: "jpg", "image/png": "png", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the zip: its `name` there, None where it isn't in it; `problem` says what is wrong with it."""

    photo_id: int
    name: str | None = None
    size: int | None = None
    sha1: bytes | None = None
    is_image: bool = False
    problem: "str | Promise | None" = None


class Pictures:
    """Adds pictures to a zip, each once. Raises StorageUnavailable where the storage gives none of them."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._found: dict[int, Picture] = {}
        self._failure: StorageUnavailable | None = None

    def __getitem__(self, photo: PatientPhoto) -> Picture:
        """Return the picture of a photo, which is added where it hasn't been."""
        if photo.pk not in self._found:
            self._found[photo.pk] = self._added(photo)
        return self._found[photo.pk]

    @property
    def ids(self) -> set[int]:
        return set(self._found)

    @property
    def problems(self) -> list[Picture]:
        return [picture for picture in self._found.values() if picture.problem]

    def check_storage(self) -> None:
        """Raise StorageUnavailable where it failed, and no picture at all was read: it is away, and not one file broken."""
        if self._failure and not any(picture.name for picture in self._found.values()):
            raise self._failure

    def _added(self, photo: PatientPhoto) -> Picture:
        try:
            content = _content(photo)
        except FileMissing as missing:
            missing.log()
            return Picture(photo.pk, problem=MISSING)
        except StorageUnavailable as failure:
            self._failure = failure
            return Picture(photo.pk, problem=UNREADABLE)
        name = f"photos/{photo.pk}.{_ENDINGS.get(photo.content_type, 'bin')}"
        self._archive.add_picture(name, content, lambda: _content(photo))
        return Picture(
            photo.pk,
            name=name,
            size=len(content),
            sha1=hashlib.sha1(content, usedforsecurity=False).digest(),
            is_image=photo.content_type in _ENDINGS,
            problem=CHANGED if _is_changed(photo, content) else None,
        )


def _content(photo: PatientPhoto) -> bytes:
    with opened_file(photo, photo.storage_key) as file, as_storage_unavailable():
        content: bytes = file.read()
        return content


def _is_changed(photo: PatientPhoto, content: bytes) -> bool:
    # A file of another system isn't named by its hash.
    file = PhotoFile.from_key(photo.storage_key)
    return file is not None and file.sha256 != hashlib.sha256(content).hexdigest()


def problems_text(pictures: list[Picture]) -> str:
    """Return what PROBLEMS.txt says."""
    line = gettext("Photo %(id)d: %(problem)s")
    lines = [line % {"id": picture.photo_id, "problem": picture.problem} + "\n" for picture in pictures]
    return "".join(
        [gettext("What is wrong with pictures of this copy. Everything else of it is complete."), "\n\n", *lines]
    )
