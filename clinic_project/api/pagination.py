"""Pagination: `{count, next, previous, results}`, the rows and their number in one query."""

from typing import Any

from django.db.models import Func, IntegerField, Model, QuerySet, Subquery
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

#: Rows a page has, where `page_size` doesn't say.
PAGE_SIZE = 50
#: A larger `page_size` counts as this.
MAX_PAGE_SIZE = 200
#: Pages beyond are empty in any database; the limit keeps the offset within PostgreSQL's bigint.
MAX_PAGE = 2**31 - 1

_TOTAL = "total_rows"


class RowPagination(BasePagination):
    """Pages of an ordered `.values()` queryset, by `page` and `page_size`.

    Not DRF's PageNumberPagination, which asks for the number of rows in a query of its own.
    """

    def paginate_queryset(  # type: ignore[override]  # of rows as dictionaries, not of models
        self, queryset: QuerySet[Any, dict[str, Any]], request: Request, view: APIView | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of the page that `request` asks for.

        Raises ValidationError for a page or size that is no positive number, NotFound beyond the last page.
        """
        self.request = request
        self.number = _positive(request, "page", 1)
        size = min(_positive(request, "page_size", PAGE_SIZE), MAX_PAGE_SIZE)
        if self.number > MAX_PAGE:
            raise NotFound
        start = (self.number - 1) * size
        found = list(queryset.annotate(**{_TOTAL: _count(queryset)})[start : start + size])
        if not found and self.number > 1:
            raise NotFound
        self.total = found[0][_TOTAL] if found else 0
        self.has_next = start + size < self.total
        for row in found:
            del row[_TOTAL]
        return found

    def get_paginated_response(self, data: Any) -> Response:
        page = {
            "count": self.total,
            "next": self._link(self.number + 1) if self.has_next else None,
            "previous": self._link(self.number - 1) if self.number > 1 else None,
            "results": data,
        }
        return Response(page)

    def _link(self, page: int) -> str:
        query = self.request.query_params.copy()
        query["page"] = str(page)
        return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        members = {
            "count": {"type": "integer", "description": "Rows on all pages."},
            "next": link,
            "previous": dict(link),
            "results": schema,
        }
        return {"type": "object", "properties": members, "required": list(members)}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        number = {"type": "integer", "minimum": 1}
        return [
            {"in": "query", "name": "page", "schema": number},
            {
                "in": "query",
                "name": "page_size",
                "schema": {**number, "default": PAGE_SIZE},
                "description": f"Rows on a page; more than {MAX_PAGE_SIZE} count as {MAX_PAGE_SIZE}.",
            },
        ]


def _count(rows: QuerySet[Model, Any]) -> Subquery:
    """Count `rows` beside reading some of them: PostgreSQL runs an uncorrelated subquery once."""
    # Not Count(), for which Django would group by each row's columns.
    total = Func("pk", function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().values(**{_TOTAL: total}))


def _positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        raise ValidationError({name: ["A positive whole number."]})
    # int() refuses thousands of digits; twenty are beyond any page already.
    return int(text.lstrip("0")[:20])
