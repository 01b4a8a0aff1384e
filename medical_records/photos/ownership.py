"""Whose the folders of the photos are. Groups of clinics, each in a database or a schema of its own, have clinics of the
same ids: in one storage, a purge of one group would take another's photos for files that nobody refers to.

In each clinic's folder, the first purge leaves a file that says when that clinic was made. Purges are daily, and take no
file that is younger than 31 days unless they are told to (--days): the next group's first purge is refused before.
"""

from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from clinic_project.clinics.models import Clinic

from .storage import clinic_folders


class FolderOfOthers(Exception):
    """The storage has a folder of another group's clinic. The message says what was found, and what to do."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """What says of a clinic's folder whose it is: when that clinic was made, which moves to other servers with its row.

    `expected` is when this database's clinic of that id was; empty where it has none.
    """

    key: str
    expected: str

    def found(self) -> str:
        """Return what it says; empty where it isn't there."""
        if not default_storage.exists(self.key):
            return ""
        with default_storage.open(self.key) as file:
            return str(file.read().decode().strip())

    def write(self) -> None:
        default_storage.save(self.key, ContentFile(f"{self.expected}\n".encode()))


def require_own_folders(*, claimed: bool) -> None:
    """Raise FolderOfOthers where a clinic's folder is another's; where it is nobody's and it is `claimed`, make it ours."""
    owners = [(owner, owner.found()) for owner in _owners()]
    for owner, found in owners:
        if found and found != owner.expected:
            here = f"has one of {owner.expected}" if owner.expected else "has none of that id"
            raise FolderOfOthers(
                f"{owner.key} says that these photos are of a clinic that was made at {found}; this database {here}."
                " Nothing was removed. Groups of clinics must not share MEDIA_ROOT: give each its own. If these photos are"
                f" this group's all the same, delete {owner.key}, then run this again."
            )
    for owner, found in owners:
        if claimed and owner.expected and not found:
            owner.write()


def _owners() -> list[_Owner]:
    made = {str(clinic): made_at.isoformat() for clinic, made_at in Clinic.objects.values_list("pk", "created_at")}
    return [_Owner(f"{folder}/clinic.txt", made.get(folder.rpartition("/")[2], "")) for folder in clinic_folders()]
