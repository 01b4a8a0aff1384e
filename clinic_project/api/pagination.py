"""Pages of a list: `{count, count_estimate, next, previous, results}`, read with their count in one query.

`next` and `previous` are cursors (see cursors.py): they name the last row that was shown and where to go from it. So no page
costs more than the first, and none repeats or leaves out a row when others are added. `page` is for the first rows only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, QuerySet, TextField, Value
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import counting
from .cursors import Cursors, Edge, RowCursors
from .etags import RowVersion, hashed_etag, is_conditional, is_known
from .problems import Problem
from .serializers import Row

#: Rows a page has, where `page_size` doesn't say.
PAGE_SIZE = 50
#: A larger `page_size` counts as this.
MAX_PAGE_SIZE = 200

_TOTAL, _VERSION = "page_total", "page_row_version"


#: Selects columns of a queryset.
Columns = Callable[[QuerySet[Any]], QuerySet[Any, Row]]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is paged: the rows of `parts` together, ordered by the columns in `ordering`, all of them up or all down.

    The last column makes the order complete. `row_versions` has a column of each table whose rows are shown. `by_name`: the
    ordering has names in it, which cursors must not have.
    """

    parts: Sequence[QuerySet[Any, Any]]
    ordering: Sequence[str]
    row_versions: Sequence[str] = ("pk",)
    by_name: bool = False

    @property
    def columns(self) -> list[str]:
        return [name.removeprefix("-") for name in self.ordering]

    @property
    def order_columns(self) -> dict[str, F]:
        """The columns of the ordering, under names that no serializer has."""
        return {f"page_order_{number}": F(name) for number, name in enumerate(self.columns)}

    @property
    def cursors(self) -> Cursors:
        """The cursors of this ordering of these tables, and of no other."""
        salt = " ".join(["cursor", *(part.model._meta.db_table for part in self.parts), *self.ordering])
        return RowCursors(salt, self.parts[0].model, self.columns) if self.by_name else Cursors(salt)

    def read(self, edge: Edge | None, columns: Columns, start: int, stop: int) -> list[Row]:
        """Return the rows `start` to `stop` beyond `edge`, with the `columns` that it selects and what a page needs."""
        backwards = edge is not None and edge.backwards
        descends = self.ordering[0].startswith("-") is not backwards
        beyond = [] if edge is None else [_beyond(self.columns, edge.values, descends=descends)]
        order = [f"-{name}" if descends else name for name in self.order_columns]
        extra = {_TOTAL: self._total(), _VERSION: RowVersion(*map(F, self.row_versions)), **self.order_columns}
        first, *others = [columns(part.filter(*beyond)).annotate(**extra).order_by(*order) for part in self.parts]
        if not others:
            return list(first[start:stop])
        # No part has more on the page than its own first rows, which an index gives in this order.
        return list(first[:stop].union(*(part[:stop] for part in others), all=True).order_by(*order)[start:stop])

    def _total(self) -> Any:
        first, *others = map(counting.BoundedCount, self.parts)
        return sum(others, start=first)


def _beyond(columns: Sequence[str], values: Sequence[Any], *, descends: bool) -> Func:
    """Compare rows as a whole, `(a, b) < (1, 2)`: one range of an index on both columns."""
    row, edge = (
        Func(*items, template="ROW(%(expressions)s)", output_field=TextField())
        for items in (map(F, columns), map(Value, values))
    )
    return Func(
        row, edge, template="%(expressions)s", arg_joiner=" < " if descends else " > ", output_field=BooleanField()
    )


class RowPagination(BasePagination):
    """One page of a Listing: `open` it, see whether the client `has_it_already`, or `read` its rows.

    Not DRF's CursorPagination, which knows no count, and compares one column only.
    """

    #: The names of the query parameters that choose the page.
    PARAMETERS = ("cursor", "page", "page_size")

    def open(self, request: Request, listing: Listing) -> None:
        """Find out which page `request` asks for, reading nothing yet.

        Raises ValidationError for a page, size or cursor that isn't one, Problem (400) for a page too deep.
        """
        self.request, self.listing = request, listing
        self.size = min(_positive(request, "page_size", PAGE_SIZE), MAX_PAGE_SIZE)
        self.number = _positive(request, "page", 1)
        self.edge = self._edge()
        if self._start >= counting.EXACT_COUNT_LIMIT:
            raise Problem(
                400,
                "page-too-deep",
                "The page is too deep",
                f"`page` leads to the first {counting.EXACT_COUNT_LIMIT:,} rows only. Follow `next`, or filter.",
                errors={"page": [f"Beyond row {counting.EXACT_COUNT_LIMIT:,}."]},
            )

    def has_it_already(self) -> bool:
        """Whether `If-None-Match` names the page as it is now. Reads the versions of its rows, if it is asked at all."""
        if not is_conditional(self.request):
            return False
        self._fetch(lambda rows: rows.values("pk"))
        return is_known(self.request, self.etag)

    def read(self, columns: Columns) -> list[Row]:
        """Return the page's rows with the `columns` that this selects; raises NotFound beyond the last page."""
        found = self._fetch(columns)
        rows = found[: self.size]
        if self._goes_back:
            rows.reverse()
        self._find_neighbours(rows, has_more=len(found) > self.size)
        ours = (_TOTAL, _VERSION, *self.listing.order_columns)
        for row in rows:
            for name in ours:
                del row[name]
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        page = {
            "count": None if self.estimate else self.counted,
            "count_estimate": self.estimate,
            "next": self.next,
            "previous": self.previous,
            "results": data,
        }
        return Response(page, headers={"ETag": self.etag})

    @property
    def _start(self) -> int:
        return (self.number - 1) * self.size

    @property
    def _goes_back(self) -> bool:
        return self.edge is not None and self.edge.backwards

    def _fetch(self, columns: Columns) -> list[Row]:
        """Return the page's rows and the one after them. Sets `etag`, which changes with any of them and with the count."""
        found = self.listing.read(self.edge, columns, self._start, self._start + self.size + 1)
        if not found and self.number > 1:
            raise NotFound
        self._count(found)
        self.etag = hashed_etag(self.counted, self.estimate, [row[_VERSION] for row in found])
        return found

    def _count(self, found: list[Row]) -> None:
        """Set `counted`, exact up to EXACT_COUNT_LIMIT, and beyond it `estimate`, which is None otherwise."""
        parts = self.listing.parts
        self.counted = found[0][_TOTAL] if found else sum(map(counting.bounded_count, parts)) if self.edge else 0
        self.estimate = counting.estimate(self.counted, *parts)

    def _find_neighbours(self, rows: list[Row], *, has_more: bool) -> None:
        """Set `next` and `previous`: links, or None."""
        goes_back, starts_anywhere = self._goes_back, self.edge is not None or self.number > 1
        has_next, has_previous = (True, has_more) if goes_back else (has_more, starts_anywhere)
        self.next = self._link(rows[::-1], backwards=False) if rows and has_next else None
        self.previous = self._link(rows, backwards=True) if rows and has_previous else None

    def _link(self, rows: list[Row], *, backwards: bool) -> str:
        """Return the link to the page beyond `rows`, the nearest first."""
        values = [[row[name] for name in self.listing.order_columns] for row in rows]
        query = self.request.query_params.copy()
        query.pop("page", None)
        query["cursor"] = self.listing.cursors.encode(values, backwards=backwards)
        return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")

    def _edge(self) -> Edge | None:
        cursor = self.request.query_params.get("cursor")
        if cursor is None:
            return None
        if "page" in self.request.query_params:
            raise ValidationError({"cursor": ["Either `cursor` or `page`."]})
        return self.listing.cursors.decode(cursor)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        number = {"type": ["integer", "null"], "minimum": 0}
        limit = f"{counting.EXACT_COUNT_LIMIT:,}"
        members = {
            "count": {**number, "description": f"Rows on all pages; null where they are more than {limit}."},
            "count_estimate": {**number, "description": f"About how many rows there are, where more than {limit}."},
            "next": {**link, "description": "The next page."},
            "previous": {**link, "description": "The page before."},
            "results": schema,
        }
        return {"type": "object", "properties": members, "required": list(members)}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        number = {"type": "integer", "minimum": 1}
        described = {
            "cursor": (
                {"type": "string", "pattern": "^[A-Za-z0-9_-]+:[A-Za-z0-9_-]+$"},
                "Where the page begins: from `next` or `previous`, and never made up.",
            ),
            "page": (number, f"One of the first pages, up to row {counting.EXACT_COUNT_LIMIT:,}."),
            "page_size": (
                {**number, "default": PAGE_SIZE},
                f"Rows on a page; more than {MAX_PAGE_SIZE} count as {MAX_PAGE_SIZE}.",
            ),
        }
        return [
            {"in": "query", "name": name, "schema": schema, "description": description}
            for name, (schema, description) in described.items()
        ]


def _positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        raise ValidationError({name: ["A positive whole number."]})
    # int() refuses thousands of digits; twenty are beyond any page already.
    return int(text.lstrip("0")[:20])
