import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from clinic_project.api.models import AccessToken
from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.models import Membership

from .admin_site import staff_member, superuser
from .browser import browser, staff

__all__ = ["browser", "staff", "staff_member", "superuser"]


@pytest.fixture(autouse=True)
def fresh_cache():
    """The throttles count in the cache."""
    cache.clear()


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    """The folder of the photos' files: one for each test."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"


@pytest.fixture
def member(db):
    """An administrator and practitioner of a clinic."""
    return MembershipFactory(admin=True)


@pytest.fixture
def clinic(member):
    return member.clinic


def client_of(membership: Membership) -> APIClient:
    """A client that sends the member's token, as another program would."""
    token, _ = AccessToken.objects.issue(membership.user)
    return APIClient(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def api(member) -> APIClient:
    return client_of(member)
