"""Django's own operations, as a user writes them for the same repair: run by python -m, on DATABASE_URL.

Each is a migration of its own, in a transaction of its own, which is Django at its best: all in one migration, nobody
would write from its first statement to its last.
"""

import os
from datetime import UTC, datetime
from typing import Any


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")
    import django

    django.setup()
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    declared = MigrationLoader(None).project_state()
    state, operations = declared.clone(), _operations(declared)
    for operation in _damage(declared):
        operation.state_forwards("medical_records", state)
    for operation in operations:
        before = state.clone()
        operation.state_forwards("medical_records", state)
        with connection.schema_editor(atomic=True) as editor:
            operation.database_forwards("medical_records", editor, before, state)


def _damage(declared: Any) -> list[Any]:
    """Return the operations that lead from the declared state to the one that the database is in."""
    from django.db import migrations, models

    frozen = models.Value(datetime(2025, 3, 1, 8, tzinfo=UTC))
    template = declared.models["medical_records", "medicalrecord"].fields["template"].clone()
    template.db_constraint = False
    damaged = {
        "is_deleted": models.BooleanField(null=True),
        "version": models.IntegerField(),
        "updated_at": models.DateTimeField(),
        "created_at": models.DateTimeField(db_default=frozen),
        "template": template,
    }
    return [
        *(migrations.AlterField("medicalrecord", name, field) for name, field in damaged.items()),
        *(migrations.RemoveIndex("medicalrecord", index.name) for index in _indexes(declared)),
    ]


def _operations(declared: Any) -> list[Any]:
    from django.db import migrations

    fields = declared.models["medical_records", "medicalrecord"].fields
    changed = ("is_deleted", "version", "created_at", "updated_at")
    return [
        *(migrations.AlterField("medicalrecord", name, fields[name]) for name in changed),
        *(migrations.AddIndex("medicalrecord", index) for index in _indexes(declared)),
        migrations.AlterField("medicalrecord", "template", fields["template"]),
    ]


def _indexes(declared: Any) -> list[Any]:
    return list(declared.models["medical_records", "medicalrecord"].options["indexes"])


if __name__ == "__main__":
    main()
