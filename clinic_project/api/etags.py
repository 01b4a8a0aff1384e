"""ETags, and conditional reads: a client that names the current one in `If-None-Match` is told 304 and nothing more.

RFC 9110, section 13: https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

import hashlib
from typing import Any

from django.db.models import Func, TextField
from django.db.models.sql.compiler import SQLCompiler
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response


class RowVersion(Func):
    """Changes with every UPDATE of a row, whoever makes it: PostgreSQL's own transaction id and place of the row.

    Takes a column of each table whose row counts. https://www.postgresql.org/docs/current/ddl-system-columns.html
    """

    output_field = TextField()

    def as_sql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        tables = [compiler.quote_name_unless_alias(column.alias) for column in self.get_source_expressions()]
        return " || ".join(f"{table}.xmin::text || {table}.ctid::text" for table in tables), ()


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
