"""The log of what was removed for good, and the one way in which that is done.

The index finds the entries that still name a file. It is built concurrently; few entries are in it.
"""

from django.db import migrations, models
from django.db.models.fields.json import KT

from clinic_project.reconciliation.indexes import LongNameIndex
from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0001_initial")]

    operations = [
        # ReconcileSchema replaces it by the one below, which has another definition.
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveConstraint("historyentry", "audit_history_append_only")]
        ),
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="DestroyedEntry",
                    fields=[
                        ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("entry_hash", models.BinaryField()),
                        ("destruction_id", models.BigIntegerField()),
                    ],
                    options={
                        "db_table": "audit_destroyed_entries",
                        "constraints": [
                            Trigger(
                                append_only=True,
                                arguments=("history",),
                                events=("UPDATE", "DELETE", "TRUNCATE"),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_destroyed_entries_append_only",
                                timing="BEFORE",
                            ),
                            Trigger(
                                arguments=("history",),
                                condition="pg_trigger_depth() = 0",
                                enabled="O",
                                events=("INSERT",),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_destroyed_entries_by_triggers_alone",
                                timing="BEFORE",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Destruction",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("destroyed_at", models.DateTimeField()),
                        ("table_name", models.TextField()),
                        ("row_id", models.BigIntegerField()),
                        ("patient_id", models.BigIntegerField(null=True)),
                        ("clinic_id", models.BigIntegerField(null=True)),
                        ("retained_until", models.DateTimeField(null=True)),
                        ("content_hash", models.BinaryField()),
                        ("entry_count", models.BigIntegerField()),
                        ("entries_hash", models.BinaryField()),
                        ("transaction_id", models.BigIntegerField()),
                        ("database_user", models.TextField()),
                        ("database_role", models.TextField(null=True)),
                        ("application_name", models.TextField(null=True)),
                        ("client_address", models.GenericIPAddressField(null=True)),
                        ("context", models.TextField(null=True)),
                    ],
                    options={
                        "db_table": "audit_destructions",
                        "indexes": [LongNameIndex(fields=["clinic_id", "-id"], name="idx_audit_destructions_clinic")],
                        "constraints": [
                            Trigger(
                                append_only=True,
                                arguments=("history",),
                                events=("UPDATE", "DELETE", "TRUNCATE"),
                                function="audit.audit_refuse_change",
                                level="STATEMENT",
                                name="audit_destructions_append_only",
                                timing="BEFORE",
                            ),
                            Trigger(
                                enabled="O",
                                events=("INSERT",),
                                function="audit.audit_destroy",
                                name="zz_audit_destructions_destroy",
                                timing="BEFORE",
                            ),
                            Trigger(
                                events=("INSERT",),
                                function="audit.audit_record_change",
                                name="00_audit_destructions_history",
                            ),
                        ],
                    },
                ),
                migrations.AddIndex(
                    "historyentry",
                    LongNameIndex(
                        KT("kept__content_hash"),
                        name="idx_audit_history_content",
                        condition=models.Q(kept__has_key="content_hash"),
                    ),
                ),
                migrations.AddConstraint(
                    "historyentry",
                    Trigger(
                        append_only=True,
                        arguments=("history",),
                        events=("UPDATE", "TRUNCATE"),
                        function="audit.audit_refuse_change",
                        level="STATEMENT",
                        name="audit_history_append_only",
                        timing="BEFORE",
                    ),
                ),
                migrations.AddConstraint(
                    "historyentry",
                    Trigger(
                        events=("DELETE",),
                        function="audit.audit_refuse_removal",
                        level="STATEMENT",
                        name="audit_history_by_destruction_alone",
                        referencing="OLD TABLE AS removed",
                    ),
                ),
            ]
        ),
    ]
