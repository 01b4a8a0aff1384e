"""The access log: who looked at what, append-only."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0001_initial")]

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="Access",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "at",
                            models.DateTimeField(
                                db_default=models.Func(function="clock_timestamp", output_field=models.DateTimeField())
                            ),
                        ),
                        ("user_id", models.BigIntegerField(null=True)),
                        ("user_name", models.TextField(null=True)),
                        ("clinic_id", models.BigIntegerField(null=True)),
                        ("patient_ids", ArrayField(base_field=models.BigIntegerField(), size=None)),
                        ("record_ids", ArrayField(base_field=models.BigIntegerField(), size=None)),
                        ("photo_ids", ArrayField(base_field=models.BigIntegerField(), size=None)),
                        ("action", models.CharField(max_length=20)),
                        ("via", models.CharField(max_length=20)),
                        ("request_id", models.TextField(null=True)),
                    ],
                    options={
                        "db_table": "audit_accesses",
                        "indexes": [GinIndex(fields=["patient_ids"], name="idx_audit_accesses_patients")],
                        "constraints": [
                            Trigger(
                                append_only=True,
                                arguments=("history",),
                                events=("UPDATE", "DELETE", "TRUNCATE"),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_accesses_append_only",
                                timing="BEFORE",
                            )
                        ],
                    },
                )
            ]
        )
    ]
