"""Which patient a new record is for, and from which template: pages that search, by GET alone."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from django.db import models
from django.db.models import Q
from django.http import HttpRequest

from clinic_project.api.converters import parse_row_id
from clinic_project.api.searching import text_contains
from clinic_project.clinics.access import CLINICAL_ROLES
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.models import Patient
from clinic_project.clinics.querysets import ClinicQuerySet

from ..models import MedicalRecordTemplate
from ..querysets import TemplateQuerySet

#: Patients or templates on a page. Who types more finds fewer.
MAX_FOUND = 50

_NUMBERS = re.compile(r"(\d{1,4})[-/.年 ]+(\d{1,2})[-/.月 ]+(\d{1,4})日?")
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)

Rows = TypeVar("Rows", bound=ClinicQuerySet[Any])


@dataclass(frozen=True, slots=True)
class Found:
    """The first of what a search has found; `are_more`: there are others."""

    rows: list[Any]
    are_more: bool

    @classmethod
    def first_of(cls, rows: models.QuerySet[Any]) -> "Found":
        found = list(rows[: MAX_FOUND + 1])
        return cls(found[:MAX_FOUND], len(found) > MAX_FOUND)


class Choice:
    """What the query of `request` has chosen among what its user may fill in: a template for a patient of one clinic.

    What is in the trash can't be chosen any more; a form that was opened before is shown again all the same.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._scope = scope_of(request)
        self._query = request.GET
        # PostgreSQL takes no NUL.
        self.text = request.GET.get("q", "").replace("\0", "").strip()

    @cached_property
    def patient(self) -> Patient | None:
        return self._chosen("patient", self._in_scope(Patient.objects.select_related("clinic")))

    @cached_property
    def template(self) -> MedicalRecordTemplate | None:
        found = self._chosen("template", self._in_scope(MedicalRecordTemplate.objects.all()))
        if found is not None and self.patient is not None and found.clinic_id != self.patient.clinic_id:
            return None
        return found

    @property
    def is_missing(self) -> bool:
        """Whether something was chosen that isn't there, or not together with the other."""
        return any(
            self._query.get(name) and chosen is None
            for name, chosen in (("patient", self.patient), ("template", self.template))
        )

    @property
    def in_trash(self) -> list[Patient | MedicalRecordTemplate]:
        return [chosen for chosen in (self.patient, self.template) if chosen is not None and chosen.is_deleted]

    def find_patients(self) -> Found | None:
        """Return the patients whom the text finds, by name; None where there is none."""
        if not self.text:
            return None
        patients = self._in_scope(Patient.objects.active())
        if self.template is not None:
            patients = patients.for_clinic(self.template.clinic_id)
        # As in the lists: of all clinics' patients, an index finds those whose name or phone number begins so.
        finds_parts = not (self._scope.is_unlimited and self.is_of_several_clinics)
        named = patients.search(self.text) if finds_parts else patients.search_beginnings(self.text)
        found = Q(pk__in=named.values("pk"))
        if days := list(dates_of(self.text)):
            found |= Q(birthday__in=days)
        return Found.first_of(patients.filter(found).select_related("clinic").order_by("full_name", "pk"))

    def find_templates(self) -> Found:
        """Return the templates that the patient's record can be made from, those whose name has the text in it."""
        templates: TemplateQuerySet = self._in_scope(MedicalRecordTemplate.objects.active())
        if self.patient is not None:
            templates = templates.for_clinic(self.patient.clinic_id)
        if self.text:
            templates = templates.filter(text_contains("name", self.text))
        return Found.first_of(templates.defer("fields").order_by("name", "pk"))

    @cached_property
    def _clinic_ids(self) -> list[int]:
        """The clinics in which the user has a role that may write records."""
        return [pk for pk in self._scope.clinic_ids if self._scope.has_role(CLINICAL_ROLES, pk)]

    @property
    def is_of_several_clinics(self) -> bool:
        """Whether patients of several clinics may be found."""
        if self.template is not None:
            return False
        return self._scope.has_several_clinics if self._scope.is_unlimited else len(self._clinic_ids) > 1

    def _in_scope(self, rows: Rows) -> Rows:
        """Return what belongs to the clinics in which the user may write records."""
        return rows if self._scope.is_unlimited else rows.for_clinics(self._clinic_ids)

    def _chosen(self, name: str, rows: Any) -> Any:
        pk = parse_row_id(self._query.get(name, ""))
        return None if pk is None else rows.filter(pk=pk).first()


def dates_of(text: str) -> Iterator[date]:
    """Yield the dates that `text` may be: 1990-03-15, 15.3.1990, 19900315; 3/4/1990 is two."""
    text = unicodedata.normalize("NFKC", text)
    found = _NUMBERS.fullmatch(text) or _DIGITS.fullmatch(text)
    if found is None:
        return
    first, second, third = map(int, found.groups())
    orders = [(first, second, third)] if len(found[1]) == 4 else [(third, second, first), (third, first, second)]
    for year, month, day in dict.fromkeys(orders):
        with suppress(ValueError):
            yield date(year, month, day)
