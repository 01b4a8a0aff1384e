"""Clients of the API, as other programs have them, and the problems that they get."""

from rest_framework.test import APIClient

from clinic_project.api.models import AccessToken
from clinic_project.clinics.models import Membership


def client_of(membership: Membership) -> APIClient:
    """Return a client that sends an access token of the member."""
    token, _ = AccessToken.objects.issue(membership.user)
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def kind(response) -> tuple[int, str]:
    """Return the status of a problem, and the last part of its type."""
    return response.status_code, response.json()["type"].removeprefix("/problems/")
