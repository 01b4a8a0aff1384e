"""How long a check of many tables takes: run by python -m with their number, on an empty DATABASE_URL; prints the seconds.

Each table has six columns, two indexes and a foreign key. What is timed is all that a check does: working out what the
models declare, reading what is there, and comparing.
"""

import os
import sys
import time
from typing import Any


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")
    import django

    django.setup()
    from django.db import connections

    sys.stdout.write(str(_seconds(connections["default"], int(sys.argv[1]))))


def _seconds(connection: Any, count: int) -> float:
    from clinic_project.reconciliation.engine import expect, inspect

    apps = _state(count).apps
    # One transaction over so many tables may need more locks than a server has.
    with connection.schema_editor(atomic=False) as editor:
        for model in apps.get_models():
            editor.create_model(model)
    began = time.monotonic()
    inspection = inspect(connection, *expect(connection, apps, ["many"]))
    taken = time.monotonic() - began
    if not inspection.in_sync or len(inspection.expected.tables) != count:
        sys.exit(f"Expected {count} tables as declared, found {inspection.differences.items}.")
    return taken


def _state(count: int) -> Any:
    from django.db.migrations.state import ProjectState

    state = ProjectState()
    for number in range(count):
        state.add_model(_table(number))
    return state


def _table(number: int) -> Any:
    from django.db import models
    from django.db.migrations.state import ModelState
    from django.db.models.functions import Now

    fields: list[tuple[str, models.Field]] = [
        ("id", models.AutoField(primary_key=True)),
        ("name", models.CharField(max_length=50)),
        ("note", models.TextField(null=True)),
        ("is_deleted", models.BooleanField(db_default=False)),
        ("created_at", models.DateTimeField(db_default=Now())),
        ("before", models.ForeignKey(f"many.Table{max(number - 1, 0)}", models.PROTECT, null=True, db_index=False)),
    ]
    indexes = [
        models.Index(fields=["name"], name=f"many_{number}_name"),
        models.Index(fields=["before", "is_deleted"], name=f"many_{number}_before"),
    ]
    return ModelState("many", f"Table{number}", fields, {"indexes": indexes, "db_table": f"many_{number}"})


if __name__ == "__main__":
    main()
