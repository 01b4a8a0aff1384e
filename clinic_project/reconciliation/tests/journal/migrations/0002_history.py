from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger


class Migration(migrations.Migration):
    dependencies = [("journal", "0001_initial")]

    atomic = False
    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    "Entry",
                    [
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("source", models.TextField()),
                        ("action", models.TextField()),
                        ("old", models.JSONField()),
                        ("remark", models.TextField(db_default="")),
                    ],
                ),
                migrations.AddConstraint(
                    "ward",
                    Trigger(
                        name="renamed_ward",
                        function="journal.keep_old_row",
                        events=("UPDATE",),
                        condition="NEW.name IN ('A', 'B')",
                        arguments=("renamed",),
                    ),
                ),
                migrations.AddConstraint(
                    "ward",
                    Trigger(
                        name="ward's history",
                        function="journal.keep_old_row",
                        events=("UPDATE", "DELETE"),
                        arguments=("it's over",),
                    ),
                ),
                migrations.AddConstraint(
                    "ward",
                    Trigger(
                        name="ward_beds",
                        function="journal.keep_old_row",
                        events=("UPDATE",),
                        update_of=("beds",),
                        condition="OLD.beds > NEW.beds",
                        arguments=("fewer beds",),
                        enabled="O",
                    ),
                ),
                migrations.AddConstraint(
                    "entry",
                    Trigger(
                        name="append_only",
                        function="journal.refuse_change",
                        timing="BEFORE",
                        events=("UPDATE", "DELETE", "TRUNCATE"),
                        level="STATEMENT",
                        append_only=True,
                    ),
                ),
            ]
        )
    ]
