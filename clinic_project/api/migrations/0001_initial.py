"""Access tokens, and the answers kept for idempotency keys. Repaired by `migrate` as the clinic's own tables are."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    initial = True

    # Each step is committed on its own, and indexes are built concurrently.
    atomic = False

    dependencies = [
        ("clinics", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="AccessToken",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("digest", models.CharField(max_length=64)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("expires_at", models.DateTimeField()),
                        (
                            "user",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="access_tokens",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "api_access_tokens",
                        "indexes": [models.Index(fields=["user"], name="idx_api_access_tokens_user")],
                        "constraints": [
                            models.UniqueConstraint(fields=("digest",), name="uq_api_access_tokens_digest")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="IdempotencyKey",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("key", models.CharField(max_length=255)),
                        ("fingerprint", models.CharField(max_length=64)),
                        ("status", models.IntegerField(null=True)),
                        ("headers", models.JSONField(db_default={})),
                        ("answer", models.BinaryField(null=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="clinics.clinic",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "api_idempotency_keys",
                        "indexes": [models.Index(fields=["created_at"], name="idx_api_idempotency_created")],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("user", "clinic", "key"), name="uq_api_idempotency_keys_key"
                            )
                        ],
                    },
                ),
            ]
        )
    ]
