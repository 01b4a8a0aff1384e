"""What the person at the admin may see and change: what their memberships say, and everything for a superuser."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, cast
from weakref import WeakKeyDictionary

from django.db import models
from django.http import HttpRequest

from ..access import active_memberships
from ..models import Clinic, Membership, User
from ..people import names_of


class Scope:
    """One user's clinics and roles, read once."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.is_unlimited = user.is_active and user.is_superuser

    @cached_property
    def memberships(self) -> list[Membership]:
        """The active memberships of the user."""
        return active_memberships(self.user)

    def name_in(self, clinic_id: int) -> str:
        """Return what the user is called in a clinic."""
        return names_of([self.user.pk], clinic_id)[self.user.pk]

    @cached_property
    def roles(self) -> dict[int, frozenset[str]]:
        """The roles of the user, by the clinics that they are an active member of."""
        return {membership.clinic_id: frozenset(membership.role_names) for membership in self.memberships}

    @property
    def clinic_ids(self) -> list[int]:
        """The clinics that the user is an active member of, whether with a role or without."""
        return sorted(self.roles)

    @cached_property
    def has_several_clinics(self) -> bool:
        """Whether there are several clinics, of which a superuser sees all."""
        return len(Clinic.objects.values("pk")[:2]) > 1

    def clinics_with(self, roles: Iterable[str]) -> models.QuerySet[Clinic]:
        """Return the clinics in which the user has one of `roles`."""
        if self.is_unlimited:
            return Clinic.objects.all()
        return Clinic.objects.filter(pk__in=[pk for pk in self.roles if self.has_role(roles, pk)])

    def has_role(self, roles: Iterable[str], clinic_id: int | None = None) -> bool:
        """Say whether the user has one of `roles` in that clinic; without `clinic_id`, in any clinic."""
        if self.is_unlimited:
            return True
        clinic_ids = self.clinic_ids if clinic_id is None else [clinic_id]
        return any(not self.roles.get(pk, frozenset()).isdisjoint(roles) for pk in clinic_ids)


_scopes: WeakKeyDictionary[HttpRequest, Scope] = WeakKeyDictionary()


def scope_of(request: HttpRequest) -> Scope:
    """Return the scope of the person who sends `request`, the same one however often it is asked for."""
    if request not in _scopes:
        _scopes[request] = Scope(cast("Any", request.user))
    return _scopes[request]
