"""What people who log in are called wherever one is shown: by their membership's name, and never by their email.

Who is no member of any clinic is called by what is before the @ of their email.
"""

import re
from collections.abc import Collection
from typing import Any

from django.db.models import F, Func, OuterRef, Subquery, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from .models import Clinic, Membership, User

_EMAIL = re.compile(r"([^@\s]+)@[^@\s]+")


def person_name(user: str, clinic: "str | Combinable | None" = None) -> Coalesce:
    """Return, for a queryset, the name of the user whose id is in the column `user`; NULL where there is none.

    It is the one that they have in `clinic`, a column or a value. Who isn't a member there has the name of their first
    clinic.
    """
    memberships = Membership.objects.filter(user=OuterRef(user)).exclude(full_name="").order_by("clinic")
    users = User.objects.filter(pk=OuterRef(user))
    before_at = Func(F("email"), Value("@"), Value(1), function="split_part", output_field=TextField())
    names = [memberships.values("full_name"), users.values(before_at=before_at)]
    if clinic is not None:
        there = OuterRef(clinic) if isinstance(clinic, str) else clinic
        names.insert(0, memberships.filter(clinic=there).values("full_name"))
    return Coalesce(*(Subquery(name[:1]) for name in names), output_field=TextField())


def names_of(user_ids: Collection[int | None], clinic_id: int | None = None) -> dict[int | None, str]:
    """Return the names of these users, by their ids, in one query; see `person_name`."""
    known = {user_id for user_id in user_ids if user_id is not None}
    if not known:
        return {}
    name = person_name("pk", None if clinic_id is None else Value(clinic_id))
    return dict(User.objects.filter(pk__in=known).values_list("pk", name))


def member_names(clinic: Clinic, user_ids: Collection[int] | None = None) -> dict[int | None, str]:
    """Return what the members of a clinic are called there, former ones too, by their users' ids; who is none isn't in it.

    `user_ids` are those who are asked for; all without.
    """
    members = Membership.objects.filter(clinic=clinic)
    asked = members if user_ids is None else members.filter(user__in=user_ids)
    return dict(asked.values_list("user_id", "full_name"))


def without_address(name: Any) -> str:
    """Return a name that was kept, such as a signature's: of an email, only what is before the @."""
    text = name if isinstance(name, str) else ""
    email = _EMAIL.fullmatch(text.strip())
    return email[1] if email else text
