"""The two-step login: who has set it up, who must, and what ends when it is set up or removed.

A user who has enrolled an authenticator app logs in with a code of it beside the password. To enroll, and to remove it, ends
all other sessions, whose hash it is part of, and revokes all access tokens: whoever knows the password alone is out.
"""

from contextlib import suppress

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic_project.api.models import Authenticator
from clinic_project.api.problems import Problem

from .models import User

#: What is said of a code that isn't accepted.
INVALID_CODE = _("This code is wrong or too old, or it was used before. Wait for the next code, and type that.")


def must_enroll(user: User) -> bool:
    """Whether `user` is of the staff, of which the setting TOTP_REQUIRED requires it, and hasn't set it up."""
    return bool(settings.TOTP_REQUIRED and user.is_staff and user.enrolled_at is None)


def enrollment_required() -> Problem:
    return Problem(
        403,
        "enrollment-required",
        "The two-step login has to be set up",
        "It is required of all staff. Log in to the admin, which leads to it, and then here again.",
    )


@transaction.atomic
def enroll(user: User, secret: str, code: str) -> list[str] | None:
    """Set it up with the app that has shown `code`; return the recovery codes, None if it isn't the secret's code."""
    _lock(user)
    if Authenticator.objects.filter(user=user).exists():
        return None  # a form that was sent twice
    codes = Authenticator.objects.enroll(user, secret, code)
    if codes is not None:
        _end_what_was_begun_before(user)
    return codes


@transaction.atomic
def remove_authenticator(user: User) -> bool:
    """Let the password alone suffice again. Returns whether there was an authenticator."""
    _lock(user)
    removed, _ = Authenticator.objects.filter(user=user).delete()
    if removed:
        _end_what_was_begun_before(user)
    return bool(removed)


def _lock(user: User) -> None:
    """Keep a login that goes on at the same time from issuing a token by what holds no longer; it locks the row, too."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _end_what_was_begun_before(user: User) -> None:
    user.access_tokens.all().delete()
    with suppress(AttributeError):  # it hasn't been read
        del user.enrolled_at
