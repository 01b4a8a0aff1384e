"""How many requests of each user may have written something, which a replica has to have before they read there."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("clinics_api", "0003_authenticators"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="LastWrite",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="+",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("number", models.BigIntegerField()),
                    ],
                    options={"db_table": "api_last_writes"},
                ),
            ]
        )
    ]
