"""The apps on users' phones that make the codes of their two-step login."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("clinics_api", "0002_login_failures"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="Authenticator",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="authenticator",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("secret", models.CharField(max_length=64)),
                        ("last_step", models.BigIntegerField()),
                        (
                            "recovery_digests",
                            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=64)),
                        ),
                        ("enrolled_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={"db_table": "api_authenticators"},
                ),
            ]
        )
    ]
