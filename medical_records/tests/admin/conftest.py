import pytest

from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.admin_site import staff_member, superuser

__all__ = ["staff_member", "superuser"]


@pytest.fixture
def clinic_admin(client):
    membership = MembershipFactory(user__staff=True, admin=True)
    client.force_login(membership.user)
    return membership
