"""Somebody logged in to the admin by Django's test client, and what a list shows them."""

import pytest

from clinic_project.clinics.factories import MembershipFactory, UserFactory


@pytest.fixture
def superuser(client):
    user = UserFactory(superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def staff_member(client):
    """A practitioner on the staff of one clinic."""
    membership = MembershipFactory(user__staff=True)
    client.force_login(membership.user)
    return membership


def rows_of(response) -> list:
    """Return the rows of a list's page."""
    return list(response.context["cl"].result_list)
