"""Who may work in which clinic, and with which roles. The one place that decides it.

AccessRefused
├── NoMembership          no active membership, in that clinic or in any
├── SeveralMemberships    several, and none was chosen
└── RoleMissing           the membership has none of the roles that may do it
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .models import Clinic, Membership, User

Role = Membership.Role

#: Who may write patients, records and photos.
CLINICAL_ROLES = frozenset({Role.ADMIN, Role.PRACTITIONER})
#: Who may write templates, and delete for good.
ADMIN_ROLES = frozenset({Role.ADMIN})


class AccessRefused(Exception):
    """Base of all; the message speaks to the person who asked."""


class NoMembership(AccessRefused):
    def __init__(self) -> None:
        super().__init__("You have no active membership in that clinic, or in any active one.")


class SeveralMemberships(AccessRefused):
    """`memberships` are those to choose from, their clinics with them."""

    def __init__(self, memberships: Sequence[Membership]) -> None:
        super().__init__("You are a member of several clinics.")
        self.memberships = memberships


class RoleMissing(AccessRefused):
    def __init__(self, roles: Iterable[Role]) -> None:
        required = " or ".join(sorted(roles))
        super().__init__(f"This requires the role {required} in the clinic; your membership doesn't have it.")


@dataclass(frozen=True, slots=True)
class ClinicAccess:
    """A user who works in one clinic: everything they read or write belongs to `clinic`."""

    user: User
    membership: Membership

    @property
    def clinic(self) -> Clinic:
        return self.membership.clinic

    def require(self, roles: Iterable[Role]) -> None:
        """Raise RoleMissing unless the membership has one of `roles`."""
        if set(roles).isdisjoint(self.membership.role_names):
            raise RoleMissing(roles)


def active_memberships(user: User) -> list[Membership]:
    """Return the active memberships of `user` in active clinics, with these: those that are known, or read in one query."""
    memberships = user.known_memberships
    if memberships is None:
        memberships = list(user.memberships.select_related("clinic").order_by("clinic_id"))
    return [membership for membership in memberships if membership.is_active and membership.clinic.is_active]


def only_access(user: User, memberships: Sequence[Membership]) -> ClinicAccess:
    """Return the access of `user` by the only one of `memberships`; raises NoMembership, SeveralMemberships."""
    if not memberships:
        raise NoMembership
    if len(memberships) > 1:
        raise SeveralMemberships(memberships)
    return ClinicAccess(user, memberships[0])
