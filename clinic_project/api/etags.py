"""ETags, and conditional reads: a client that names the current one in `If-None-Match` is told 304 and nothing more.

RFC 9110, section 13: https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.db.models import Func, TextField
from django.db.models.expressions import Col
from django.db.models.sql.compiler import SQLCompiler
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response


class RowVersion(Func):
    """Changes with every UPDATE of a row, whoever makes it: PostgreSQL's own transaction id and place of the row.

    Takes a column of each table whose row counts, and expressions, which count by their values and aren't NULL.
    https://www.postgresql.org/docs/current/ddl-system-columns.html
    """

    output_field = TextField()

    def as_sql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        parts, params = zip(*(_version(source, compiler) for source in self.get_source_expressions()), strict=True)
        return " || ".join(parts), tuple(chain.from_iterable(params))


def _version(source: Any, compiler: SQLCompiler) -> tuple[str, Sequence[Any]]:
    if not isinstance(source, Col):
        sql, params = compiler.compile(source)
        return f"({sql})::text", params
    table = compiler.quote_name_unless_alias(source.alias)
    return f"{table}.xmin::text || {table}.ctid::text", ()


def hashed_etag(*parts: object) -> str:
    """Return an ETag that changes with any of `parts`."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def is_conditional(request: Request) -> bool:
    return "If-None-Match" in request.headers


def is_known(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names `etag`; strong or weak is the same here, since proxies that compress make it weak."""
    named = {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}
    return bool(named & {"*", etag})


def not_modified(etag: str) -> Response:
    return Response(status=304, headers={"ETag": etag})
