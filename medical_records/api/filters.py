"""What lists can be narrowed by, in the query string."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.utils import translate_validation
from rest_framework.request import Request

from medical_records.models import MedicalRecordTemplate
from medical_records.querysets import ClinicQuerySet


class StatusFilter(django_filters.ChoiceFilter):
    """`active` (unless said otherwise), `deleted` for what is in the trash, or `all`."""

    CHOICES = [("active", "in use"), ("deleted", "in the trash"), ("all", "both")]

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=self.CHOICES, empty_label=None, **options)

    def filter(self, qs: ClinicQuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.with_status(value or "active")


class TemplateFilters(django_filters.FilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=255)
    status = StatusFilter()

    class Meta:
        model = MedicalRecordTemplate
        fields: list[str] = []


def filtered(request: Request, rows: ClinicQuerySet[Any], filters: type[django_filters.FilterSet]) -> Any:
    """Return `rows` narrowed by the query string; raises ValidationError for values that don't fit."""
    filterset = filters(request.query_params, queryset=rows, request=request)
    if not filterset.is_valid():
        raise translate_validation(filterset.errors)
    return filterset.qs
