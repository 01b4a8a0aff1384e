"""Indexes with which a list of patients reads about as many rows as it shows, however many patients there are."""

from django.db import migrations

from clinic_project.reconciliation.indexes import LongNameIndex
from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("clinics", "0001_initial")]

    operations = [
        ReconcileSchema(
            [
                migrations.AddIndex(
                    "patient", LongNameIndex(fields=["clinic", "full_name", "id"], name="idx_patients_clinic_name")
                ),
                migrations.AddIndex("patient", LongNameIndex(fields=["full_name", "id"], name="idx_patients_name")),
            ]
        )
    ]
