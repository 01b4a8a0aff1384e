"""Indexes with which a list of patients reads about as many rows as it shows, and a search of all clinics what it finds."""

from django.db import migrations
from django.db.models.functions import Collate, Upper

from clinic_project.api.searching import Digits
from clinic_project.reconciliation.indexes import LongNameIndex
from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("clinics", "0001_initial")]

    operations = [
        ReconcileSchema(
            [
                migrations.AddIndex(
                    "patient", LongNameIndex(fields=["is_deleted", "clinic"], name="idx_patients_deleted")
                ),
                migrations.AddIndex(
                    "patient",
                    LongNameIndex(fields=["clinic", "full_name", "id", "is_deleted"], name="idx_patients_clinic_name"),
                ),
                migrations.AddIndex(
                    "patient", LongNameIndex(Collate(Upper("full_name"), "C"), "id", name="idx_patients_name")
                ),
                migrations.AddIndex(
                    "patient", LongNameIndex(Collate(Digits("phone_number"), "C"), name="idx_patients_phone_digits")
                ),
            ]
        )
    ]
