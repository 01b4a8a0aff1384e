"""Conversions between types: none cuts or rounds a value, or takes one for another."""

import pytest

from ...planning.repairs.column_types import is_free_widening
from ...planning.repairs.conversions import conversion
from ...schema.model import Column

VERSIONS = (140000, 180000)


def of(before: str, after: str, version: int = 180000):
    return conversion(Column("x", after, not_null=False), Column("x", before, not_null=False), version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("before", "after", "expression"),
    [
        ("smallint", "boolean", '"x"::text::boolean'),
        ("json", "jsonb", '"x"::jsonb'),
        ("text", "jsonb", '"x"::text::jsonb'),
        ("text[]", "jsonb", 'to_jsonb("x")'),
        ("public.hstore", "jsonb", '"x"::jsonb'),
        ("character varying(40)", "uuid", '"x"::text::uuid'),
        ("cidr", "inet", '"x"::text::inet'),
        ("bigint", "text", '"x"::text'),
        ("public.mood", "text", '"x"::text'),
        ("timestamp(3) without time zone", "timestamp with time zone", "\"x\" AT TIME ZONE 'UTC'"),
        ("timestamp with time zone", "timestamp without time zone", "\"x\" AT TIME ZONE 'UTC'"),
        ("timestamp(0) with time zone", "timestamp with time zone", '"x"'),
        ("smallint", "integer", '"x"::integer'),
        ("boolean", "smallint", '"x"::integer::smallint'),
        ("text[]", "character varying(30)[]", '"x"::text[]'),
    ],
)
def test_expressions(before: str, after: str, expression: str, version: int):
    assert of(before, after, version).expression == expression


@pytest.mark.parametrize("before", ["text", "character varying(500)", "integer", "public.mood"])
def test_a_text_that_is_too_long_is_no_cast(before: str):
    converted = of(before, "character varying(10)")
    assert "::character varying" not in converted.expression
    assert converted.misfit == 'char_length("x"::text) > 10'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bytea", "text"),
        ("integer", "timestamp with time zone"),
        ("integer", "date"),
        ("jsonb", "text[]"),
        ("uuid", "integer"),
        ("double precision", "boolean"),
        ("bytea", "jsonb"),
        ("text", "timestamp without time zone"),
        ("int4range", "daterange"),
        ("text", "numeric(10,2)[]"),
        ("text", "timestamp(0) with time zone"),
        ("interval", "interval(0)"),
    ],
)
def test_there_is_none(before: str, after: str):
    assert of(before, after) is None


def test_a_date_is_read_from_year_month_day_alone():
    assert "~ '^\\s*\\d{4}-" in of("text", "date").expression


def test_an_array_is_no_text_that_is_widened():
    array, text = Column("x", "character varying(10)[]", not_null=False), Column("x", "text", not_null=False)
    assert not is_free_widening(array, text)
    assert is_free_widening(Column("x", "character varying(10)", not_null=False), text)


def test_what_is_taken_for_granted_is_told():
    assert "UTC" in of("timestamp without time zone", "timestamp with time zone").assumption
    assert "microseconds" in of("bigint", "interval").assumption
    assert "twice" in of("json", "jsonb").assumption
