"""What a clinic may see of its templates, records and photos: every query of them starts with `for_clinic`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from django.db import models

from clinic_project.clinics.models import Clinic

if TYPE_CHECKING:
    from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto  # noqa: F401 - named in strings below

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)

#: What a list shows: what is in use, what is in the trash, or both.
Status = Literal["active", "deleted", "all"]


class ClinicQuerySet(models.QuerySet[Row_co]):
    """Rows that belong to a clinic and go to the trash before they go for good."""

    def for_clinic(self, clinic: Clinic) -> Self:
        """Only what belongs to `clinic`. The one place that decides what a clinic may see."""
        return self.for_clinics([clinic.pk])

    def for_clinics(self, clinic_ids: Iterable[int]) -> Self:
        """Only what belongs to one of the clinics with those ids: for staff who work in several."""
        return self.filter(clinic__in=clinic_ids)

    def active(self) -> Self:
        return self.filter(is_deleted=False)

    def in_trash(self) -> Self:
        return self.filter(is_deleted=True)

    def with_status(self, status: Status) -> Self:
        match status:
            case "active":
                return self.active()
            case "deleted":
                return self.in_trash()
            case "all":
                return self.all()


class TemplateQuerySet(ClinicQuerySet["MedicalRecordTemplate"]):
    pass


class RecordQuerySet(ClinicQuerySet["MedicalRecord"]):
    pass


class PhotoQuerySet(ClinicQuerySet["PatientPhoto"]):
    pass
