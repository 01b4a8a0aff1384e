"""Lists that stay fast on millions of rows: bounded counts, dates without a scan, no column that isn't shown."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import F
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from clinic_project.api import counting

from .deep_pages import AFTER, BEFORE, DeepPage, Place, RowOrder, read_page, read_page_at

#: The years of a date hierarchy: a row of the year 1 doesn't make it two thousand.
MAX_YEARS = 100


class EstimatingPaginator(Paginator):
    """Counts up to EXACT_COUNT_LIMIT rows, and has numbered pages for so many. More are estimated: their pages are `deep`.

    The estimate is PostgreSQL's own for this query, from pg_class.reltuples and the columns' statistics.
    """

    object_list: models.QuerySet[Any]
    #: Whether rows that are few enough to be counted are sorted apart.
    sorts_few_apart = False
    #: Where the page begins, if the request names a row, which is among the `known` ones.
    place: Place | None = None
    known: models.QuerySet[Any]
    #: The page of a list that is too long for numbers, once it is read.
    deep: DeepPage | None = None

    @cached_property
    def counted(self) -> int:
        """The number of rows, or EXACT_COUNT_LIMIT + 1 if there are more than EXACT_COUNT_LIMIT."""
        return counting.bounded_count(self.object_list)

    @property
    def is_estimate(self) -> bool:
        return self.counted > counting.EXACT_COUNT_LIMIT

    @cached_property
    def count(self) -> int:
        return counting.estimate(self.counted, self.object_list) if self.is_estimate else self.counted

    @property
    def count_text(self) -> str:
        """The count for people, an estimate in two digits: "1,234" or "about 1,200,000"."""
        if not self.is_estimate:
            return f"{self.count:,}"
        return gettext("about %(count)s") % {"count": f"{round(self.count, 2 - len(str(self.count))):,}"}

    def page(self, number: Any) -> "Page[Any]":
        """Return a page whose keys are found by themselves, so that what is joined to rows is read for those of the page."""
        if self.sorts_few_apart and not self.is_estimate:
            self.object_list = sorted_apart(self.object_list)
        page = super().page(number)
        rows: Any = page.object_list
        order = RowOrder.of(self.object_list) if self.is_estimate else None
        if order:
            self.deep = self._deep_page(order, start=(page.number - 1) * self.per_page)
        page.object_list = self.object_list.filter(pk__in=self.deep.keys if self.deep else rows.values("pk"))
        return page

    def _deep_page(self, order: RowOrder, start: int) -> DeepPage:
        if self.place is None:
            return read_page(self.object_list, self.per_page, start)
        return read_page_at(self.place, self.object_list, order, self.per_page, self.known)

    @cached_property
    def num_pages(self) -> int:
        return max(1, -(-min(self.counted, counting.EXACT_COUNT_LIMIT) // self.per_page))


def sorted_apart(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Return `rows` in their order, but not by an index, which would be followed through everybody's rows to find these."""
    first, *others = rows.query.order_by
    if isinstance(first, OrderBy):
        return rows  # which are sorted apart already
    column = F(first.removeprefix("-")) if isinstance(first, str) else first
    order = OrderBy(Coalesce(column, column), descending=isinstance(first, str) and first.startswith("-"))
    return rows.order_by(order, *others)


class LeanChangeList(ChangeList):
    """Leaves out the columns that its ModelAdmin names in `list_defer`, such as long documents."""

    model_admin: Any
    paginator: EstimatingPaginator

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> models.QuerySet[Any]:
        # No filters, and not kept by the links of filters.
        for given in (self.params, self.filter_params):
            for name in (AFTER, BEFORE):
                given.pop(name, None)
        with _as_incorrect_lookup():
            queryset = super().get_queryset(request, *args, **kwargs)
        return queryset.defer(*self.model_admin.list_defer)

    def get_results(self, request: HttpRequest) -> None:
        with _as_incorrect_lookup():
            super().get_results(request)

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what to sort a column by; None also for one that isn't offered, which no index would have in order."""
        offered = self.sortable_by or ()
        return super().get_ordering_field(field_name) if field_name in offered else None

    @property
    def kept_params(self) -> list[tuple[str, str]]:
        """The filters, that a new search keeps; not the page, which it starts anew."""
        kept = {name: values for name, values in self.filter_params.items() if name not in (SEARCH_VAR, PAGE_VAR)}
        return [(name, value) for name, values in kept.items() for value in values]

    @property
    def clear_search_qs(self) -> str:
        return self.get_query_string(remove=[SEARCH_VAR, PAGE_VAR])

    @property
    def next_page_qs(self) -> str | None:
        page = self.paginator.deep
        return self.get_query_string({AFTER: page.keys[-1]}) if page and page.keys and page.has_next else None

    @property
    def previous_page_qs(self) -> str | None:
        page = self.paginator.deep
        return self.get_query_string({BEFORE: page.keys[0]}) if page and page.keys and page.has_previous else None

    @property
    def first_page_qs(self) -> str | None:
        page = self.paginator.deep
        return self.get_query_string() if page and page.has_previous else None


@contextmanager
def _as_incorrect_lookup() -> Iterator[None]:
    """Turn what a value raises that no date has, such as the year 0, into the error that Django shows for a wrong filter."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise IncorrectLookupParameters(error) from error


class IndexedDates:
    """Stands for a ChangeList before Django's date hierarchy, which asks it for the dates that have rows.

    Django's SELECT DISTINCT date_trunc(...) reads every row, which it may where they were few enough to be counted. Of
    more, this asks for each year, month or day between the first and the last row whether it has one, in one query of
    index probes. What a search finds has no such index, and no dates where it is more.
    """

    def __init__(self, change_list: Any) -> None:
        self._change_list = change_list
        self.queryset = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._change_list, name)

    @cached_property
    def _bounds(self) -> dict[str, datetime.datetime | None]:
        field = self._change_list.date_hierarchy
        rows = self._change_list.queryset.order_by()
        if self._are_few:
            # As they were counted: MIN by itself would go through the dates of all rows until it met one of these.
            few = rows[: counting.EXACT_COUNT_LIMIT]
            return dict(few.aggregate(first=models.Min(field), last=models.Max(field)))
        if self._change_list.query:
            return {"first": None, "last": None}
        # As the list is ordered, for the same reason.
        ends = {"first": rows.order_by(field, "pk"), "last": rows.order_by(f"-{field}", "-pk")}
        return {name: ordered.values_list(field, flat=True).first() for name, ordered in ends.items()}

    @property
    def _are_few(self) -> bool:
        return not self._change_list.paginator.is_estimate

    def aggregate(self, **bounds: models.Aggregate) -> dict[str, datetime.datetime | None]:
        """Return `first` and `last`, which is all that the hierarchy asks for."""
        return dict(self._bounds)

    def datetimes(self, field: str, kind: str) -> list[datetime.datetime]:
        """Return the starts of the periods (`kind`: year, month, day) in which there are rows, in order."""
        if self._are_few:
            return list(self._change_list.queryset.datetimes(field, kind))
        first, last = self._bounds["first"], self._bounds["last"]
        if first is None or last is None:
            return []
        rows = self._change_list.queryset.order_by()
        starts = list(periods(first, last, kind))
        if kind == "year":
            starts = starts[-MAX_YEARS:]
        probes = [
            rows.filter(**{f"{field}__gte": start, f"{field}__lt": end})
            .annotate(period=models.Value(number))
            .values_list("period", flat=True)
            # Unordered, the rows may be read as they lie, up to the first of the period.
            .order_by(field)[:1]
            for number, (start, end) in enumerate(starts)
        ]
        found = set(probes[0].union(*probes[1:], all=True)) if len(probes) > 1 else {0}
        return [start for number, (start, _) in enumerate(starts) if number in found]


def periods(
    first: datetime.datetime, last: datetime.datetime, kind: str
) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
    """Yield start and end of every year, month or day from `first` to `last`, in the current time zone."""
    start = _start_of(timezone.localtime(first), kind)
    while start <= last and start.year < datetime.MAXYEAR:
        # A day more than the longest period of its kind, brought back to the start of the next one.
        end = _start_of(start + datetime.timedelta(days={"year": 366, "month": 31, "day": 1}[kind], hours=2), kind)
        yield start, end
        start = end


def _start_of(moment: datetime.datetime, kind: str) -> datetime.datetime:
    day = moment.date()
    if kind == "year":
        day = day.replace(month=1, day=1)
    elif kind == "month":
        day = day.replace(day=1)
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time.min))
