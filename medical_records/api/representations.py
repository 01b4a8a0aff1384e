"""Rows as the API shows them: dictionaries that are read for it and sent as they are.

jsonb columns come as PostgreSQL's own text, which is JSON already, and go into the answer without being read.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

_JSON_PREFIX = "json_"

TEMPLATE = (
    "id",
    "name",
    "description",
    "version",
    "is_deleted",
    "deleted_at",
    "created_at",
    "created_by_user_id",
    "updated_at",
    "updated_by_user_id",
)
TEMPLATE_JSON = ("fields",)


def read(rows: QuerySet[Any], columns: Iterable[str], json_columns: Iterable[str]) -> QuerySet[Any, dict[str, Any]]:
    """Return `rows` as dictionaries of these columns; `finish` each of them before sending it."""
    texts = {_JSON_PREFIX + name: Cast(name, TextField()) for name in json_columns}
    return rows.values(*columns, **texts)


def finish(row: dict[str, Any], json_columns: Iterable[str]) -> dict[str, Any]:
    """Put the JSON columns of a `read` row where they belong."""
    for name in json_columns:
        row[name] = orjson.Fragment(row.pop(_JSON_PREFIX + name))
    return row
