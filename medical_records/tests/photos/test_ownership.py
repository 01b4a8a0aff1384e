"""A storage that two groups of clinics share by mistake: purges are refused before a photo is lost."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError
from django.db.models import F

from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.models import Clinic
from medical_records.photos.storage import PhotoFile

from ..purging import purge
from .uploads import add, files_in

pytestmark = pytest.mark.django_db


def as_another_group() -> None:
    """Be a database whose clinics have the same ids, and were made at another time."""
    Clinic.objects.update(created_at=F("created_at") - timedelta(seconds=1))


def test_the_first_purge_makes_the_folder_the_group_s_own(media):
    add(PatientFactory())
    purge("--dry-run")
    assert not list(media.rglob("clinic.txt"))
    purge()
    assert len(list(media.rglob("clinic.txt"))) == 1
    purge()
    assert len(files_in(media)) == 2


def test_a_purge_of_another_group_is_refused_with_what_to_do(media):
    photo = add(PatientFactory())
    purge()
    owner = f"patient_photos/{photo.clinic_id}/clinic.txt"
    made = default_storage.open(owner).read().decode().strip()
    assert made == photo.clinic.created_at.isoformat()
    as_another_group()
    for arguments in ((), ("--dry-run",)):
        with pytest.raises(CommandError) as refusal:
            purge(*arguments)
        assert str(refusal.value).startswith(
            f"{owner} says that these photos are of a clinic that was made at {made}; this"
        )
        assert "must not share MEDIA_ROOT" in str(refusal.value)
    assert f"delete {owner}, then run this again." in str(refusal.value)
    default_storage.delete(owner)
    purge()
    assert default_storage.exists(owner)


def test_so_is_one_of_a_group_with_fewer_clinics(media):
    default_storage.save("patient_photos/123456/clinic.txt", ContentFile(b"2026-01-02T03:04:05+00:00\n"))
    with pytest.raises(CommandError, match=r"made at 2026-01-02T03:04:05\+00:00; this database has none of that id\."):
        purge()


def test_a_folder_of_no_clinic_is_purged_as_before(media):
    default_storage.save(PhotoFile(123456, "0" * 64).key, ContentFile(b"1"))
    assert purge().endswith("files without a photo: 0.")  # it is too young
    assert not list(media.rglob("clinic.txt"))
