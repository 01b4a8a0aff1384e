"""The medical records: templates, records and photos.

Brings the real schema to the declared one from any state, online, without losing a row.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import clinic_project.reconciliation.indexes
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
                    name="MedicalRecordTemplate",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("name", models.CharField(max_length=255)),
                        ("description", models.TextField(blank=True, null=True)),
                        ("fields", models.JSONField()),
                        ("version", models.IntegerField(db_default=1)),
                        ("is_deleted", models.BooleanField(db_default=False)),
                        ("deleted_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="medical_record_templates",
                                to="clinics.clinic",
                            ),
                        ),
                        (
                            "created_by_user",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "updated_by_user",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "medical_record_templates",
                    },
                ),
                migrations.CreateModel(
                    name="MedicalRecord",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("template_name", models.CharField(max_length=255)),
                        ("template_snapshot", models.JSONField()),
                        ("values", models.JSONField()),
                        ("version", models.IntegerField(db_default=1)),
                        ("is_deleted", models.BooleanField(db_default=False)),
                        ("deleted_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "appointment",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="medical_records",
                                to="clinics.appointment",
                            ),
                        ),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="medical_records",
                                to="clinics.clinic",
                            ),
                        ),
                        (
                            "created_by_user",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "patient",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="medical_records",
                                to="clinics.patient",
                            ),
                        ),
                        (
                            "updated_by_user",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "template",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="medical_records",
                                to="medical_records.medicalrecordtemplate",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "medical_records",
                    },
                ),
                migrations.CreateModel(
                    name="PatientPhoto",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("filename", models.CharField(max_length=255)),
                        ("storage_key", models.CharField(max_length=512)),
                        ("thumbnail_key", models.CharField(blank=True, max_length=512, null=True)),
                        ("content_hash", models.CharField(blank=True, max_length=64, null=True)),
                        ("content_type", models.CharField(max_length=100)),
                        ("size_bytes", models.IntegerField()),
                        ("description", models.TextField(blank=True, null=True)),
                        ("is_pending", models.BooleanField(db_default=True)),
                        ("is_deleted", models.BooleanField(db_default=False)),
                        ("deleted_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="patient_photos",
                                to="clinics.clinic",
                            ),
                        ),
                        (
                            "medical_record",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="photos",
                                to="medical_records.medicalrecord",
                            ),
                        ),
                        (
                            "patient",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="photos",
                                to="clinics.patient",
                            ),
                        ),
                        (
                            "updated_by_user",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "uploaded_by_user",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "patient_photos",
                    },
                ),
                migrations.AddIndex(
                    model_name="medicalrecordtemplate",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic"], name="idx_medical_record_templates_clinic"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecordtemplate",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "is_deleted"], name="idx_medical_record_templates_deleted"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecord",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic"], name="idx_medical_records_clinic"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecord",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["patient"], name="idx_medical_records_patient"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecord",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["appointment"], name="idx_medical_records_appointment"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecord",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "patient", "is_deleted"], name="idx_medical_records_deleted"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecord",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "updated_at"], name="idx_medical_records_updated"
                    ),
                ),
                migrations.AddIndex(
                    model_name="medicalrecord",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["created_at"], name="idx_medical_records_created"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic"], name="idx_patient_photos_clinic"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["patient"], name="idx_patient_photos_patient"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["medical_record"], name="idx_patient_photos_medical_record"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["patient", "medical_record"], name="idx_patient_photos_patient_record"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "is_deleted"], name="idx_patient_photos_deleted"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "content_hash"], name="idx_patient_photos_dedup"
                    ),
                ),
                migrations.AddIndex(
                    model_name="patientphoto",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["created_at"], name="idx_patient_photos_created"
                    ),
                ),
            ]
        )
    ]
