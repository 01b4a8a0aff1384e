"""The table in which all processes together count the logins that failed."""

import django.contrib.postgres.fields
from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("clinics_api", "0001_initial")]

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="LoginFailures",
                    fields=[
                        ("key", models.UUIDField(primary_key=True, serialize=False)),
                        ("times", django.contrib.postgres.fields.ArrayField(models.DateTimeField())),
                        ("is_full", models.BooleanField()),
                        ("expires_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "api_login_failures",
                        "indexes": [models.Index(fields=["expires_at"], name="idx_api_login_failures_expires")],
                    },
                ),
            ]
        )
    ]
