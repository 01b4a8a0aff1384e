"""Every change of a template, a record and a photo is kept in the history."""

from django.conf import settings
from django.db import migrations

from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("clinics", "0003_history"),
        ("audit", "0001_initial"),
        ("medical_records", "0002_indexes_of_lists"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        ReconcileSchema(
            [
                migrations.AddConstraint(
                    model_name="medicalrecord",
                    constraint=Trigger(
                        events=("INSERT", "DELETE"),
                        function="audit.audit_record_change",
                        name="00_medical_records_history",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="medicalrecord",
                    constraint=Trigger(
                        condition="OLD.* *<> NEW.*",
                        events=("UPDATE",),
                        function="audit.audit_record_change",
                        name="00_medical_records_history_update",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="medicalrecord",
                    constraint=Trigger(
                        arguments=("recorded",),
                        events=("TRUNCATE",),
                        function="audit.audit_refuse_change",
                        level="STATEMENT",
                        name="00_medical_records_no_truncate",
                        timing="BEFORE",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="medicalrecordtemplate",
                    constraint=Trigger(
                        events=("INSERT", "DELETE"),
                        function="audit.audit_record_change",
                        name="00_medical_record_templates_history",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="medicalrecordtemplate",
                    constraint=Trigger(
                        condition="OLD.* *<> NEW.*",
                        events=("UPDATE",),
                        function="audit.audit_record_change",
                        name="00_medical_record_templates_history_update",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="medicalrecordtemplate",
                    constraint=Trigger(
                        arguments=("recorded",),
                        events=("TRUNCATE",),
                        function="audit.audit_refuse_change",
                        level="STATEMENT",
                        name="00_medical_record_templates_no_truncate",
                        timing="BEFORE",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="patientphoto",
                    constraint=Trigger(
                        events=("INSERT", "DELETE"),
                        function="audit.audit_record_change",
                        name="00_patient_photos_history",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="patientphoto",
                    constraint=Trigger(
                        condition="OLD.* *<> NEW.*",
                        events=("UPDATE",),
                        function="audit.audit_record_change",
                        name="00_patient_photos_history_update",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="patientphoto",
                    constraint=Trigger(
                        arguments=("recorded",),
                        events=("TRUNCATE",),
                        function="audit.audit_refuse_change",
                        level="STATEMENT",
                        name="00_patient_photos_no_truncate",
                        timing="BEFORE",
                    ),
                ),
            ]
        )
    ]
