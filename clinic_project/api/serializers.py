"""The shapes of problems, and of rows that are sent as they are read."""

from functools import cache
from typing import Any

import orjson
from django.db.models import JSONField, Model, QuerySet, TextField
from django.db.models.functions import Cast
from rest_framework import serializers


class ProblemOutput(serializers.Serializer):
    """RFC 9457 problem details; `instance` is the request's id, as in `X-Request-ID`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # the name is RFC 9457's, not DRF's
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="Messages by field path."
    )


Row = dict[str, Any]


def text_of(json_column: str) -> str:
    """Name the text of a jsonb column in a row that was read."""
    return f"text_of_{json_column}"


# Shows a row of `Meta.model` that `read` has read as a dictionary, without going through its fields: they describe the
# answer, and those that are columns of the model are read. jsonb columns come as PostgreSQL's own text, which is JSON
# already, and go into the answer without being read. (No docstring: the OpenAPI document would show it for each of ours.)
class RowSerializer(serializers.Serializer):
    class Meta:
        model: type[Model]

    @classmethod
    def read(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Return `rows` as the dictionaries that this serializer shows."""
        plain, json = cls._columns()
        return rows.values(*plain, **{text_of(name): Cast(name, TextField()) for name in json})

    def to_representation(self, row: Row) -> Row:
        _, json = self._columns()
        for name in json:
            row[name] = orjson.Fragment(row.pop(text_of(name)))
        return row

    @classmethod
    @cache
    def _columns(cls) -> tuple[list[str], list[str]]:
        """Return the names of the columns that are shown: the plain ones, and the jsonb ones."""
        stored = {field.attname: isinstance(field, JSONField) for field in cls.Meta.model._meta.concrete_fields}
        shown = [name for name in cls._declared_fields if name in stored]
        return [name for name in shown if not stored[name]], [name for name in shown if stored[name]]
