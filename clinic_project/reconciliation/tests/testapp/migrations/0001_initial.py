import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.contrib.postgres.indexes
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.tests.testapp import extensions


def make_extension(apps, schema_editor):
    extension = extensions.available_extension(schema_editor.connection)
    schema_editor.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    atomic = False
    operations = [
        migrations.RunPython(make_extension, migrations.RunPython.noop),
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="Enclosure",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("name", models.CharField(db_column="Käfig's Name", max_length=60)),
                        ("square_metres", models.DecimalField(db_column="Fläche m²", decimal_places=2, max_digits=8)),
                    ],
                    options={
                        "db_table": "Gehege im Süden",
                    },
                ),
                migrations.CreateModel(
                    name="Animal",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("species", models.CharField(max_length=120)),
                        (
                            "search",
                            models.GeneratedField(
                                db_persist=True,
                                expression=django.db.models.functions.text.Lower("species"),
                                output_field=models.CharField(max_length=120),
                            ),
                        ),
                        (
                            "tags",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=30), db_default=[], size=None
                            ),
                        ),
                        ("facts", models.JSONField(db_default={})),
                        ("weight", models.DecimalField(decimal_places=3, max_digits=10, null=True)),
                        ("born", models.DateField(null=True)),
                        ("ring", models.UUIDField(null=True, unique=True)),
                        ("legs", models.PositiveSmallIntegerField(db_default=4)),
                        ("is_alive", models.BooleanField(db_default=True)),
                        ("stay", django.contrib.postgres.fields.ranges.DateRangeField(null=True)),
                        (
                            "mother",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="testapp.animal",
                            ),
                        ),
                        (
                            "twin",
                            models.OneToOneField(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="testapp.animal",
                            ),
                        ),
                        (
                            "enclosure",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="testapp.enclosure"),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Keeper",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("name", models.CharField(db_index=True, max_length=80)),
                        ("badge", models.CharField(db_collation="C", max_length=20, unique=True)),
                        ("notes", models.TextField(blank=True, db_index=True, default="")),
                        ("extended", extensions.ExtensionField(null=True)),
                        ("hired_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "deputy_of",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, to="testapp.keeper"
                            ),
                        ),
                    ],
                ),
                migrations.AddField(
                    model_name="enclosure",
                    name="keepers",
                    field=models.ManyToManyField(db_table="Pfleger & Gehege", to="testapp.keeper"),
                ),
                migrations.CreateModel(
                    name="Visit",
                    fields=[
                        ("code", models.CharField(max_length=12, primary_key=True, serialize=False)),
                        ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "animal",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="visits", to="testapp.animal"
                            ),
                        ),
                        (
                            "keeper",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, to="testapp.keeper", to_field="badge"
                            ),
                        ),
                    ],
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=models.Index(fields=["-born", "species"], name="animal_descending"),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=models.Index(
                        condition=models.Q(("is_alive", True)), fields=["species"], name="animal_partial"
                    ),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=models.Index(fields=["enclosure", "born"], include=("weight",), name="animal_covering"),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=models.Index(
                        django.db.models.functions.text.Upper("species"),
                        models.OrderBy(models.F("born"), descending=True, nulls_last=True),
                        name="animal_expression",
                    ),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=models.Index(fields=["species"], name="animal_pattern", opclasses=["varchar_pattern_ops"]),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=django.contrib.postgres.indexes.GinIndex(
                        fields=["facts"], name="animal_facts", opclasses=["jsonb_path_ops"]
                    ),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=django.contrib.postgres.indexes.GinIndex(
                        fastupdate=False, fields=["tags"], name="animal_tags"
                    ),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=django.contrib.postgres.indexes.BrinIndex(
                        fields=["born"], name="animal_brin", pages_per_range=16
                    ),
                ),
                migrations.AddIndex(
                    model_name="animal",
                    index=django.contrib.postgres.indexes.HashIndex(
                        fields=["species"], fillfactor=70, name="animal_hash"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("weight__gt", 0), ("weight__isnull", True), _connector="OR"),
                        name="animal_weight",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=models.UniqueConstraint(
                        fields=("enclosure", "species", "born"), name="animal_composite"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("is_alive", False)), fields=("species",), name="animal_conditional"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=models.UniqueConstraint(
                        django.db.models.functions.text.Lower("species"),
                        models.F("enclosure"),
                        models.F("weight"),
                        name="animal_unique_expression",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                        fields=("mother", "born"),
                        name="animal_deferred",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=models.UniqueConstraint(
                        fields=("id",), include=("species",), name="animal_unique_covering"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="animal",
                    constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                        condition=models.Q(("is_alive", True)), expressions=[("stay", "&&")], name="animal_exclusion"
                    ),
                ),
                migrations.AddIndex(
                    model_name="enclosure",
                    index=models.Index(fields=["name", "square_metres"], name="Gehege nach Größe"),
                ),
                migrations.AddConstraint(
                    model_name="enclosure",
                    constraint=models.CheckConstraint(condition=models.Q(("square_metres__gt", 0)), name="Fläche > 0"),
                ),
                migrations.AddConstraint(
                    model_name="enclosure",
                    constraint=models.UniqueConstraint(fields=("name",), name="ein Name"),
                ),
                migrations.AlterUniqueTogether(
                    name="visit",
                    unique_together={("animal", "keeper", "seen_at")},
                ),
            ]
        ),
    ]
