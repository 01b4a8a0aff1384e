"""The bases of what requests say, and of rows that go from the database to the response unparsed; and problems."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, ClassVar

import orjson
from django.db.models import F, JSONField, Model, QuerySet, TextField
from django.db.models.functions import Cast
from rest_framework import serializers

from .renderers import as_json


class ProblemOutputSerializer(serializers.Serializer):
    """RFC 9457 problem details: why a request wasn't done."""

    type = serializers.CharField(help_text="What kind of problem it is, such as `/problems/in-trash`: for programs.")
    title = serializers.CharField(help_text="The same for people. It may change; `type` doesn't.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What can be done about it.")
    instance = serializers.CharField(help_text="The request's id, as in `X-Request-ID`.")
    errors = serializers.DictField(  # type: ignore[assignment]  # the name is RFC 9457's, not DRF's
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="Messages by field path."
    )


class ClinicOutputSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class BadRequestOutputSerializer(ProblemOutputSerializer):
    """A problem with what was sent."""

    clinics = ClinicOutputSerializer(
        many=True, required=False, help_text="Which ones `X-Clinic-ID` may name, where it has to name one."
    )


#: Unknown members of an object that are named: a body has room for a hundred thousand.
MAX_NAMED = 20


# What a request says. A member that nothing reads is refused: misspelt, it would be lost. But what was read may be sent
# back: the names in the context's `shown` are passed over, as is the token that a form of HTML has beside its inputs.
# (A docstring would be in the document, for each subclass.)
class InputSerializer(serializers.Serializer):
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            passed_over = (*self.context.get("shown", ()), "csrfmiddlewaretoken") if self.parent is None else ()
            known = {*self.fields, *passed_over}
            self._reject(name for name in data if name not in known)
        return super().to_internal_value(data)

    def _reject(self, unknown: Iterable[str]) -> None:
        message = f"Not known here. Known: {', '.join(sorted(self.fields))}."
        if errors := {name: [message] for name in islice(unknown, MAX_NAMED)}:
            raise serializers.ValidationError(errors)


Row = dict[str, Any]


def text_of(json_column: str) -> str:
    """Return the key under which a row that was read has the text of a jsonb column."""
    return f"text_of_{json_column}"


def texts_of(*json_columns: str) -> dict[str, Cast]:
    """Return the expressions of the texts of jsonb columns, each by its key."""
    return {text_of(name): Cast(F(name), TextField()) for name in json_columns}


# Reads rows of `Meta.model` as dictionaries, and represents them. Its fields aren't called: they describe the response in
# the OpenAPI document, and name the columns to read. A jsonb column is read as PostgreSQL's text, which is
# JSON already, and goes into the response without being parsed. A field with a `source` is a column of another table.
# `also_read` are columns of which `represent` makes something else.
# (A docstring would be in the document, for each subclass.)
class RowSerializer(serializers.Serializer):
    also_read: ClassVar[Sequence[str]] = ()

    class Meta:
        model: type[Model]

    @classmethod
    def read(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Return `rows` as the dictionaries that this serializer takes."""
        plain, json = cls._columns()
        elsewhere = {name: F(str(field.source)) for name, field in cls._declared_fields.items() if field.source}
        return rows.values(*plain, **elsewhere, **texts_of(*json))

    @classmethod
    def identify(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Return `rows` as dictionaries of what `note_shown` takes: all that a 304 has to know of them."""
        return rows.values("pk")

    @classmethod
    def note_shown(cls, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note for the access log that these are shown, where they are patients'. They aren't here."""

    @classmethod
    def row_of(cls, columns: Mapping[str, Any]) -> Row:
        """Return a row whose columns are known as `read` would have read it."""
        plain, json = cls._columns()
        texts = {text_of(name): as_json(columns[name]).decode() for name in json}
        return {**{name: columns[name] for name in plain}, **texts}

    @classmethod
    def represent(cls, rows: list[Row]) -> list[Row]:
        """Return rows that have been `read` as responses have them, which show them."""
        cls.note_shown(rows)
        json = [(name, text_of(name)) for name in cls._columns()[1]]
        for row in rows:
            for name, text in json:
                row[name] = orjson.Fragment(row.pop(text))
        return rows

    @classmethod
    @cache
    def _columns(cls) -> tuple[list[str], list[str]]:
        """Return the names of the columns to read: the plain ones, and the jsonb ones."""
        stored = {field.attname: isinstance(field, JSONField) for field in cls.Meta.model._meta.concrete_fields}
        shown = [name for name in (*cls._declared_fields, *cls.also_read) if name in stored]
        return [name for name in shown if not stored[name]], [name for name in shown if stored[name]]
