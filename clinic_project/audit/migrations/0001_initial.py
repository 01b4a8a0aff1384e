"""The history of recorded rows and its seals, which nobody changes."""

from django.db import migrations, models

from clinic_project.reconciliation.indexes import LongNameIndex
from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger


class Migration(migrations.Migration):
    atomic = False

    initial = True

    dependencies = []

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="HistoryEntry",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("table_name", models.TextField()),
                        ("row_id", models.BigIntegerField(null=True)),
                        (
                            "action",
                            models.CharField(
                                choices=[("insert", "Insert"), ("update", "Update"), ("delete", "Delete")],
                                max_length=10,
                            ),
                        ),
                        ("kept", models.JSONField(null=True)),
                        ("is_whole", models.BooleanField()),
                        ("row_hash", models.BinaryField(null=True)),
                        ("transaction_id", models.BigIntegerField()),
                        ("recorded_at", models.DateTimeField()),
                        ("database_user", models.TextField()),
                        ("database_role", models.TextField(null=True)),
                        ("application_name", models.TextField(null=True)),
                        ("client_address", models.GenericIPAddressField(null=True)),
                        ("context", models.TextField(null=True)),
                    ],
                    options={
                        "db_table": "audit_history",
                        "indexes": [LongNameIndex(fields=["table_name", "row_id", "id"], name="idx_audit_history_row")],
                        "constraints": [
                            Trigger(
                                append_only=True,
                                arguments=("history",),
                                events=("UPDATE", "DELETE", "TRUNCATE"),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_history_append_only",
                                timing="BEFORE",
                            ),
                            Trigger(
                                arguments=("history",),
                                condition="pg_trigger_depth() = 0",
                                enabled="O",
                                events=("INSERT",),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_history_by_triggers_alone",
                                timing="BEFORE",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistorySeal",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("sealed_at", models.DateTimeField()),
                        ("last_entry", models.BigIntegerField()),
                        ("entry_count", models.BigIntegerField()),
                        ("entries_hash", models.BinaryField()),
                        ("previous_hash", models.BinaryField()),
                        ("seal_hash", models.BinaryField()),
                        ("horizon_entry", models.BigIntegerField()),
                        ("horizon_transaction", models.BigIntegerField()),
                        ("largest_ids", models.JSONField()),
                    ],
                    options={
                        "db_table": "audit_history_seals",
                        "constraints": [
                            Trigger(
                                append_only=True,
                                arguments=("history",),
                                events=("UPDATE", "DELETE", "TRUNCATE"),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_history_seals_append_only",
                                timing="BEFORE",
                            )
                        ],
                    },
                ),
            ]
        )
    ]
