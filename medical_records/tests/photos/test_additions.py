"""Adding photos to one place by several people at once."""

import pytest

from clinic_project.clinics.factories import MembershipFactory
from medical_records.factories import MedicalRecordFactory
from medical_records.models import PatientPhoto
from medical_records.photos.additions import Picture, Place, add_to

from ..concurrency import in_parallel
from .image_files import BLUE, plain
from .uploads import files_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PICTURES = [Picture(plain(size=(60, 40)), "knee.jpg", "Left knee"), Picture(plain(size=(60, 40), colour=BLUE), "b.jpg")]


@pytest.fixture
def place(media):
    record = MedicalRecordFactory()
    return Place(record.patient, record)


def test_the_same_picture_sent_at_once_is_added_once(place, media):
    by = MembershipFactory(clinic=place.patient.clinic).user
    additions = in_parallel(lambda _number: add_to(place, PICTURES[0], by), 6)
    assert sorted(addition.is_new for addition in additions) == [False] * 5 + [True]
    assert len({addition.photo.pk for addition in additions}) == 1
    assert len(files_in(media)) == 2
    place.record.refresh_from_db()
    assert place.record.version == 2


def test_different_pictures_in_any_order_dont_wait_for_each_other_forever(place):
    by = MembershipFactory(clinic=place.patient.clinic).user
    orders = [PICTURES, PICTURES[::-1]] * 3
    found = in_parallel(lambda number: [add_to(place, picture, by) for picture in orders[number]], 6)
    assert sum(addition.is_new for additions in found for addition in additions) == 2
    assert PatientPhoto.objects.filter(medical_record=place.record, is_pending=False).count() == 2
    place.record.refresh_from_db()
    assert place.record.version == 3
