"""The filters of the lists of patients and appointments, and that of everything that has a trash."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from clinic_project.api.filters import ChoiceFilter, DateFilter, IdFilter, SearchFilter, TimeFilter
from clinic_project.audit.models import Access

from ..models import Appointment, Patient
from ..querysets import PatientQuerySet, TrashQuerySet


class StatusFilter(ChoiceFilter):
    def __init__(self, **options: Any) -> None:
        help_text = "`active` (unless said otherwise), `deleted` for what is in the trash, or `all`."
        super().__init__("active", "deleted", "all", help_text=help_text, **options)

    def filter(self, qs: TrashQuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.with_status(value or "active")


class PatientFilterSet(django_filters.FilterSet):
    search = SearchFilter(
        method="filter_search", help_text="A part of the name, in any case, or digits of the phone, spaced in any way."
    )
    status = StatusFilter()

    class Meta:
        model = Patient
        fields: list[str] = []

    def filter_search(self, patients: PatientQuerySet, name: str, value: str) -> PatientQuerySet:
        return patients.search(value)


class AppointmentFilterSet(django_filters.FilterSet):
    patient_id = IdFilter(field_name="patient_id")
    date = DateFilter(field_name="calendar_event__date", help_text="The day, as YYYY-MM-DD.")
    patient = IdFilter(field_name="patient_id", of="patient_id")

    class Meta:
        model = Appointment
        fields: list[str] = []


class AccessFilterSet(django_filters.FilterSet):
    user_id = IdFilter(field_name="user_id", help_text="Who looked.")
    after = TimeFilter(field_name="at", lookup_expr="gte", help_text="At this time or later.")
    before = TimeFilter(field_name="at", lookup_expr="lt", help_text="Before this time.")

    class Meta:
        model = Access
        fields: list[str] = []
