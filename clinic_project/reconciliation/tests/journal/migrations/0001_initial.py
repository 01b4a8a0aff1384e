from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    dependencies = []

    atomic = False
    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    "Ward",
                    [
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("name", models.CharField(max_length=50)),
                        ("beds", models.IntegerField(default=0)),
                        ("is_open", models.BooleanField(db_default=True)),
                    ],
                ),
            ]
        )
    ]
