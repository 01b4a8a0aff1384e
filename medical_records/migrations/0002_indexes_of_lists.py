"""Indexes with which a list reads about as many rows as it shows, however many records there are.

Each is built concurrently. Of 10,000,000 records, each of the first three is 390 MB.
"""

from django.db import migrations

from clinic_project.reconciliation.indexes import LongNameIndex
from clinic_project.reconciliation.operations import ReconcileSchema

NEWEST_FIRST = ["-created_at", "-id"]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("medical_records", "0001_add_medical_record_system")]

    operations = [
        ReconcileSchema(
            [
                migrations.AddIndex(
                    "medicalrecord",
                    LongNameIndex(fields=["clinic", *NEWEST_FIRST], name="idx_medical_records_clinic_created"),
                ),
                migrations.AddIndex(
                    "medicalrecord",
                    LongNameIndex(
                        fields=["is_deleted", "clinic", *NEWEST_FIRST], name="idx_medical_records_deleted_created"
                    ),
                ),
                migrations.AddIndex(
                    "medicalrecord",
                    LongNameIndex(
                        fields=["template", "is_deleted", *NEWEST_FIRST], name="idx_medical_records_template_created"
                    ),
                ),
                migrations.AddIndex(
                    "patientphoto",
                    LongNameIndex(fields=["clinic", *NEWEST_FIRST], name="idx_patient_photos_clinic_created"),
                ),
                migrations.AddIndex(
                    "patientphoto", LongNameIndex(fields=["is_pending", "clinic"], name="idx_patient_photos_pending")
                ),
            ]
        )
    ]
