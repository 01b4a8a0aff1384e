"""The log of what was removed for good, in the admin."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from clinic_project.audit.destruction import destroy
from clinic_project.audit.models import Destruction
from clinic_project.audit.transactions import atomic, changes_by
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.factories import MedicalRecordFactory

pytestmark = pytest.mark.django_db

LIST = "admin:audit_destruction_changelist"
LONG_AGO = datetime(2015, 3, 3, 12, tzinfo=UTC)


def old_record(clinic, name: str = "Grace Hopper"):
    patient = PatientFactory(clinic=clinic, full_name=name, birthday=None)
    return MedicalRecordFactory(patient=patient, created_at=LONG_AGO, is_deleted=True, deleted_at=LONG_AGO)


def removed(record) -> Destruction:
    """Remove a record as a request of the API does."""
    with changes_by(via="api", by=7, name="Ada Lovelace"), atomic():
        destroy("medical_records", [record.pk])
    return Destruction.objects.latest("pk")


@pytest.fixture
def administrator(client):
    member = MembershipFactory(admin=True, user__staff=True)
    client.force_login(member.user)
    return member


def test_an_administrator_sees_what_was_removed_in_their_clinic(client, administrator):
    record, others = old_record(administrator.clinic), old_record(MembershipFactory().clinic, "Somebody Else")
    row = removed(record)
    removed(others)
    page = client.get(reverse(LIST)).content.decode()
    for text in (f"Medical record {row.row_id}", "Grace Hopper", "Ada Lovelace, through the API", "3 Mar 2022"):
        assert text in page
    assert "Somebody Else" not in page
    one = client.get(reverse("admin:audit_destruction_change", args=[row.pk])).content.decode()
    assert bytes(row.content_hash).hex() in one
    assert f"<h1>Removed for good: Medical record {row.row_id} of Grace Hopper</h1>" in one
    assert "medical_records" not in one.partition("<h1>")[0].partition("<title>")[2].partition("</title>")[0]
    assert "(UTC)" in one
    assert "_save" not in one


def test_a_superuser_sees_all_and_changes_nothing(client, superuser):
    row = removed(old_record(MembershipFactory().clinic))
    assert len(rows_of(client.get(reverse(LIST)))) == 1
    change = reverse("admin:audit_destruction_change", args=[row.pk])
    assert client.post(change, {"context": "nobody"}).status_code == 403
    assert client.get(reverse("admin:audit_destruction_add")).status_code == 403
    assert client.post(reverse("admin:audit_destruction_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("member", [{}, {"reader": True}])
def test_others_do_not_see_it(client, member):
    found = MembershipFactory(user__staff=True, **member)
    client.force_login(found.user)
    row = removed(old_record(found.clinic))
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(reverse("admin:audit_destruction_change", args=[row.pk])).status_code == 403
    assert "Destructions" not in client.get(reverse("admin:index")).content.decode()


def test_of_two_clinics_only_the_one_that_somebody_administers(client, administrator):
    other = MembershipFactory(user=administrator.user)
    removed(old_record(other.clinic))
    assert len(rows_of(client.get(reverse(LIST)))) == 0
