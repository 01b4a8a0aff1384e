"""A clinic and the user who administers it: what of them is there, and making what is missing.

For a database in which nobody can log in yet to do that in the admin. `manage.py create_clinic` calls it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection, models

from clinic_project.audit import transactions
from clinic_project.reconciliation.cached_declaration import inspect_database
from clinic_project.reconciliation.pipeline import find_serving_problems
from clinic_project.reconciliation.planning.serving import ServingProblem

from .models import Clinic, Membership, User

Row = TypeVar("Row", bound=models.Model)


class NotUnambiguous(Exception):
    """Several rows are meant, or one that is inactive, or has what isn't understood. The message says which, what to do."""


@dataclass(frozen=True)
class FirstClinic:
    """What is asked for: the clinic, and a user who works in the admin and is an administrator of the clinic."""

    name: str
    email: str
    full_name: str
    is_superuser: bool


@dataclass(frozen=True)
class Found:
    """What of it is there."""

    user: User | None
    clinic: Clinic | None
    membership: Membership | None

    def missing(self) -> list[type[models.Model]]:
        there = {User: self.user, Clinic: self.clinic, Membership: self.membership}
        return [model for model, row in there.items() if row is None]

    def lacks_password(self) -> bool:
        return self.user is None or not (self.user.password and self.user.has_usable_password())


@transactions.atomic
def find(requested: FirstClinic) -> Found:
    """Return what is there; raises NotUnambiguous."""
    # Locked, so that a second call at the same time waits and finds what the first one makes.
    users = list(User.objects.filter(email__iexact=requested.email).select_for_update())
    exactly = [user for user in users if user.email == requested.email]
    user = _only(
        exactly or users, f"users have the email {requested.email} but for its case. Spell it as one of them does."
    )
    clinics = list(Clinic.objects.filter(name=requested.name))
    clinic = _only(
        clinics, f"clinics have the name {requested.name}. Make the membership of the right one in the admin."
    )
    membership = Membership.objects.filter(user=user, clinic=clinic).first() if user and clinic else None
    for row, kind in ((user, "user"), (clinic, "clinic"), (membership, "membership")):
        if row is not None and not row.is_active:
            named = row.email if isinstance(row, User) else row
            raise NotUnambiguous(f"The {kind} {named} is inactive. Make it active in the admin, or name another.")
    if membership is not None and not isinstance(membership.roles, list | None):
        raise NotUnambiguous(
            f"The membership of {membership} has roles of another system: expected a JSON array of names, found"
            f" {json.dumps(membership.roles)}. Make it one in that system or by SQL: the array's other names are kept."
        )
    return Found(user, clinic, membership)


def _only(rows: Sequence[Row], problem: str) -> Row | None:
    if len(rows) > 1:
        raise NotUnambiguous(f"{len(rows)} {problem}")
    return rows[0] if rows else None


def insert_problems(tables: Sequence[type[models.Model]]) -> list[ServingProblem]:
    """Return what makes inserts into the tables of these models fail: another system's columns, or a schema that is behind.

    Raises ReconciliationError, django.db.Error where the schema can't be compared.
    """
    names = {model._meta.db_table for model in tables}
    problems = find_serving_problems(connection, inspect_database(), names) if names else []
    return [problem for problem in problems if problem.subject.table in names]


@transactions.atomic
def complete(requested: FirstClinic, password: str | None) -> list[str]:
    """Make what is missing, and return a sentence for each of user, clinic and membership; raises NotUnambiguous.

    `password` is for a user who is new or has none.
    """
    found = find(requested)
    user, about_user = _complete_user(requested, found, password)
    clinic, about_clinic = found.clinic, f"The clinic {requested.name} was there."
    if clinic is None:
        clinic, about_clinic = Clinic.objects.create(name=requested.name), f"Made the clinic {requested.name}."
    return [about_user, about_clinic, _complete_membership(requested, found.membership, user, clinic)]


def _complete_user(requested: FirstClinic, found: Found, password: str | None) -> tuple[User, str]:
    if found.user is None:
        user = User.objects.create_user(requested.email, password, is_staff=True, is_superuser=requested.is_superuser)
        return user, f"Made the user {user.email}{', a superuser' if requested.is_superuser else ''}."
    user = found.user
    added = _set(user, is_staff=True, is_superuser=user.is_superuser or requested.is_superuser)
    if found.lacks_password() and password is not None:
        user.set_password(password)
        added.append("password")
    if added:
        user.save(update_fields=added)
    return user, _was_there(f"user {user.email}", added)


def _complete_membership(requested: FirstClinic, membership: Membership | None, user: User, clinic: Clinic) -> str:
    admin = Membership.Role.ADMIN.value
    if membership is None:
        Membership.objects.create(user=user, clinic=clinic, full_name=requested.full_name, roles=[admin])
        return f"Made the membership of {requested.full_name}, with the role {admin}."
    held = membership.roles or []
    added = _set(membership, roles=held if admin in held else [*held, admin])
    if added:
        membership.save(update_fields=added)
    return _was_there(f"membership of {membership}", added)


def _set(row: models.Model, **columns: Any) -> list[str]:
    """Set the columns, and return the names of those that had other values."""
    changed = [name for name, value in columns.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, columns[name])
    return changed


def _was_there(what: str, changed: Sequence[str]) -> str:
    return f"The {what} was there." + (f" Set now: {', '.join(changed)}." if changed else "")
