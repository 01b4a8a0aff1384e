"""Pages of a list: `{count, count_estimate, next, previous, results}`, read with their count in one query.

`next` and `previous` are cursors (see cursors.py): they name the last row that was shown and where to go from it. So no page
costs more than the first, and none repeats or leaves out a row when others are added. `page` is for the first rows only.
"""

from collections.abc import Callable, Container, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol

from django.conf import settings
from django.core.signing import Signer
from django.db.models import BooleanField, F, Func, QuerySet, TextField
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import counting
from .compiled_queries import as_expression, fetch, pattern
from .cursors import NAMED_ROWS, Cursors, Edge, RowCursors
from .etags import RowVersion, hashed_etag, is_conditional, is_known
from .problems import Problem
from .serializers import Row

#: Rows a page has, where `page_size` doesn't say.
PAGE_SIZE = 50
#: A larger `page_size` counts as this.
MAX_PAGE_SIZE = 200

#: Begins the names of what a page adds to its rows.
_OURS = "page_"
_TOTAL, _VERSION, _ORDER = f"{_OURS}total", f"{_OURS}row_version", f"{_OURS}order_"


#: Selects columns of a queryset: a function or a class's method, the same for each request.
Columns = Callable[[QuerySet[Any]], QuerySet[Any, Row]]


class Contents(Protocol):
    """What the rows of a page are shown as: a RowSerializer, for one."""

    def identify(self, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Select what `note_shown` takes."""

    def note_shown(self, rows: list[Row]) -> None:
        """Note for the access log that a 304 tells of these rows."""

    def read(self, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Select what `represent` takes."""

    def represent(self, rows: list[Row]) -> list[Row]:
        """Return what a response shows of these rows, and note it for the access log."""


@dataclass
class Listing:
    """What is paged: the rows of `parts` together, ordered by the columns in `ordering`, all of them up or all down.

    The last column makes the order complete. `row_versions` has a column of each table whose rows are shown, and
    `shown_beside` names what else is, which Contents selects. `by_name`: the ordering has names in it, which cursors must
    not have.
    """

    parts: Sequence[QuerySet[Any, Any]]
    ordering: Sequence[str]
    row_versions: Sequence[str] = ("pk",)
    shown_beside: Sequence[str] = ()
    by_name: bool = False

    @property
    def columns(self) -> list[str]:
        return [name.removeprefix("-") for name in self.ordering]

    def order_columns(self, shown: Container[str]) -> dict[str, str]:
        """Return the columns of the ordering: by their own names where these are `shown`, else by ones that nobody has."""
        return {name if name in shown else f"{_ORDER}{number}": name for number, name in enumerate(self.columns)}

    def cursors(self, clinic: int) -> Cursors:
        """Return the cursors of this ordering of these tables for a clinic, and of no other.

        Where another clinic's were taken, their place among one's own rows would tell the name that they stand for.
        """
        tables = [part.model._meta.db_table for part in self.parts]
        salt = " ".join(["cursor", f"{clinic}", *tables, *self.ordering])
        return RowCursors(salt, self.parts[0].model, self.columns) if self.by_name else Cursors(salt)

    def read(self, edge: Edge | None, columns: Columns, start: int, stop: int) -> list[Row]:
        """Return the rows `start` to `stop` beyond `edge`, with the `columns` that it selects and what a page needs."""
        return list(self.page(edge, columns, start, stop))

    def page(self, edge: Edge | None, columns: Columns, start: int, stop: int) -> QuerySet[Any, Row]:
        """Return what `read` reads."""
        backwards = edge is not None and edge.backwards
        descends = self.ordering[0].startswith("-") is not backwards
        filters = [] if edge is None else [beyond(self.columns, edge.values, descends=descends)]
        parts = [columns(part.filter(*filters)) for part in self.parts]
        order_columns = self.order_columns(parts[0].query.selected or ())
        order = [f"-{name}" if descends else name for name in order_columns]
        extra: dict[str, Any] = {name: F(column) for name, column in order_columns.items() if name != column}
        extra |= {_TOTAL: self._total(), _VERSION: RowVersion(*map(F, self.row_versions))}
        first, *others = [part.annotate(**extra).order_by(*order) for part in parts]
        if not others:
            return first[start:stop]
        # No part has more on the page than its own first rows, which an index gives in this order.
        return first[:stop].union(*(part[:stop] for part in others), all=True).order_by(*order)[start:stop]

    def countable(self) -> Sequence[QuerySet[Any, Any]]:
        """Return the querysets to count where that can't be done beside the rows of a page."""
        return self.parts

    def _total(self) -> Any:
        first, *others = map(counting.BoundedCount, self.parts)
        return sum(others, start=first)


class CompiledListing(Listing):
    """The Listing that `recipe(*shape, **values)` makes, read by compiled queries. Its parts have Parameters."""

    def __init__(self, recipe: Callable[..., Listing], *shape: Hashable, **values: Any) -> None:
        made: Listing = pattern(recipe, *shape, **values)
        super().__init__(made.parts, made.ordering, made.row_versions, made.shown_beside, made.by_name)
        self.recipe, self.shape, self.values = recipe, shape, values

    def read(self, edge: Edge | None, columns: Columns, start: int, stop: int) -> list[Row]:
        backwards, beyond = (None, ()) if edge is None else (edge.backwards, edge.values)
        # The limit is in the SQL.
        shape = (self.recipe, self.shape, columns, backwards, start, stop, counting.EXACT_COUNT_LIMIT)
        return fetch(_page, *shape, values_beyond=dict(enumerate(beyond)), **self.values)

    def countable(self) -> Sequence[QuerySet[Any, Any]]:
        return self.recipe(*self.shape, **self.values).parts


def _page(  # noqa: PLR0913 - all that shapes the SQL of a page
    recipe: Callable[..., Listing],
    shape: tuple[Hashable, ...],
    columns: Columns,
    backwards: bool | None,
    start: int,
    stop: int,
    _limit: int,
    *,
    values_beyond: dict[int, Any],
    **values: Any,
) -> QuerySet[Any, Row]:
    edge = None if backwards is None else Edge([*values_beyond.values()], backwards)
    return recipe(*shape, **values).page(edge, columns, start, stop)


def beyond(columns: Sequence[Any], values: Sequence[Any], *, descends: bool) -> Func:
    """Compare rows as a whole, `(a, b) < (1, 2)`: one range of an index on both columns, by their names or expressions."""
    row, edge = (
        Func(*items, template="ROW(%(expressions)s)", output_field=TextField())
        for items in (columns, map(as_expression, values))
    )
    return Func(
        row, edge, template="%(expressions)s", arg_joiner=" < " if descends else " > ", output_field=BooleanField()
    )


@dataclass
class SequenceListing(Listing):
    """What is paged has been found: `row_of` makes a row of each, whose `sequence` is its place from the end, from 1 on.

    It is asked for those of the page alone: there may be thousands.
    """

    parts: Sequence[QuerySet[Any, Any]] = ()
    ordering: Sequence[str] = ("-sequence",)
    found: Sequence[Any] = ()
    row_of: Callable[[Any], Row] = dict

    def read(self, edge: Edge | None, columns: Columns, start: int, stop: int) -> list[Row]:
        places = range(len(self.found)) if edge is None else self._beyond(edge)
        rows = [self.row_of(self.found[place]) for place in places[start:stop]]
        return [{**row, _TOTAL: len(self.found), _VERSION: repr(row)} for row in rows]

    def _beyond(self, edge: Edge) -> range:
        """Return the places beyond `edge`, the nearest first."""
        (sequence,) = edge.values
        places, place = range(len(self.found)), len(self.found) - sequence
        return places[: max(place, 0)][::-1] if edge.backwards else places[max(place + 1, 0) :]


class RowPagination(BasePagination):
    """One page of a Listing: `open` it, see whether the client has the `known` one already, or `read` its rows.

    Not DRF's CursorPagination, which knows no count, and compares one column only.
    """

    #: The names of the query parameters that choose the page.
    PARAMETERS = ("cursor", "page", "page_size")

    def open(self, request: Request, listing: Listing, clinic: int) -> None:
        """Find out which page of what a clinic sees `request` asks for, reading no row of it yet.

        Raises ValidationError for a page, size or cursor that isn't one, Problem (400) for a page too deep.
        """
        self.request, self.listing, self.cursors = request, listing, listing.cursors(clinic)
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

    def known(self, columns: Columns) -> list[Row] | None:
        """Return the page's rows with the `columns` that this selects, if `If-None-Match` names the page as it is now.

        Reads nothing where the request has no such header.
        """
        if not is_conditional(self.request):
            return None
        found = self._fetch(columns)
        return found[: self.size] if is_known(self.request, self.etag) else None

    def read(self, columns: Columns) -> list[Row]:
        """Return the page's rows with the `columns` that this selects; raises NotFound beyond the last page."""
        found = self._fetch(columns)
        rows = found[: self.size]
        if self._goes_back:
            rows.reverse()
        self._find_neighbours(rows, has_more=len(found) > self.size)
        ours = [name for name in (found[0] if found else ()) if name.startswith(_OURS)]
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
        versions = [*map(itemgetter(_VERSION, *self.listing.shown_beside), found)]
        self.etag = hashed_etag(self.counted, self.estimate, versions, _signature(settings.SECRET_KEY))
        return found

    def _count(self, found: list[Row]) -> None:
        """Set `counted`, exact up to EXACT_COUNT_LIMIT, and beyond it `estimate`, which is None otherwise."""
        if found or not self.edge:
            self.counted = found[0][_TOTAL] if found else 0
        else:
            self.counted = sum(map(counting.bounded_count, self.listing.countable()))
        is_exact = self.counted <= counting.EXACT_COUNT_LIMIT
        self.estimate = None if is_exact else counting.estimate(self.counted, *self.listing.countable())

    def _find_neighbours(self, rows: list[Row], *, has_more: bool) -> None:
        """Set `next` and `previous`: links, or None."""
        goes_back, starts_anywhere = self._goes_back, self.edge is not None or self.number > 1
        has_next, has_previous = (True, has_more) if goes_back else (has_more, starts_anywhere)
        self.next = self._link(rows[::-1], backwards=False) if rows and has_next else None
        self.previous = self._link(rows, backwards=True) if rows and has_previous else None

    def _link(self, rows: list[Row], *, backwards: bool) -> str:
        """Return the link to the page beyond `rows`, the nearest first."""
        order_columns = self.listing.order_columns(rows[0])
        values = [[row[name] for name in order_columns] for row in rows[:NAMED_ROWS]]
        query = self.request.query_params.copy()
        query.pop("page", None)
        query["cursor"] = self.cursors.encode(values, backwards=backwards)
        return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")

    def _edge(self) -> Edge | None:
        cursor = self.request.query_params.get("cursor")
        if cursor is None:
            return None
        if "page" in self.request.query_params:
            raise ValidationError({"cursor": ["Either `cursor` or `page`."]})
        return self.cursors.decode(cursor)

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


@lru_cache(1)
def _signature(secret_key: str) -> str:
    """Return what changes with the key that signs the cursors in a page."""
    return Signer(key=secret_key, salt="etag").signature("")


def _positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        raise ValidationError({name: ["A positive whole number."]})
    # int() refuses thousands of digits; twenty are beyond any page already.
    return int(text.lstrip("0")[:20])
