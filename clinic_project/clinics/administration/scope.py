"""What the person at the admin may see and change: what their memberships say, and everything for a superuser."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from django.db import models
from django.http import HttpRequest

from ..models import Clinic, Membership, User

ModelT = TypeVar("ModelT", bound=models.Model)

EVERY_ROLE = frozenset(Membership.Role)
ADMIN_ONLY = frozenset({Membership.Role.ADMIN})


class Scope:
    """One user's clinics and roles, read once."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.is_unlimited = user.is_active and user.is_superuser

    @cached_property
    def roles(self) -> dict[int, frozenset[str]]:
        """The roles of the user, by clinic: active memberships of active clinics."""
        memberships = Membership.objects.filter(user=self.user, is_active=True, clinic__is_active=True)
        return {clinic: frozenset(roles or ()) for clinic, roles in memberships.values_list("clinic_id", "roles")}

    def limit(self, queryset: models.QuerySet[ModelT], clinic_path: str) -> models.QuerySet[ModelT]:
        """Return the rows of `queryset` whose clinic, found at `clinic_path`, is one of the user's."""
        if self.is_unlimited:
            return queryset
        return queryset.filter(**{f"{clinic_path}__in": sorted(self.roles)})

    def clinics_with(self, wanted: Iterable[str]) -> models.QuerySet[Clinic]:
        """Return the clinics in which the user has one of the `wanted` roles."""
        clinics = Clinic.objects.all()
        return (
            clinics
            if self.is_unlimited
            else clinics.filter(pk__in=[pk for pk in self.roles if self.has_role(wanted, pk)])
        )

    def has_role(self, wanted: Iterable[str], clinic_id: int | None = None) -> bool:
        """Say whether the user has one of the `wanted` roles in that clinic; without one, in any clinic."""
        if self.is_unlimited:
            return True
        held: Iterable[frozenset[str]]
        held = self.roles.values() if clinic_id is None else [self.roles.get(clinic_id, frozenset())]
        return any(roles & set(wanted) for roles in held)


_scopes: WeakKeyDictionary[HttpRequest, Scope] = WeakKeyDictionary()


def scope_of(request: HttpRequest) -> Scope:
    """Return the scope of the person who sends `request`, the same one however often it is asked for."""
    if request not in _scopes:
        _scopes[request] = Scope(cast("Any", request.user))
    return _scopes[request]
