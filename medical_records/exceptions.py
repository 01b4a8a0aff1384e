"""Why a change of a template, record or photo is refused.

ChangeRefused
├── StaleVersion         somebody changed it since it was read
├── InTrash              only what is in use can be changed
├── NotInTrash           only what is in the trash can be restored or removed for good
├── Retained             what is a patient's is only removed for good when its time is over
├── Signed               it is signed, and the change is no amendment
├── NotSigned            only what is signed is amended
├── EnteredInError       it is marked so, and stays as it is until that is undone
├── NotEnteredInError    only such a mark can be undone
├── MissingAnswers       required fields have no answer, so that it isn't signed
├── Unsignable           it holds what the hash of a signature can't be made of
├── TooManyPhotos        a record has as many as it can be saved with
├── UnusableReference    it refers to something that is there but can't be used for this
└── Suppressed           the database leaves the row as it is and raises nothing, as another system's trigger may

What isn't there, or not in the clinic, is the model's own DoesNotExist; input that breaks a rule is a ValidationError
whose keys are paths such as ``fields.0.label``.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


class ChangeRefused(Exception):
    """Base of all; the message speaks to the person who asked for the change."""


class StaleVersion(ChangeRefused):
    """`current` is the row as it is now."""

    def __init__(self, current: models.Model) -> None:
        super().__init__(_("It has been changed since you read it. Read it again and repeat your change."))
        self.current = current


class InTrash(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(_("It is in the trash. Restore it first."))


class NotInTrash(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(_("It isn't in the trash."))


class Retained(ChangeRefused):
    """`until` is when the time is over."""

    def __init__(self, until: datetime) -> None:
        day = f"{localtime(until):%Y-%m-%d}"
        super().__init__(_("It has to be kept until %(day)s. It stays in the trash.") % {"day": day})
        self.until = until


class Signed(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(
            _(
                "The record is signed. Only an amendment changes it: give a reason, and a new version is made, which isn't"
                " signed."
            )
        )


class NotSigned(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(_("The record isn't signed. Change it without a reason for an amendment."))


class EnteredInError(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(_("The record is marked as entered in error. Undo that first."))


class NotEnteredInError(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(_("The record isn't marked as entered in error."))


class MissingAnswers(ChangeRefused):
    """`field_ids` are those of the required fields without an answer."""

    def __init__(self, field_ids: Sequence[str]) -> None:
        super().__init__(_("Required fields have no answer. Answer them, or sign it as incomplete."))
        self.field_ids = field_ids


class Unsignable(ChangeRefused):
    pass


class TooManyPhotos(ChangeRefused):
    """`most` is how many a record has at most."""

    def __init__(self, most: int) -> None:
        said = ngettext("A record has at most %(most)d photo.", "A record has at most %(most)d photos.", most)
        super().__init__(said % {"most": most})


class UnusableReference(ChangeRefused):
    """`field` names the input that refers to it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Suppressed(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(
            _(
                "The database left it as it is. A trigger or rule of another system does that. Tell whoever runs the server."
            )
        )
