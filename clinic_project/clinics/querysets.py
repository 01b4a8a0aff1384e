"""What a clinic may see: every query of what belongs to one starts with `for_clinic`."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from django.db import models
from django.db.models import Q

from clinic_project.api.searching import Digits, caseless_key, digits_key, digits_of, key_begins, text_contains

if TYPE_CHECKING:
    from .models import Appointment, Clinic, Patient  # noqa: F401 - some are named in strings below

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)

#: What a list shows: what is in use, what is in the trash, or both.
Status = Literal["active", "deleted", "all"]


class ClinicQuerySet(models.QuerySet[Row_co]):
    """Rows that belong to a clinic."""

    #: The lookup of the clinic from these rows.
    clinic_lookup = "clinic"

    def for_clinic(self, clinic: "Clinic | int") -> Self:
        """Only what belongs to `clinic`, which may be its id."""
        return self.filter(**{self.clinic_lookup: clinic})

    def for_clinics(self, clinic_ids: Collection[int]) -> Self:
        """Only what belongs to one of the clinics with those ids: for staff who work in several."""
        return self.filter(**{f"{self.clinic_lookup}__in": clinic_ids})


class TrashQuerySet(ClinicQuerySet[Row_co]):
    """Rows that go to the trash before they go for good."""

    def active(self) -> Self:
        return self.filter(is_deleted=False)

    def in_trash(self) -> Self:
        return self.filter(is_deleted=True)

    def with_status(self, status: Status) -> Self:
        choices: dict[str, Any] = {"active": self.active, "deleted": self.in_trash, "all": self.all}
        rows: Self = choices[status]()
        return rows


class PatientQuerySet(TrashQuerySet["Patient"]):
    def search(self, text: str) -> Self:
        """Only patients whose name has `text` in it, or whose phone number has its digits, spaced in any way."""
        found, digits = text_contains("full_name", text), digits_of(text)
        if digits is None:
            return self.filter(found)
        return self.alias(phone_digits=Digits("phone_number")).filter(found | Q(phone_digits__contains=digits))

    def search_beginnings(self, text: str) -> Self:
        """Only patients whose name begins with `text`, or whose phone number with it where it is digits.

        An index finds these among the patients of all clinics, which `search` would read one by one.
        """
        digits = digits_of(text)
        if digits is None:
            return self.alias(name_key=caseless_key("full_name")).filter(key_begins("name_key", text))
        return self.alias(phone_key=digits_key("phone_number")).filter(phone_key__startswith=digits)


class AppointmentQuerySet(ClinicQuerySet["Appointment"]):
    clinic_lookup = "calendar_event__clinic"
