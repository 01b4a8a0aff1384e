"""Records are signed, amended, and marked as entered in error; the database keeps what is signed.

The columns are added without a rewrite, and the indexes are built concurrently. Of 10,000,000 records, each of the first two
indexes is 390 MB; the two others have the rows that they are about.
"""

from django.db import migrations, models

from clinic_project.reconciliation.indexes import LongNameIndex
from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger
from medical_records.deletion import set_null_unless_signed

NEWEST_FIRST = ["-created_at", "-id"]
IN_ERROR = models.Q(entered_in_error_at__isnull=False)
NOT_IN_ERROR = models.Q(entered_in_error_at=None)
UNSIGNED = NOT_IN_ERROR & models.Q(is_deleted=False, signed_at=None)

COLUMNS = {
    "signed_at": models.DateTimeField(blank=True, null=True),
    "signed_by_user_id": models.IntegerField(blank=True, null=True),
    "signed_by_name": models.CharField(blank=True, max_length=255, null=True),
    "content_hash": models.CharField(blank=True, max_length=64, null=True),
    "amended_at": models.DateTimeField(blank=True, null=True),
    "amendment_reason": models.TextField(blank=True, null=True),
    "entered_in_error_at": models.DateTimeField(blank=True, null=True),
    "entered_in_error_by_user_id": models.IntegerField(blank=True, null=True),
    "entered_in_error_by_name": models.CharField(blank=True, max_length=255, null=True),
    "entered_in_error_reason": models.TextField(blank=True, null=True),
}

INDEXES = [
    LongNameIndex(
        fields=["is_deleted", "clinic", *NEWEST_FIRST],
        condition=NOT_IN_ERROR,
        name="idx_medical_records_not_in_error_created",
    ),
    LongNameIndex(
        fields=["template", "is_deleted", *NEWEST_FIRST],
        condition=NOT_IN_ERROR,
        name="idx_medical_records_template_not_in_error",
    ),
    LongNameIndex(fields=["clinic", *NEWEST_FIRST], condition=IN_ERROR, name="idx_medical_records_in_error_created"),
    LongNameIndex(fields=["clinic", *NEWEST_FIRST], condition=UNSIGNED, name="idx_medical_records_unsigned_created"),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("medical_records", "0003_history")]

    operations = [
        ReconcileSchema(
            [
                *[migrations.AddField("medicalrecord", name, field) for name, field in COLUMNS.items()],
                migrations.AlterField(
                    "medicalrecord",
                    "appointment",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=set_null_unless_signed,
                        related_name="medical_records",
                        to="clinics.appointment",
                    ),
                ),
                *[migrations.AddIndex("medicalrecord", index) for index in INDEXES],
                migrations.AddConstraint(
                    "medicalrecord",
                    Trigger(
                        condition="OLD.signed_at IS NOT NULL",
                        events=("UPDATE", "DELETE"),
                        function="medical_records.medical_records_keep_signed",
                        name="medical_records_keep_signed",
                    ),
                ),
                migrations.AddConstraint(
                    "patientphoto",
                    Trigger(
                        events=("INSERT", "UPDATE", "DELETE"),
                        function="medical_records.patient_photos_keep_signed",
                        name="patient_photos_keep_signed",
                    ),
                ),
            ]
        )
    ]
