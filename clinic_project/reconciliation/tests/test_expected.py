# ruff: noqa: DJ008 (nobody looks at these)
"""What the models mean is read from tables without storage where that can be: it must be what ordinary ones tell."""

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex, HashIndex
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now, Upper
from django.test.utils import isolate_apps

from .. import expected
from ..expected import expected_schema, read_as_temporary
from ..history import reconciling_labels

pytestmark = pytest.mark.django_db


def _both(declared):
    connection = connections[DEFAULT_DB_ALIAS]
    return tuple(read_as_temporary(connection, declared, "public", stored=stored) for stored in (False, True))


def test_the_projects_own_models():
    declared = [model for model in apps.get_models() if model._meta.app_label in reconciling_labels()]
    without, stored = _both(declared)
    assert len(stored.tables) == len(declared)
    assert without == stored


def test_many_models_are_made_in_lots(monkeypatch):
    connection = connections[DEFAULT_DB_ALIAS]
    at_once = expected_schema(connection, apps, reconciling_labels(), "public")
    monkeypatch.setattr(expected, "MODELS_AT_ONCE", 2)
    assert expected_schema(connection, apps, reconciling_labels(), "public") == at_once


@isolate_apps("clinic_project.reconciliation")
def test_whatever_a_table_without_unique_columns_can_have():
    class Shelf(models.Model):
        label = models.CharField(max_length=80, db_index=True, db_collation="C")
        shouted = models.GeneratedField(
            expression=Upper("label"), output_field=models.CharField(max_length=80), db_persist=True
        )
        tags = ArrayField(models.CharField(max_length=20))
        facts = models.JSONField(db_default={})
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

    without, stored = _both([Shelf])
    assert len(stored.tables["Regal eins"].indexes) == 11
    assert without == stored


@isolate_apps("clinic_project.reconciliation")
def test_a_key_that_cannot_be_partitioned_by():
    class KeyWithoutHash(models.Field):
        def db_type(self, connection):
            return "money"

    class Coin(models.Model):
        worth = KeyWithoutHash(primary_key=True)

        class Meta:
            app_label = "reconciliation"

    connection = connections[DEFAULT_DB_ALIAS]
    schema = expected_schema(connection, Coin._meta.apps, ["reconciliation"], "public")
    assert schema.tables["reconciliation_coin"].columns["worth"].type == "money"
