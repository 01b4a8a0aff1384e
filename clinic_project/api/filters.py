"""Filters of lists in the query string: django-filter's, stricter, and the backend that applies them."""

import datetime
import re
from collections.abc import Collection, Mapping
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from .compiled_queries import Parameter
from .converters import MAX_ID, parse_row_id
from .fields import RowIdField, StrictCharField, parse_date
from .searching import text_contains


class FilterBackend(DjangoFilterBackend):
    """Applies a view's `filterset_class`; a filter without a value is an error, except for an empty search."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        filters = self.get_filterset_class(view, queryset).base_filters
        blank = [
            name
            for name, applied in filters.items()
            if request.query_params.get(name) == "" and not isinstance(applied, SearchFilter)
        ]
        if blank:
            # Taken for "not given", it would show everything to a client that meant to filter.
            raise ValidationError({name: ["A value, or leave it out."] for name in blank})
        return super().filter_queryset(request, queryset, view)


#: Values of filters that shape the SQL, by the filters' names, and the ids that don't.
Given = tuple[tuple[tuple[str, str], ...], dict[str, int]]


def choices_and_ids(filterset: type[django_filters.FilterSet] | None, given: Mapping[str, str]) -> Given | None:
    """Return the values of the filters that are `given`, if those are choices and ids: what compiled queries take."""
    choices, ids = [], {}
    for name, applied in filterset.base_filters.items() if filterset else ():
        text = given.get(name)
        if isinstance(applied, IdFilter) and text and (row_id := parse_row_id(text)):
            ids[name] = row_id
        elif isinstance(applied, ChoiceFilter) and text in applied.words:
            choices.append((name, text))
        elif text is not None:
            return None
    return tuple(choices), ids


def reject_unknown_parameters(request: Request, known: Collection[str]) -> None:
    """Raise ValidationError for a parameter in the query string that isn't one of `known`."""
    unknown = request.query_params.keys() - set(known)
    if unknown:
        # Ignored, a misspelt filter would show everything to a client that meant to filter.
        message = f"Not known here. Known: {', '.join(sorted(known))}." if known else "This takes no parameters."
        raise ValidationError({name: [message] for name in unknown})


class SearchFilter(django_filters.CharFilter):
    """A part of a text, see `text_contains`."""

    MAX_LENGTH = 255

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=self.MAX_LENGTH, **options)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(text_contains(self.field_name, value)) if value else qs

    def documented_as(self, **options: Any) -> serializers.Field:
        return StrictCharField(allow_blank=True, max_length=self.MAX_LENGTH, **options)


class IdField(forms.Field):
    def to_python(self, value: Any) -> int | Parameter | None:
        if isinstance(value, int | Parameter):  # from a recipe
            return value
        if value in self.empty_values:
            return None
        row_id = parse_row_id(value)
        if row_id is None:
            raise forms.ValidationError(f"A whole number from 1 to {MAX_ID}.")
        return row_id


class IdFilter(django_filters.Filter):
    """The id of a row. `of` names the filter that this one is a former name of."""

    field_class = IdField
    documented_as = RowIdField

    def __init__(self, *, of: str | None = None, **options: Any) -> None:
        self.is_former_name = of is not None
        if of:
            options["help_text"] = f"The former name of `{of}`."
        super().__init__(**options)


class ChoiceFilter(django_filters.ChoiceFilter):
    """One of `words`."""

    def __init__(self, *words: str, **options: Any) -> None:
        self.words = words
        *others, last = words
        messages = {"invalid_choice": f"{', '.join(others)} or {last}." if others else f"{last}, or leave it out."}
        choices = [(word, word) for word in words]
        super().__init__(choices=choices, empty_label=None, error_messages=messages, **options)

    def documented_as(self, **options: Any) -> serializers.Field:
        return serializers.ChoiceField(self.words, **options)


class DateField(forms.Field):
    def to_python(self, value: Any) -> datetime.date | None:
        if value in self.empty_values:
            return None
        date = parse_date(value)
        if date is None:
            raise forms.ValidationError("A date, as YYYY-MM-DD.")
        return date


class DateFilter(django_filters.Filter):
    field_class = DateField
    documented_as = serializers.DateField


class TimeField(django_filters.fields.IsoDateTimeField):
    default_error_messages = {"invalid": "A time in ISO 8601, such as 2026-03-14T09:26:53Z."}

    #: An offset whose + has become a space, as it does in a query string.
    _UNESCAPED = re.compile(r":\d\d\S* \d\d:?(\d\d)?$", re.ASCII)

    def to_python(self, value: Any) -> datetime.datetime | None:
        if isinstance(value, str) and self._UNESCAPED.search(value):
            message = "A + in a URL is a space. Send it as %(plus)s, such as 2026-03-14T17:26:53%(plus)s08:00."
            raise forms.ValidationError(message, params={"plus": "%2B"})
        # Without an offset, it is UTC, as the times that the API sends: not the time zone of the clinic's pages.
        with timezone.override(datetime.UTC):
            return super().to_python(value)


class TimeFilter(django_filters.IsoDateTimeFilter):
    field_class = TimeField
    documented_as = serializers.DateTimeField

    def filter(self, qs: QuerySet[Any], value: datetime.datetime | None) -> QuerySet[Any]:
        return super().filter(qs, value and _in_utc(value))


def _in_utc(value: datetime.datetime) -> datetime.datetime:
    """Convert `value` to UTC, since PostgreSQL reads no offset beyond 16 hours; where that overflows, only name it UTC."""
    try:
        return value.astimezone(datetime.UTC)
    except OverflowError:
        return value.replace(tzinfo=datetime.UTC)
