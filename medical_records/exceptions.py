"""Why a change of a template, record or photo is refused.

ChangeRefused
├── StaleVersion         somebody changed it since it was read
├── InTrash              only what is in use can be changed
├── NotInTrash           only what is in the trash can be restored or removed for good
├── Retained             what is a patient's is only removed for good when its time is over
├── UnusableReference    it refers to something that is there but can't be used for this
└── Suppressed           the database leaves the row as it is and raises nothing, as another system's trigger may

What isn't there, or not in the clinic, is the model's own DoesNotExist; input that breaks a rule is a ValidationError
whose keys are paths such as ``fields.0.label``.
"""

from datetime import datetime

from django.db import models


class ChangeRefused(Exception):
    """Base of all; the message speaks to the person who asked for the change."""


class StaleVersion(ChangeRefused):
    """`current` is the row as it is now."""

    def __init__(self, current: models.Model) -> None:
        super().__init__("It has been changed since you read it. Read it again and repeat your change.")
        self.current = current


class InTrash(ChangeRefused):
    def __init__(self) -> None:
        super().__init__("It is in the trash. Restore it first.")


class NotInTrash(ChangeRefused):
    def __init__(self) -> None:
        super().__init__("It isn't in the trash.")


class Retained(ChangeRefused):
    """`until` is when the time is over."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"It has to be kept until {until:%Y-%m-%d}. It stays in the trash.")
        self.until = until


class UnusableReference(ChangeRefused):
    """`field` names the input that refers to it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Suppressed(ChangeRefused):
    def __init__(self) -> None:
        super().__init__(
            "The database left it as it is. A trigger or rule of another system does that. Tell whoever runs the server."
        )
