"""Pages of a list whose rows are too many to be counted: each begins at a row of another one, wherever that is by now.

A page that is found by its number makes the database read all rows before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.core.paginator import InvalidPage
from django.db.models import F, QuerySet
from django.http import QueryDict

from clinic_project.api.converters import parse_row_id
from clinic_project.api.pagination import beyond

AFTER, BEFORE = "after", "before"


@dataclass(frozen=True, slots=True)
class RowOrder:
    """A complete order of rows, all of it up or all down, by columns without NULLs: what is beyond a row is one range."""

    columns: Sequence[Any]
    descends: bool

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Self | None:
        """Return the order of `rows`; None where it is another one."""
        columns, directions = [], set()
        for name in rows.query.order_by:
            columns.append(name.removeprefix("-") if isinstance(name, str) else name)
            directions.add(str(name).startswith("-"))
            if columns[-1] in ("pk", rows.model._meta.pk.name):
                # Complete: Django's lists have the model's order after this once more.
                is_usable = len(directions) == 1 and not any(_may_be_null(rows.model, column) for column in columns)
                return cls(columns, directions.pop()) if is_usable else None
        return None


def _may_be_null(model: Any, column: Any) -> bool:
    """Whether a column of the order may be NULL, or is another table's."""
    names = [column] if isinstance(column, str) else [one.name for one in column.flatten() if isinstance(one, F)]
    fields = {"pk": model._meta.pk, **{field.name: field for field in model._meta.concrete_fields}}
    return any(name not in fields or fields[name].null for name in names)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: at the row with the id `row`, after it or, if `backwards`, before it."""

    row: int
    backwards: bool

    @classmethod
    def named_by(cls, query: QueryDict) -> Self | None:
        """Return what a query string names; None where it names no row."""
        for name in (AFTER, BEFORE):
            row = parse_row_id(query.get(name, ""))
            if row is not None:
                return cls(row, backwards=name == BEFORE)
        return None


@dataclass(frozen=True, slots=True)
class DeepPage:
    """The `keys` of a page's rows. The pages beside it begin after its last row, and end before its first."""

    keys: Sequence[Any]
    has_previous: bool
    has_next: bool


def read_page(rows: QuerySet[Any], size: int, start: int) -> DeepPage:
    """Return the page of `size` rows that begins `start` rows after the first."""
    keys = _keys(rows[start : start + size + 1])
    return DeepPage(keys[:size], has_previous=start > 0, has_next=len(keys) > size)


def read_page_at(place: Place, rows: QuerySet[Any], order: RowOrder, size: int, known: QuerySet[Any]) -> DeepPage:
    """Return the page of `size` rows at `place`. Raises InvalidPage where its row isn't among `known`: it was removed."""
    values = known.order_by().filter(pk=place.row).values_list(*order.columns).first()
    if values is None:
        raise InvalidPage(f"The row {place.row}, at which this page begins, isn't there.")
    further = rows.filter(beyond(order.columns, values, descends=order.descends is not place.backwards))
    if not place.backwards:
        keys = _keys(further[: size + 1])
        return DeepPage(keys[:size], has_previous=True, has_next=len(keys) > size)
    keys = _keys(further.reverse()[: size + 1])
    return DeepPage(keys[:size][::-1], has_previous=len(keys) > size, has_next=True)


def _keys(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.values_list("pk", flat=True))
