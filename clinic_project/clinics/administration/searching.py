"""Searching by a patient's name or phone number, at the cost of at most the clinic's own patients.

Over all of several clinics, which only superusers see, a search is for how these begin: an index finds that.
"""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from clinic_project.api.converters import parse_row_id

from ..models import Patient
from ..querysets import PatientQuerySet
from .base import ClinicModelAdmin
from .filters import ClinicFilter
from .lists import sorted_apart
from .scope import scope_of

#: A list shows what belongs to so many patients at most. Who types a name finds fewer.
MAX_PATIENTS = 1_000

PART = _("Part of a patient's name or phone number.")
TOO_MANY = _("More than %(count)s patients are found. This lists what %(count)s of them have: type more.")
BEGINNING = _("How a patient's name or phone number begins. In a clinic's list, a part of them is enough.")


def shown_clinics(request: HttpRequest) -> list[int] | None:
    """Return the ids of the clinics whose rows a list shows; None where it shows those of all clinics."""
    scope = scope_of(request)
    chosen = parse_row_id(request.GET.get(ClinicFilter.parameter_name, ""))
    if chosen is not None and (scope.is_unlimited or chosen in scope.clinic_ids):
        return [chosen]
    return None if scope.is_unlimited else scope.clinic_ids


class PatientSearchMixin(ClinicModelAdmin):
    """For rows that have a patient. `search_fields` only say that there is a search: it is for patients."""

    #: What a search is for, where it finds parts, and where it finds beginnings.
    search_help_texts: ClassVar[tuple[Any, Any]] = (PART, BEGINNING)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        text = search_term.strip()
        return (self.search(request, queryset, text) if text else queryset), False

    def search(self, request: HttpRequest, queryset: Any, text: str) -> Any:
        """Return the rows of `queryset` that belong to a patient whom `text` finds."""
        return sorted_apart(queryset.filter(patient__in=self.find_patients(request, text)))

    def find_patients(self, request: HttpRequest, text: str) -> Any:
        """Return the ids of the patients whom `text` finds, MAX_PATIENTS at most; the page says if there are more."""
        clinic_ids = shown_clinics(request)
        patients = Patient.objects.all() if clinic_ids is None else Patient.objects.for_clinics(clinic_ids)
        found = search_patients(request, patients, text).values_list("pk", flat=True)[: MAX_PATIENTS + 1]
        if len(found) > MAX_PATIENTS:
            self.message_user(request, TOO_MANY % {"count": f"{MAX_PATIENTS:,}"}, messages.WARNING)
        return found[:MAX_PATIENTS]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        change_list = super().get_changelist_instance(request)
        change_list.search_help_text = str(self.search_help_texts[0 if _finds_parts(request) else 1])
        return change_list


def search_patients(request: HttpRequest, patients: PatientQuerySet, text: str) -> PatientQuerySet:
    """Return those of `patients` whom `text` finds in the list at `request`."""
    return patients.search(text) if _finds_parts(request) else patients.search_beginnings(text)


def _finds_parts(request: HttpRequest) -> bool:
    return shown_clinics(request) is not None or not scope_of(request).has_several_clinics
