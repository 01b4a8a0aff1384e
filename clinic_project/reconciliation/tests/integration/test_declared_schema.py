# ruff: noqa: DJ008 (nobody looks at these)
"""The declared schema, which is read from temporary tables, is that of the tables that Django creates."""

from collections.abc import Callable
from functools import partial

import pytest
from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex, GinIndex, HashIndex
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import F, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, Now, Upper
from django.test.utils import isolate_apps
from hypothesis import given, settings
from hypothesis import strategies as st

from ...comparison import compare
from ...migration_files import labels_with_reconcile_schema
from ...schema import declared
from ...schema.declared import declared_schema
from ...schema.introspection import read_schema, rolled_back
from ...schema.model import ConstraintKind, Schema
from ..support.profiles import PROFILE

FOREIGN_KEYS = [ConstraintKind.FOREIGN_KEY]

pytestmark = pytest.mark.django_db


def _declared(apps, *labels):
    return declared_schema(connections[DEFAULT_DB_ALIAS], apps, labels, "public").tables


def _assert_as_created(apps, *labels):
    """Assert that the declared tables are those that Django creates, and return them."""
    connection = connections[DEFAULT_DB_ALIAS]
    tables = _declared(apps, *labels)
    with rolled_back(connection):
        with connection.schema_editor(atomic=False) as editor:
            for model in apps.get_models():
                editor.create_model(model)
        differences = compare(
            Schema("public", tables), read_schema(connection, "public", tables, ["any"], lock_timeout=1)
        )
    assert [(item.kind, item.name, item.declared_text, item.actual_text) for item in differences.items] == []
    assert differences.undeclared == ()
    for table in tables.values():
        actual = differences.actual.tables[table.name]
        assert (table.kind, table.indexes, table.constraints) == (actual.kind, actual.indexes, actual.constraints)
    return tables


def test_many_models_are_created_in_batches(monkeypatch):
    at_once = _declared(apps, *labels_with_reconcile_schema())
    monkeypatch.setattr(declared, "MODELS_PER_BATCH", 2)
    assert _declared(apps, *labels_with_reconcile_schema()) == at_once


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

    assert len(_assert_as_created(Shelf._meta.apps, "reconciliation")["Regal eins"].indexes) == 11


@isolate_apps("clinic_project.reconciliation")
def test_a_key_of_a_type_that_hashes_to_nothing():
    class Money(models.Field):
        def db_type(self, connection):
            return "money"

    class Coin(models.Model):
        worth = Money(primary_key=True)

        class Meta:
            app_label = "reconciliation"

    assert _declared(Coin._meta.apps, "reconciliation")["reconciliation_coin"].columns["worth"].type == "money"


def _state(*tables):
    state = ProjectState()
    for number, (name, columns, options) in enumerate(tables):
        key = ("id", models.BigAutoField(primary_key=True))
        state.add_model(ModelState("shop", f"Model{number}", [key, *columns], {"db_table": name, **options}))
    return state.apps


def test_two_columns_of_one_name_and_different_types():
    of_text, of_number = ("size", models.TextField()), ("size", models.IntegerField(null=True))
    tables = _declared(_state(("shirts", [of_text], {}), ("hats", [of_number], {})), "shop")
    assert [tables[name].columns["size"].type for name in ("shirts", "hats")] == ["text", "integer"]


def test_a_foreign_key_names_the_table_that_it_points_to():
    to_hats = models.ForeignKey("shop.Model1", models.CASCADE)
    tables = _declared(
        _state(("shirts", [("goes_with", to_hats)], {}), ("select", [("goes_with", to_hats)], {})), "shop"
    )
    for name in ("shirts", "select"):
        foreign_key = next(iter(tables[name].constraints_of(FOREIGN_KEYS)))
        assert foreign_key.target == ("public", "select")
        assert foreign_key.definition == 'FOREIGN KEY (goes_with_id) REFERENCES public."select"(id)'


def test_a_name_that_postgresql_would_generate_itself():
    rule = models.CheckConstraint(condition=Q(size__lt=9), name="shirts_size_not_null")
    state = _state(("shirts", [("size", models.IntegerField())], {"constraints": [rule]}))
    tables = _assert_as_created(state, "shop")
    assert tables["shirts"].columns["size"].not_null_name in (None, "shirts_size_not_null1")


def test_two_tables_for_which_it_would_generate_the_same_name():
    of_group, of_id = ("group_id", models.IntegerField()), ("extra", models.TextField())
    _assert_as_created(_state(("shop_user", [of_group], {}), ("shop_user_group", [of_id], {})), "shop")


def test_a_table_of_a_name_that_it_would_generate():
    code = ("code", models.CharField(max_length=9, unique=True))
    _assert_as_created(_state(("shop_pkey", [], {}), ("shop_code_key", [], {}), ("shop", [code], {})), "shop")


def test_names_that_are_too_long():
    """PostgreSQL truncates them, and those that it generates of them."""
    long = ("shop_" + "ä" * 40, [("c" * 60, models.IntegerField())], {})
    _assert_as_created(
        _state(long, ("shop_appointmentreminderrecipients", [("c" * 30, models.TextField())], {})), "shop"
    )


@pytest.mark.parametrize("default", [[1, 2], [], RawSQL("ARRAY[1, (2)]", []), RawSQL("$$it's, ($$", [])])
def test_a_default_with_commas_and_brackets(default):
    kind = models.TextField if "it's" in str(default) else partial(ArrayField, models.IntegerField())
    rule = models.CheckConstraint(condition=Q(id__gt=1), name="rule")
    code = ("code", models.CharField(max_length=40, db_default="it's, (so) \\ [100%"))
    _assert_as_created(_state(("hats", [("own", kind(db_default=default)), code], {"constraints": [rule]})), "shop")


def test_what_is_declared_unique_twice():
    """PostgreSQL makes one constraint of two that CREATE TABLE has alike."""
    code = ("code", models.CharField(max_length=9, unique=True))
    twice = [models.UniqueConstraint(fields=["code"], name="again"), models.UniqueConstraint(fields=["id"], name="key")]
    _assert_as_created(_state(("hats", [code], {"constraints": twice}), ("shirts", [code], {})), "shop")


def test_an_index_that_the_state_has_twice():
    index = models.Index(fields=["size"], name="hats_size")
    tables = _declared(_state(("hats", [("size", models.IntegerField())], {"indexes": [index, index]})), "shop")
    assert [index.name for index in tables["hats"].indexes] == ["hats_pkey", "hats_size"]


def test_a_tablespace():
    indexes = [models.Index(fields=["code"], name="by_code", db_tablespace="pg_default")]
    code = ("code", models.CharField(max_length=9, db_index=True, db_tablespace="pg_default"))
    _assert_as_created(_state(("hats", [code], {"indexes": indexes, "db_tablespace": "pg_default"})), "shop")


def _with_key(*keys, **options):
    """One table of the key, which another one refers to."""
    state = ProjectState()
    state.add_model(
        ModelState("shop", "Hat", [*keys, ("size", models.IntegerField())], {"db_table": "hats", **options})
    )
    return state


_GENERATED_KEY = models.GeneratedField(
    expression=F("size") + 1, output_field=models.IntegerField(), db_persist=True, primary_key=True
)


@pytest.mark.parametrize(
    "key",
    [
        models.CharField(max_length=9, primary_key=True, db_collation="C"),
        models.DecimalField(max_digits=9, decimal_places=2, primary_key=True),
        models.UUIDField(primary_key=True, db_default=RandomUUID()),
        models.PositiveSmallIntegerField(primary_key=True, db_default=7),
        ArrayField(models.IntegerField(), primary_key=True),
        DateRangeField(primary_key=True),
        _GENERATED_KEY,
        models.BigAutoField(primary_key=True, db_column="k" * 70),
        models.BigAutoField(primary_key=True, db_column="say 'x', (y)"),
    ],
)
def test_a_key_of_another_type_and_what_refers_to_it(key):
    state = _with_key(("code", key))
    of_hat = [("id", models.AutoField(primary_key=True)), ("hat", models.ForeignKey("shop.Hat", models.CASCADE))]
    state.add_model(ModelState("shop", "Box", of_hat, {"db_table": "boxes"}))
    assert len(_assert_as_created(state.apps, "shop")["boxes"].constraints) == 2


def test_a_key_of_two_columns():
    parts = [("box", models.ForeignKey("shop.Box", models.CASCADE)), ("place", models.CharField(max_length=9))]
    state = _with_key(("pk", models.CompositePrimaryKey("box", "place")), *parts)
    state.add_model(ModelState("shop", "Box", [("id", models.AutoField(primary_key=True))], {"db_table": "boxes"}))
    primary_key = _assert_as_created(state.apps, "shop")["hats"].primary_key
    assert primary_key is not None
    assert primary_key.columns == ("box_id", "place")


@isolate_apps("clinic_project.reconciliation")
def test_models_that_inherit_from_others():
    """The key of a child is its foreign key to the parent."""

    class Garment(models.Model):
        size = models.IntegerField()
        goes_with = models.ManyToManyField("self")

        class Meta:
            app_label = "reconciliation"
            db_table = "garments"

    class Hat(Garment):
        brim = models.IntegerField(db_comment="in mm, it's")

        class Meta:
            app_label = "reconciliation"
            db_table = "hats"
            db_table_comment = "What is worn on heads"

    class Cap(Hat):
        class Meta:
            app_label = "reconciliation"
            db_table = "caps"

    tables = _assert_as_created(Garment._meta.apps, "reconciliation")
    assert sorted(tables) == ["caps", "garments", "garments_goes_with", "hats"]


def test_a_foreign_key_to_a_column_of_the_same_table():
    code = ("code", models.CharField(max_length=9, unique=True))
    below = ("below", models.ForeignKey("shop.Model0", models.CASCADE, to_field="code"))
    _assert_as_created(_state(("hats", [code, below], {})), "shop")


@pytest.mark.parametrize(
    "constraint",
    [
        models.UniqueConstraint(fields=["size"], name="one", deferrable=models.Deferrable.DEFERRED),
        models.UniqueConstraint(fields=["size"], name="one", condition=Q(id__gt=1)),
        models.UniqueConstraint(fields=["size"], name="one", include=["id"]),
        models.UniqueConstraint(fields=["id", "size"], name="one"),
        models.UniqueConstraint(F("size") + 1, name="one"),
        ExclusionConstraint(expressions=[("stay", "&&")], name="one", condition=Q(size__gt=1)),
    ],
)
def test_a_unique_or_exclusion_constraint(constraint):
    columns = [("size", models.IntegerField()), ("stay", DateRangeField())]
    hats, shirts = ("hats", columns, {"constraints": [constraint]}), ("shirts", columns, {})
    _assert_as_created(_state(hats, shirts), "shop")


class _CustomType(models.Field):
    """A custom field whose type is this SQL."""

    def __init__(self, sql="", **options):
        super().__init__(**options)
        self.sql = sql

    def deconstruct(self):
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "sql": self.sql}

    def db_type(self, connection):
        return self.sql or None


@pytest.mark.parametrize(
    "sql",
    ["integer UNIQUE", "integer CHECK (code > 1) NO INHERIT", "integer GENERATED ALWAYS AS (size + 1) STORED", ""],
)
def test_a_custom_type(sql):
    """PostgreSQL accepts some of them only for a table with storage."""
    columns = [("code", _CustomType(sql, null=True)), ("size", models.IntegerField())]
    _assert_as_created(_state(("hats", columns, {}), ("shirts", [("size", models.IntegerField())], {})), "shop")


class _TriggerAsIndex(models.Index):
    """A custom index whose SQL creates a trigger."""

    def create_sql(self, model, schema_editor, using="", **options):
        return (
            "CREATE TRIGGER noted AFTER UPDATE ON hats REFERENCING NEW TABLE AS changed"
            " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )


def test_a_trigger_for_which_a_table_needs_storage():
    trigger = _TriggerAsIndex(fields=["size"], name="noted")
    columns = [("size", models.IntegerField())]
    assert _declared(_state(("hats", columns, {"indexes": [trigger]})), "shop")["hats"].triggers[0].name == "noted"


def test_temporary_tables_that_the_session_has_already():
    with rolled_back(connections[DEFAULT_DB_ALIAS]) as cursor:
        cursor.execute("CREATE TEMPORARY TABLE hats AS SELECT 5 AS size")
        assert list(_declared(_state(("hats", [], {})), "shop")["hats"].columns) == ["id"]
        cursor.execute("SELECT size FROM hats")
        assert cursor.fetchall() == [(5,)]


class _FieldWithCheck(models.IntegerField):
    """A custom field with a check."""

    def __init__(self, check="", **options):
        super().__init__(**options)
        self.check_sql = check

    def deconstruct(self):
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "check": self.check_sql}

    def db_check(self, connection):
        return self.check_sql


@pytest.mark.parametrize("check", ["1 > 0", '"size" > 0', '"size" < "id"', "length('CHECK') > 0"])
def test_a_field_with_a_check(check):
    checked, plain = ("checked", _FieldWithCheck(check)), ("size", models.IntegerField())
    tables = ("hats", [checked, plain], {}), ("shirts", [plain], {}), ("socks", [checked, plain], {})
    _assert_as_created(_state(*tables), "shop")


def test_a_condition_that_names_its_table():
    rule = models.CheckConstraint(condition=RawSQL('"hats"."id" > 1', [], models.BooleanField()), name="rule")
    _assert_as_created(_state(("hats", [], {"constraints": [rule]}), ("shirts", [], {})), "shop")


class _CustomConstraint(models.constraints.BaseConstraint):
    """A custom constraint of this SQL."""

    def __init__(self, *, name, sql):
        super().__init__(name=name)
        self.sql = sql

    def deconstruct(self):
        path, arguments, options = super().deconstruct()
        return path, arguments, {**options, "sql": self.sql}

    def constraint_sql(self, model, schema_editor):
        return self.sql


@pytest.mark.parametrize("name", ["", 'CONSTRAINT "pair" '])
def test_a_custom_constraint(name):
    pair = [("size", models.IntegerField()), ("code", models.IntegerField())]
    unique = models.UniqueConstraint(fields=["size", "code"], name="one")
    custom = _CustomConstraint(
        name="pair", sql=f'{name}FOREIGN KEY ("size", "code") REFERENCES "hats" ("size", "code")'
    )
    state = _state(("hats", pair, {"constraints": [unique]}), ("shirts", pair, {"constraints": [custom]}))
    assert _assert_as_created(state, "shop")["shirts"].constraints_of(FOREIGN_KEYS)


@pytest.mark.parametrize("is_managed", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"constraints": [models.UniqueConstraint(fields=["code"], name="one_code")]},
        {"constraints": [models.UniqueConstraint(fields=["code"], include=["id"], name="one_code")]},
        {"unique_together": {("code",)}},
    ],
)
def test_a_parent_in_another_app_with_a_unique_constraint(options, is_managed):
    """It is created with its keys only, so that its own parent and its index aren't required."""
    state = ProjectState()
    columns = [
        ("id", models.AutoField(primary_key=True)),
        ("code", models.IntegerField(db_default=1)),
        ("above", models.ForeignKey("elsewhere.Owner", models.CASCADE)),
    ]
    index = models.Index(fields=["above"], name="of_an_extension", opclasses=["gin_trgm_ops"])
    more = {"db_table": "codes", "managed": is_managed, "indexes": [index]}
    state.add_model(ModelState("elsewhere", "Owner", [("id", models.AutoField(primary_key=True))]))
    state.add_model(ModelState("elsewhere", "Code", columns, {**options, **more}))
    child = models.ForeignKey("elsewhere.Code", models.CASCADE, to_field="code")
    state.add_model(ModelState("shop", "Hat", [("id", models.AutoField(primary_key=True)), ("code", child)]))
    assert [c.target for c in _declared(state.apps, "shop")["shop_hat"].constraints_of(FOREIGN_KEYS)] == [
        ("public", "codes")
    ]


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
    """Short and long ones, so that PostgreSQL truncates some that it generates; and such as have to be quoted."""
    short = st.sampled_from([letter, f"{letter}_id", "select", "say x, (y)", "größe"])
    return st.one_of(short, st.integers(20, 50).map(lambda length: letter * length))


@settings(PROFILE, max_examples=max(25, PROFILE.max_examples))
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
    _assert_as_created(_state(*made), "shop")
