import pytest
from rest_framework.test import APIClient

from clinic_project.clinics.factories import MembershipFactory

from .admin_site import staff_member, superuser
from .browser import browser, staff
from .clients import client_of

__all__ = ["browser", "staff", "staff_member", "superuser"]


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


@pytest.fixture
def api(member) -> APIClient:
    return client_of(member)
