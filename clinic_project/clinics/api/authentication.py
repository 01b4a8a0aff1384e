"""Authentication by an access token, which is read with its user and their memberships in one statement; or by a session."""

from typing import Any

from django.db.models import DateTimeField, QuerySet
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from clinic_project.api.authentication import BearerAuthentication
from clinic_project.api.compiled_queries import Instances, fetch
from clinic_project.api.models import AccessToken, token_digest

from ..models import Clinic, Membership, User
from ..two_step import enrollment_required, must_enroll

_READ = Instances(
    {"": AccessToken, "user__": User, "user__memberships__": Membership, "user__memberships__clinic__": Clinic},
    deferred=DateTimeField,
)


class MemberAuthentication(BearerAuthentication):
    """The users that it finds know their memberships: see `User.known_memberships`."""

    def find(self, token: str) -> AccessToken | None:
        rows = [_READ.of(row) for row in fetch(_valid_token, digest=token_digest(token))]
        if not rows:
            return None
        found: AccessToken = rows[0][0]
        user = found.user = rows[0][1]
        user.known_memberships = []
        for _, _, membership, clinic in rows:
            if clinic is not None:  # an adopted database may have memberships of clinics that have gone
                membership.user, membership.clinic = user, clinic
                user.known_memberships.append(membership)
        return found

    def authenticate(self, request: Request) -> Any:
        return _enrolled(super().authenticate(request))


class MemberSessionAuthentication(SessionAuthentication):
    def authenticate(self, request: Request) -> Any:
        return _enrolled(super().authenticate(request))


def _enrolled(authenticated: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
    """Return who was authenticated and by what; raise Problem (403) if they have to set up the two-step login first."""
    if authenticated is not None and must_enroll(authenticated[0]):
        raise enrollment_required()
    return authenticated


def _valid_token(*, digest: Any) -> QuerySet[Any, Any]:
    """Select the token with this digest: a row for each membership of its user, or one where there is none."""
    tokens = AccessToken.objects.valid().filter(digest=digest).order_by("user__memberships__clinic")
    return tokens.values_list(*_READ.columns)
