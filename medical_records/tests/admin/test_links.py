"""Links of the admin: whoever sees one may follow it."""

import pytest

from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from medical_records import services
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory
from medical_records.models import MedicalRecord
from medical_records.signing import Signer, enter_in_error, sign_record

from ..photos.uploads import put_photo
from .walking import Walk

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def fill(member) -> None:
    """Give the clinic of `member` something of each kind, and in each state."""
    patient = PatientFactory(clinic=member.clinic)
    unsigned, signed, wrong, trashed = (MedicalRecordFactory.create(patient=patient) for _ in range(4))
    for record in (unsigned, trashed):
        put_photo(record, "Left forearm")
    records, signer = MedicalRecord.objects.all(), Signer.of(member)
    sign_record(records, signed.pk, [1], signer)
    enter_in_error(records, wrong.pk, [1], signer, "Another patient's")
    services.move_record_to_trash(records, trashed.pk, [1], member.user)
    for factory in (PatientFactory, MedicalRecordTemplateFactory):
        factory(clinic=member.clinic, in_trash=True)
    MembershipFactory(clinic=member.clinic)


def refused(client, user) -> list[tuple[str, str, int]]:
    client.force_login(user)
    walk = Walk(client)
    assert len(list(walk.pages())) > 50
    return walk.refused


@pytest.mark.parametrize(
    "who",
    [{"admin": True}, {}, {"reader": True}, {"user__superuser": True}],
    ids=lambda who: "-".join(who) or "practitioner",
)
def test_every_link_leads_to_a_page(who, client):
    member = MembershipFactory(user__staff=True, **who)
    fill(member)
    assert refused(client, member.user) == []


def test_members_of_two_clinics_likewise(client):
    first = MembershipFactory(user__staff=True, admin=True)
    for member in (first, MembershipFactory(user=first.user)):
        fill(member)
    assert refused(client, first.user) == []
