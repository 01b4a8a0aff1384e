"""What lists can be narrowed by, in the query string."""

import datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.utils import translate_validation
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from clinic_project.clinics.api.converters import MAX_ID
from clinic_project.clinics.querysets import TrashQuerySet
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.querysets import PhotoQuerySet


class IdField(forms.Field):
    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 10 and 1 <= int(value) <= MAX_ID):
            raise forms.ValidationError(f"A whole number from 1 to {MAX_ID}.")
        return int(value)


class IdFilter(django_filters.Filter):
    field_class = IdField


class StatusFilter(django_filters.ChoiceFilter):
    """`active` (unless said otherwise), `deleted` for what is in the trash, or `all`."""

    CHOICES = [("active", "in use"), ("deleted", "in the trash"), ("all", "both")]

    def __init__(self, **options: Any) -> None:
        messages = {"invalid_choice": "active, deleted or all."}
        super().__init__(choices=self.CHOICES, empty_label=None, error_messages=messages, **options)

    def filter(self, qs: TrashQuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.with_status(value or "active")


class TimeFilter(django_filters.IsoDateTimeFilter):
    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages={"invalid": "A time in ISO 8601, such as 2026-03-14T09:26:53Z."}, **options)

    def filter(self, qs: QuerySet[Any], value: datetime.datetime | None) -> QuerySet[Any]:
        return super().filter(qs, value and _in_utc(value))


def _in_utc(value: datetime.datetime) -> datetime.datetime:
    """Turn `value` into UTC, because PostgreSQL reads no offset beyond 16 hours; the calendar's ends stay there."""
    try:
        return value.astimezone(datetime.UTC)
    except OverflowError:
        return value.replace(tzinfo=datetime.UTC)


class TemplateFilters(django_filters.FilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=255)
    status = StatusFilter()

    class Meta:
        model = MedicalRecordTemplate
        fields: list[str] = []


class PatientRecordFilters(django_filters.FilterSet):
    """`updated_since` is for keeping a copy: it shows deletions as well, unless `status` says otherwise."""

    template = IdFilter(field_name="template_id")
    appointment = IdFilter(field_name="appointment_id")
    status = StatusFilter()
    created_after = TimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = TimeFilter(field_name="created_at", lookup_expr="lt")
    updated_since = TimeFilter(field_name="updated_at", lookup_expr="gte")

    class Meta:
        model = MedicalRecord
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        given = self.form.cleaned_data
        if given["updated_since"] and not given["status"]:
            given["status"] = "all"
        return super().filter_queryset(queryset)


class RecordFilters(PatientRecordFilters):
    patient = IdFilter(field_name="patient_id")


class YesNoFilter(django_filters.ChoiceFilter):
    def __init__(self, **options: Any) -> None:
        messages = {"invalid_choice": "true or false."}
        super().__init__(choices=[("true", "yes"), ("false", "no")], error_messages=messages, **options)


class PhotoFilters(django_filters.FilterSet):
    """Pending photos are shown only where `record` names the one that they were uploaded for."""

    patient = IdFilter(field_name="patient_id", required=True)
    record = IdFilter(field_name="medical_record_id")
    unlinked = YesNoFilter(method="filter_unlinked")
    status = StatusFilter()

    class Meta:
        model = PatientPhoto
        fields: list[str] = []

    def filter_unlinked(self, photos: PhotoQuerySet, name: str, value: str) -> PhotoQuerySet:
        return photos.filter(medical_record__isnull=value == "true")

    def filter_queryset(self, queryset: PhotoQuerySet) -> QuerySet[Any]:
        shown = queryset if self.form.cleaned_data["record"] else queryset.without_pending()
        return super().filter_queryset(shown)


def filtered(request: Request, rows: TrashQuerySet[Any], filters: type[django_filters.FilterSet]) -> Any:
    """Return `rows` narrowed by the query string; raises ValidationError for values that don't fit."""
    blank = [name for name in filters.base_filters if request.query_params.get(name) == "" and name != "search"]
    if blank:
        # Taken for "not given", it would show everything where the sender meant to narrow.
        raise ValidationError({name: ["A value, or leave it out."] for name in blank})
    filterset = filters(request.query_params, queryset=rows, request=request)
    if not filterset.is_valid():
        raise translate_validation(filterset.errors)
    return filterset.qs
