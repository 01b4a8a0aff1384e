# ruff: noqa: DJ008 (nobody looks at these)
"""What models mean is read from tables that are drawn together: it must be what each table tells by itself."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex, HashIndex
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import F, Q
from django.db.models.functions import Lower, Now, Upper
from django.test.utils import isolate_apps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .. import expected, sheets
from ..expected import expected_schema
from ..history import reconciling_labels

pytestmark = pytest.mark.django_db


def _drawn(apps, *labels):
    return expected_schema(connections[DEFAULT_DB_ALIAS], apps, labels, "public").tables


def _each_by_itself(apps, *labels):
    """Draw every model as an ordinary temporary table of its own name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "_can_share", lambda *drawing: False)
        patch.setattr(sheets, "_is_stored", lambda drawing: True)
        return _drawn(apps, *labels)


def _sheets_used(monkeypatch):
    used = []
    cut = sheets.Sheets.cut
    monkeypatch.setattr(sheets.Sheets, "cut", lambda self, *given: used.extend(self.by_name) or cut(self, *given))
    return used


def test_the_projects_own_models(monkeypatch):
    used = _sheets_used(monkeypatch)
    together = _drawn(apps, *reconciling_labels())
    assert len(together) > len(used)
    assert together == _each_by_itself(apps, *reconciling_labels())


def test_many_models_are_made_in_lots(monkeypatch):
    at_once = _drawn(apps, *reconciling_labels())
    monkeypatch.setattr(expected, "MODELS_AT_ONCE", 2)
    assert _drawn(apps, *reconciling_labels()) == at_once


@isolate_apps("clinic_project.reconciliation")
def test_whatever_a_table_without_unique_columns_can_have():
    class Shelf(models.Model):
        label = models.CharField(max_length=80, db_index=True, db_collation="C")
        shouted = models.GeneratedField(
            expression=Upper("label"), output_field=models.CharField(max_length=80), db_persist=True
        )
        tags = ArrayField(models.CharField(max_length=20))
        facts = models.JSONField(db_default={"a": "it's, (so) \\ 100%"})
        width = models.DecimalField(max_digits=6, decimal_places=2, default=1)
        above = models.ForeignKey("self", models.SET_NULL, null=True)
        made_at = models.DateTimeField(db_default=Now())

        class Meta:
            app_label = "reconciliation"
            db_table = "Regal eins"
            indexes = [
                models.Index(Lower("label"), name="by_expression"),
                models.Index(F("made_at").desc(nulls_last=True), "label", name="descending"),
                models.Index(fields=["width"], include=["label"], condition=Q(width__gt=2), name="partial_covering"),
                models.Index(fields=["label"], opclasses=["varchar_pattern_ops"], name="by_prefix"),
                GinIndex(fields=["facts"], fastupdate=False, name="in_facts"),
                BrinIndex(fields=["made_at"], name="by_age"),
                HashIndex(fields=["shouted"], name="by_hash"),
            ]
            constraints = [models.CheckConstraint(condition=Q(width__gt=0), name="has width")]

    together = _drawn(Shelf._meta.apps, "reconciliation")
    assert len(together["Regal eins"].indexes) == 11
    assert together == _each_by_itself(Shelf._meta.apps, "reconciliation")


@isolate_apps("clinic_project.reconciliation")
def test_a_key_of_a_type_that_hashes_to_nothing():
    class Money(models.Field):
        def db_type(self, connection):
            return "money"

    class Coin(models.Model):
        worth = Money(primary_key=True)

        class Meta:
            app_label = "reconciliation"

    assert _drawn(Coin._meta.apps, "reconciliation")["reconciliation_coin"].columns["worth"].type == "money"


def _state(*tables):
    state = ProjectState()
    for number, (name, columns, options) in enumerate(tables):
        key = ("id", models.BigAutoField(primary_key=True))
        state.add_model(ModelState("shop", f"Model{number}", [key, *columns], {"db_table": name, **options}))
    return state.apps


def test_two_tables_with_the_same_columns_share_a_sheet(monkeypatch):
    used = _sheets_used(monkeypatch)
    columns = [("name", models.CharField(max_length=9, unique=True)), ("size", models.PositiveIntegerField())]
    tables = _drawn(_state(("shirts", columns, {}), ("hats", columns, {})), "shop")
    assert len(used) == 1
    assert {c.name for c in tables["hats"].constraints} == {"hats_pkey", "hats_name_key", "hats_size_check"}


def test_a_column_that_means_something_else_in_another_table():
    of_text, of_number = ("size", models.TextField()), ("size", models.IntegerField(null=True))
    tables = _drawn(_state(("shirts", [of_text], {}), ("hats", [of_number], {})), "shop")
    assert [tables[name].columns["size"].type for name in ("shirts", "hats")] == ["text", "integer"]


def test_a_foreign_key_is_told_with_the_table_that_it_points_to():
    to_hats = models.ForeignKey("shop.Model1", models.CASCADE)
    tables = _drawn(_state(("shirts", [("goes_with", to_hats)], {}), ("select", [("goes_with", to_hats)], {})), "shop")
    for name in ("shirts", "select"):
        foreign_key = next(c for c in tables[name].constraints if c.kind == "f")
        assert foreign_key.target == ("public", "select")
        assert foreign_key.definition == 'FOREIGN KEY (goes_with_id) REFERENCES public."select"(id)'


def test_a_name_that_postgresql_would_have_made_up_itself():
    rule = models.CheckConstraint(condition=Q(size__lt=9), name="shirts_size_not_null")
    state = _state(("shirts", [("size", models.IntegerField())], {"constraints": [rule]}))
    together = _drawn(state, "shop")
    assert together["shirts"].columns["size"].not_null_name in (None, "shirts_size_not_null1")
    assert together == _each_by_itself(state, "shop")


def test_two_tables_for_which_it_would_make_up_the_same_name():
    of_group, of_id = ("group_id", models.IntegerField()), ("extra", models.TextField())
    state = _state(("shop_user", [of_group], {}), ("shop_user_group", [of_id], {}))
    assert _drawn(state, "shop") == _each_by_itself(state, "shop")


_KINDS: tuple[Callable[[], models.Field], ...] = (
    lambda: models.CharField(max_length=20),
    lambda: models.CharField(max_length=30, unique=True),
    lambda: models.CharField(max_length=20, db_index=True, null=True),
    lambda: models.PositiveIntegerField(db_default=1),
    lambda: models.DateTimeField(db_default=Now()),
    lambda: models.ForeignKey("shop.Model0", models.CASCADE, related_name="+"),
    lambda: models.OneToOneField("shop.Model0", models.SET_NULL, null=True, related_name="+"),
)


def _names(letter):
    """Short and long ones, so that PostgreSQL cuts some that it makes up; and such as have to be quoted."""
    short = st.sampled_from([letter, f"{letter}_id", "select", "say x, (y)", "größe"])
    return st.one_of(short, st.integers(20, 50).map(lambda length: letter * length))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        _names("t"),
        st.tuples(st.dictionaries(_names("c"), st.sampled_from(range(len(_KINDS))), max_size=5), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_any_tables(tables):
    made = []
    for number, (table, (columns, is_ruled)) in enumerate(tables.items()):
        fields = [(f"field_{n}", _KINDS[kind]()) for n, kind in enumerate(columns.values())]
        for (_, model_field), name in zip(fields, columns, strict=True):
            model_field.db_column = name
        rule = models.CheckConstraint(condition=Q(id__gt=number // 2), name=f"rule_{number}")
        made.append((table, fields, {"constraints": [rule] * is_ruled}))
    state = _state(*made)
    assert _drawn(state, "shop") == _each_by_itself(state, "shop")
