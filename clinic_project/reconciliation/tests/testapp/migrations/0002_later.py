from django.db import migrations, models

from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    dependencies = [("testapp", "0001_initial")]

    atomic = False
    operations = [
        ReconcileSchema(
            [
                migrations.AlterField("keeper", "name", models.CharField(db_index=True, max_length=100)),
                migrations.AddField("animal", "nickname", models.CharField(max_length=50, null=True)),
                migrations.AddField("animal", "mood", models.CharField(default="calm", max_length=20)),
                migrations.AddIndex("animal", models.Index(fields=["nickname", "mood"], name="animal_later")),
                migrations.AddConstraint(
                    "animal", models.CheckConstraint(condition=models.Q(legs__lte=750), name="animal_legs")
                ),
            ]
        )
    ]
