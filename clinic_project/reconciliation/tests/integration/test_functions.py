"""Declared functions of every form, and what else than triggers calls them: defaults, checks, indexes, generated columns."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from django.apps.registry import Apps
from django.db import models
from django.db.models import F, Func

from ...schema import declared, declared_triggers
from ...triggers import Function, Trigger
from ..support.databases import Database
from ..support.models import LABEL, found, inspected, project, reconciled

KEEP = Function("keep", "BEGIN RETURN NULL; END")
FOLDED = Function(
    "folded", "SELECT lower(value)", arguments="value text", returns="text", language="sql IMMUTABLE STRICT"
)
POSITIVE = Function(
    "positive", "BEGIN RETURN value > 0; END", arguments="value bigint", returns="boolean", language="plpgsql IMMUTABLE"
)
ANSWER = Function("answer", "SELECT 42::bigint", returns="bigint", language="sql IMMUTABLE")
EVERY = (KEEP, FOLDED, POSITIVE, ANSWER)

FORMS = (
    Function("rows_of", "SELECT 1, 'a'", returns="TABLE (number integer, name text)", language="sql"),
    Function("pair", "SELECT 1, 'a'", arguments="OUT number integer, OUT name text", returns="record", language="sql"),
    Function("numbers", "SELECT 1", returns="SETOF integer", language="sql"),
    Function("quoted", r"SELECT E'\\ % %s $$ $function$ ''q'''", returns="text", language="sql"),
    Function("any_of", "SELECT 1", arguments="VARIADIC of integer[] DEFAULT '{1}'", returns="integer", language="sql"),
    Function("precise", "SELECT a", arguments="a numeric(4,2), b varchar(9)", returns="numeric(4,2)", language="sql"),
    Function('Quo"ted ' + "é" * 40, "SELECT 1", returns="integer", language="sql"),
    Function("caller", "SELECT called()", returns="integer", language="sql"),
    Function("called", "SELECT 1", returns="integer", language="sql"),
)


@contextmanager
def declaring(*functions: Function) -> Iterator[None]:
    """Let the app of the models declare these functions."""

    def functions_of(label: str) -> tuple[Function, ...]:
        return functions if label == LABEL else ()

    with (
        mock.patch.object(declared, "functions_of", functions_of),
        mock.patch.object(declared_triggers, "functions_of", functions_of),
    ):
        yield


def calling(*, table: str = "shop_order") -> Apps:
    answer = Func(function="answer", output_field=models.BigIntegerField())
    fields: list[tuple[str, models.Field]] = [
        ("note", models.TextField(default="")),
        ("size", models.BigIntegerField(db_default=answer)),
        (
            "twice",
            models.GeneratedField(
                expression=F("size") * answer, output_field=models.BigIntegerField(), db_persist=True
            ),
        ),
    ]
    is_positive = Func(F("size"), function="positive", output_field=models.BooleanField())
    options = {
        "db_table": table,
        "constraints": [
            models.CheckConstraint(condition=is_positive, name="size_is_positive"),
            Trigger(name="history", function=f"{LABEL}.keep", events=["UPDATE"], condition="positive(NEW.size)"),
        ],
        "indexes": [models.Index(Func(F("note"), function="folded"), name="by_folded_note")],
    }
    return project(order=(fields, options))


def test_what_calls_a_function_is_made_with_it(empty_database: Database):
    with declaring(*EVERY):
        assert reconciled(empty_database, calling()).refusals == ()
        assert found(empty_database, calling()) == []
    empty_database.execute("INSERT INTO shop_order (note) VALUES ('A')")
    assert empty_database.rows("SELECT size, twice FROM shop_order") == [(42, 42 * 42)]


class _Shape(models.Field):
    """A field of a type that the database lacks."""

    def db_type(self, connection: object) -> str:
        return "shape"


def test_what_calls_a_function_is_made_beside_a_table_that_is_refused(empty_database: Database):
    is_positive = Func(F("size"), function="positive", output_field=models.BooleanField())
    check = models.CheckConstraint(condition=is_positive, name="size_is_positive")
    apps = project(
        order=([("size", models.BigIntegerField())], {"constraints": [check]}), hat=[("shape", _Shape(null=True))]
    )
    with declaring(*EVERY):
        refused = reconciled(empty_database, apps).refusals
        assert [refusal.table for refusal in refused] == ["shop_hat"]
        assert [name for _, name, _, _ in found(empty_database, apps)] == ["shop_hat"]


def test_what_calls_a_function_comes_back_with_it(empty_database: Database):
    with declaring(*EVERY):
        assert reconciled(empty_database, calling()).refusals == ()
        empty_database.execute(
            "INSERT INTO shop_order (note) VALUES ('A')",
            "DROP FUNCTION folded, positive, keep CASCADE",
            "ALTER TABLE shop_order ALTER size DROP DEFAULT",
        )
        before = empty_database.rows("SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        kinds = {kind for kind, *_ in found(empty_database, calling())}
        assert kinds == {"function-missing", "index-missing", "constraint-missing", "trigger-missing", "column-default"}
        after = empty_database.rows("SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        assert before == after, "comparing creates none"
        assert reconciled(empty_database, calling()).refusals == ()
        assert found(empty_database, calling()) == []


def test_a_function_of_other_parameters_is_left_to_what_calls_it_until_that_calls_the_new_one(empty_database: Database):
    with declaring(*EVERY):
        assert reconciled(empty_database, calling()).refusals == ()
    other = Function(
        "folded", "SELECT lower(text)", arguments="text text", returns="text", language="sql IMMUTABLE STRICT"
    )
    with declaring(KEEP, other, POSITIVE, ANSWER):
        (refusal,) = reconciled(empty_database, calling()).refusals
        assert "index public.by_folded_note" in refusal.reason
        empty_database.execute(*refusal.statements)
        assert reconciled(empty_database, calling()).refusals == ()
        assert found(empty_database, calling()) == []
    empty_database.execute("DROP FUNCTION folded_undeclared")


def test_a_table_of_another_schema_has_triggers_of_this_one(empty_database: Database):
    empty_database.execute("CREATE SCHEMA other")
    apps = calling(table='other"."order')
    with declaring(*EVERY):
        assert reconciled(empty_database, apps).refusals == ()
        for damage in ("DROP FUNCTION keep CASCADE", "ALTER TABLE other.order DISABLE TRIGGER history"):
            empty_database.execute(damage)
            assert found(empty_database, apps) != []
            assert reconciled(empty_database, apps).refusals == ()
            assert found(empty_database, apps) == []


def test_every_form_of_a_function_is_as_declared_once_it_is_made(empty_database: Database):
    with declaring(*FORMS):
        assert reconciled(empty_database, project()).refusals == ()
        assert found(empty_database, project()) == []
        assert len(empty_database.rows("SELECT FROM pg_proc WHERE pronamespace = 'public'::regnamespace")) == len(FORMS)


@pytest.mark.parametrize("option", ["COST 5", "STRICT", "IMMUTABLE", "PARALLEL SAFE", "SET work_mem = '1MB'"])
def test_an_option_that_differs_is_a_difference(option: str, empty_database: Database):
    with declaring(KEEP):
        assert reconciled(empty_database, project()).refusals == ()
        empty_database.execute(f"ALTER FUNCTION keep() {option}")
        assert [step.reason for step in inspected(empty_database, project()).plan.steps] == ["replace the function"]
        assert reconciled(empty_database, project()).refusals == ()
        assert found(empty_database, project()) == []
