# ruff: noqa: N999 (a migration's name)
"""The clinics' models as tables of another system: in the state of the migrations, and nobody's to make."""

from importlib import import_module

from django.db import migrations

original = import_module("clinic_project.clinics.migrations.0001_initial").Migration


def models_of(operations):
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from models_of(operation.state_operations)
        elif isinstance(operation, migrations.CreateModel):
            options = {name: value for name, value in operation.options.items() if name == "db_table"}
            yield migrations.CreateModel(
                operation.name, operation.fields, {**options, "managed": False}, operation.bases, operation.managers
            )


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = list(models_of(original.operations))
