"""How long a check of many tables takes: run by python -m with their number and kind, on an empty DATABASE_URL; prints the
seconds, the median of three checks.

Each table has six columns, two indexes and a foreign key. Those of the kind "like" differ in their names alone; of those of
the kind "unlike", no two have a column in common but the key. A real project's are somewhere between. What is timed is all
that a check does: working out what the models declare, reading what is there, and comparing.
"""

import os
import statistics
import sys
import time
from typing import Any

KINDS = ("like", "unlike")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")
    import django

    django.setup()
    from django.db import connections

    sys.stdout.write(str(_seconds(connections["default"], int(sys.argv[1]), sys.argv[2])))


def _seconds(connection: Any, count: int, kind: str) -> float:
    apps = _state(count, kind).apps
    # One transaction over so many tables may need more locks than a server has.
    with connection.schema_editor(atomic=False) as editor:
        for model in apps.get_models():
            editor.create_model(model)
    return statistics.median(_check(connection, apps, count) for _ in range(3))


def _check(connection: Any, apps: Any, count: int) -> float:
    from clinic_project.reconciliation.conf import Budgets
    from clinic_project.reconciliation.pipeline import inspect, read_declared

    began = time.monotonic()
    inspection = inspect(connection, *read_declared(connection, apps, ["many"]), Budgets())
    taken = time.monotonic() - began
    if not inspection.in_sync or len(inspection.declared.tables) != count:
        sys.exit(f"Expected {count} tables as declared, found {inspection.differences.items}.")
    return taken


def _state(count: int, kind: str) -> Any:
    from django.db.migrations.state import ProjectState

    state = ProjectState()
    for number in range(count):
        state.add_model(_table(number, f"_{number}" if kind == "unlike" else ""))
    return state


def _table(number: int, ending: str) -> Any:
    from django.db import models
    from django.db.migrations.state import ModelState
    from django.db.models.functions import Now

    fields: list[tuple[str, models.Field]] = [
        ("id", models.AutoField(primary_key=True)),
        (f"name{ending}", models.CharField(max_length=50)),
        (f"note{ending}", models.TextField(null=True)),
        (f"is_deleted{ending}", models.BooleanField(db_default=False)),
        (f"created_at{ending}", models.DateTimeField(db_default=Now())),
        (
            f"before{ending}",
            models.ForeignKey(
                f"many.Table{max(number - 1, 0)}", models.PROTECT, null=True, db_index=False, related_name="+"
            ),
        ),
    ]
    indexes = [
        models.Index(fields=[f"name{ending}"], name=f"many_{number}_name"),
        models.Index(fields=[f"before{ending}", f"is_deleted{ending}"], name=f"many_{number}_before"),
    ]
    return ModelState("many", f"Table{number}", fields, {"indexes": indexes, "db_table": f"many_{number}"})


if __name__ == "__main__":
    main()
