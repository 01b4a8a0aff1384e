"""Lists in pages: `{count, next, previous, results}`, the rows and their number in one query."""

from typing import Any

from django.db.models import Func, IntegerField, Model, QuerySet, Subquery
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

#: Rows a page has, where `page_size` doesn't say.
PAGE_SIZE = 50
#: A larger `page_size` counts as this.
MAX_PAGE_SIZE = 200
#: Pages beyond are empty in any database; the limit keeps the offset within PostgreSQL's bigint.
MAX_PAGE = 2**31 - 1

_TOTAL = "total_rows"


def paginate(request: Request, rows: QuerySet[Any, dict[str, Any]]) -> dict[str, Any]:
    """Return the page of `rows`, an ordered `.values()` queryset, that `request` asks for.

    Raises ValidationError for a page or size that is no positive number, NotFound beyond the last page.
    """
    number = _positive(request, "page", 1)
    size = min(_positive(request, "page_size", PAGE_SIZE), MAX_PAGE_SIZE)
    if number > MAX_PAGE:
        raise NotFound
    start = (number - 1) * size
    found = list(rows.annotate(**{_TOTAL: _count(rows)})[start : start + size])
    if not found and number > 1:
        raise NotFound
    total = found[0][_TOTAL] if found else 0
    for row in found:
        del row[_TOTAL]
    return {
        "count": total,
        "next": _link(request, number + 1) if start + size < total else None,
        "previous": _link(request, number - 1) if number > 1 else None,
        "results": found,
    }


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


def _link(request: Request, page: int) -> str:
    query = request.query_params.copy()
    query["page"] = str(page)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
