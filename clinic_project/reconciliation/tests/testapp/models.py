# ruff: noqa: DJ008 (no page shows these)
"""Models with what Django can declare for PostgreSQL, beyond what the clinic's models have."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField
from django.contrib.postgres.indexes import BrinIndex, GinIndex, HashIndex
from django.db import models
from django.db.models import Deferrable, F, Q
from django.db.models.functions import Lower, Now, Upper

from .extensions import ExtensionField


class Keeper(models.Model):
    id = models.BigAutoField(primary_key=True)
    # For a text column, Django adds a second index, for LIKE.
    name = models.CharField(max_length=100, db_index=True)
    badge = models.CharField(max_length=20, unique=True, db_collation="C")
    notes = models.TextField(db_index=True, blank=True, default="")
    deputy_of = models.ForeignKey("self", models.SET_NULL, null=True)
    extended = ExtensionField(null=True)
    hired_at = models.DateTimeField(db_default=Now())


class Enclosure(models.Model):
    """Its names have to be quoted."""

    name = models.CharField(max_length=60, db_column="Käfig's Name")
    square_metres = models.DecimalField(max_digits=8, decimal_places=2, db_column="Fläche m²")
    keepers = models.ManyToManyField(Keeper, db_table="Pfleger & Gehege")

    class Meta:
        db_table = "Gehege im Süden"
        indexes = [models.Index(fields=["name", "square_metres"], name="Gehege nach Größe")]
        constraints = [
            models.CheckConstraint(condition=Q(square_metres__gt=0), name="Fläche > 0"),
            models.UniqueConstraint(fields=["name"], name="ein Name"),
        ]


class Animal(models.Model):
    id = models.BigAutoField(primary_key=True)
    species = models.CharField(max_length=120)
    search = models.GeneratedField(
        expression=Lower("species"), output_field=models.CharField(max_length=120), db_persist=True
    )
    tags = ArrayField(models.CharField(max_length=30), db_default=[])
    facts = models.JSONField(db_default={})
    weight = models.DecimalField(max_digits=10, decimal_places=3, null=True)
    born = models.DateField(null=True)
    ring = models.UUIDField(null=True, unique=True)
    legs = models.PositiveSmallIntegerField(db_default=4)
    is_alive = models.BooleanField(db_default=True)
    stay = DateRangeField(null=True)
    nickname = models.CharField(max_length=50, null=True)
    mood = models.CharField(max_length=20, default="calm")
    enclosure = models.ForeignKey(Enclosure, models.PROTECT)
    mother = models.ForeignKey("self", models.SET_NULL, null=True, db_index=False, related_name="+")
    twin = models.OneToOneField("self", models.SET_NULL, null=True, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["-born", "species"], name="animal_descending"),
            models.Index(fields=["species"], condition=Q(is_alive=True), name="animal_partial"),
            models.Index(fields=["enclosure", "born"], include=["weight"], name="animal_covering"),
            models.Index(Upper("species"), F("born").desc(nulls_last=True), name="animal_expression"),
            models.Index(fields=["species"], opclasses=["varchar_pattern_ops"], name="animal_pattern"),
            GinIndex(fields=["facts"], opclasses=["jsonb_path_ops"], name="animal_facts"),
            GinIndex(fields=["tags"], fastupdate=False, name="animal_tags"),
            BrinIndex(fields=["born"], pages_per_range=16, name="animal_brin"),
            HashIndex(fields=["species"], fillfactor=70, name="animal_hash"),
            models.Index(fields=["nickname", "mood"], name="animal_later"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(weight__gt=0) | Q(weight__isnull=True), name="animal_weight"),
            models.CheckConstraint(condition=Q(legs__lte=750), name="animal_legs"),
            models.UniqueConstraint(fields=["enclosure", "species", "born"], name="animal_composite"),
            models.UniqueConstraint(fields=["species"], condition=Q(is_alive=False), name="animal_conditional"),
            models.UniqueConstraint(Lower("species"), "enclosure", "weight", name="animal_unique_expression"),
            models.UniqueConstraint(fields=["mother", "born"], deferrable=Deferrable.DEFERRED, name="animal_deferred"),
            models.UniqueConstraint(fields=["id"], include=["species"], name="animal_unique_covering"),
            ExclusionConstraint(
                name="animal_exclusion", expressions=[("stay", "&&")], condition=Q(is_alive=True), index_type="gist"
            ),
        ]


class Visit(models.Model):
    """A text key that the application sets, a foreign key to a unique text column, unique_together."""

    code = models.CharField(max_length=12, primary_key=True)
    animal = models.ForeignKey(Animal, models.CASCADE, related_name="visits")
    keeper = models.ForeignKey(Keeper, models.CASCADE, to_field="badge", db_constraint=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        unique_together = [("animal", "keeper", "seen_at")]
