"""Which clinic a request sees, and what its sender may do there. The one place that decides it."""

from collections.abc import Iterable
from dataclasses import dataclass

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from clinic_project.clinics.models import Clinic, Membership, User

from .problems import Problem

Role = Membership.Role

#: Who may write what isn't an administrator's business.
CLINICAL = frozenset({Role.ADMIN, Role.PRACTITIONER})
ADMINISTRATIVE = frozenset({Role.ADMIN})

CLINIC_HEADER = "X-Clinic-ID"


@dataclass(frozen=True, slots=True)
class ClinicAccess:
    """A user at work in one clinic; everything a request reads or writes goes through `clinic`."""

    user: User
    membership: Membership

    @property
    def clinic(self) -> Clinic:
        return self.membership.clinic

    def has_any(self, roles: Iterable[Role]) -> bool:
        return not set(roles).isdisjoint(self.membership.role_names)

    def require(self, roles: Iterable[Role]) -> None:
        """Raise PermissionDenied unless the membership has one of `roles`."""
        if not self.has_any(roles):
            wanted = " or ".join(sorted(roles))
            raise PermissionDenied(f"This wants the role {wanted} in the clinic; your membership doesn't have it.")


def clinic_access(user: User, request: Request) -> ClinicAccess:
    """Return the access of `user` to the clinic that `request` names, or to their only one.

    Raises PermissionDenied where they aren't an active member of it, and Problem (400) where they have several and
    name none.
    """
    memberships = active_memberships(user)
    named = request.headers.get(CLINIC_HEADER)
    if named is not None:
        memberships = [m for m in memberships if m.clinic_id == _clinic_id(named)]
    if not memberships:
        raise PermissionDenied("You have no active membership in that clinic, or in any active one.")
    if len(memberships) > 1:
        raise _ambiguous(memberships)
    return ClinicAccess(user, memberships[0])


def active_memberships(user: User) -> list[Membership]:
    """Return the memberships of `user` that count, their clinics with them, in one query."""
    active = Membership.objects.filter(user=user, is_active=True, clinic__is_active=True)
    return list(active.select_related("clinic").order_by("clinic_id"))


def _clinic_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Problem(
            400,
            "invalid-clinic",
            "The clinic isn't named by its id",
            f"{CLINIC_HEADER} takes one of your clinics' ids.",
        )
    return int(text)


def _ambiguous(memberships: list[Membership]) -> Problem:
    return Problem(
        400,
        "clinic-not-named",
        "Several clinics, and none named",
        f"You are a member of several clinics. Name one of them in the {CLINIC_HEADER} header.",
        clinics=[{"id": m.clinic_id, "name": m.clinic.name} for m in memberships],
    )
