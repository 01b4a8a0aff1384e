"""Which columns migrations ever declared."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from django.db import migrations, models
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation

from ...operations import ReconcileSchema
from ...schema import migrated_columns as module


@dataclass
class Loader:
    operations: Sequence[Sequence[Operation]]
    graph: MigrationGraph = field(default_factory=MigrationGraph)

    def __post_init__(self) -> None:
        for number, operations in enumerate(self.operations):
            made = type("Migration", (migrations.Migration,), {"operations": list(operations)})
            migration = made(f"{number:04}", "visits")
            self.graph.add_node(("visits", migration.name), migration)
            if number:
                self.graph.add_dependency(migration, ("visits", migration.name), ("visits", f"{number - 1:04}"))


@pytest.fixture
def loaded(monkeypatch):
    def load(*operations):
        monkeypatch.setattr(module, "MigrationLoader", lambda connection: Loader(operations))
        return module.migrated_columns()

    return load


def create(**options):
    fields = [
        ("id", models.AutoField(primary_key=True)),
        ("note", models.TextField(db_column="Note")),
        ("doctor", models.ForeignKey("auth.User", models.CASCADE)),
        ("tags", models.ManyToManyField("auth.Group")),
    ]
    return migrations.CreateModel("Visit", fields, options=options)


def test_those_that_were_removed_and_renamed_are_among_them(loaded):
    columns = loaded(
        [ReconcileSchema([create(db_table="visit")])],
        [migrations.RemoveField("visit", "note"), migrations.RenameField("visit", "doctor", "physician")],
    )
    assert columns == {"visit": {"id", "Note", "doctor_id", "physician_id"}}


def test_a_renamed_table_keeps_its_columns(loaded):
    columns = loaded(
        [create()], [migrations.RemoveField("visit", "note")], [migrations.AlterModelTable("visit", "all_visits")]
    )
    assert columns["all_visits"] == {"id", "Note", "doctor_id"}


def test_a_renamed_model_keeps_its_columns(loaded):
    columns = loaded([create()], [migrations.RemoveField("visit", "note")], [migrations.RenameModel("Visit", "Stay")])
    assert columns["visits_stay"] >= {"id", "doctor_id"}
