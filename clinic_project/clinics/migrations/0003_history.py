"""Every change of a patient and of a membership is kept in the history."""

from django.db import migrations

from clinic_project.reconciliation.operations import ReconcileSchema
from clinic_project.reconciliation.triggers import Trigger


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("audit", "0001_initial"),
        ("clinics", "0002_indexes_of_lists"),
    ]

    operations = [
        ReconcileSchema(
            [
                migrations.AddConstraint(
                    model_name="membership",
                    constraint=Trigger(
                        events=("INSERT", "DELETE"),
                        function="audit.audit_record_change",
                        name="00_user_clinic_associations_history",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="membership",
                    constraint=Trigger(
                        condition="OLD.* *<> NEW.*",
                        events=("UPDATE",),
                        function="audit.audit_record_change",
                        name="00_user_clinic_associations_history_update",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="membership",
                    constraint=Trigger(
                        arguments=("recorded",),
                        events=("TRUNCATE",),
                        function="audit.audit_refuse_change",
                        level="STATEMENT",
                        name="00_user_clinic_associations_no_truncate",
                        timing="BEFORE",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="patient",
                    constraint=Trigger(
                        events=("INSERT", "DELETE"), function="audit.audit_record_change", name="00_patients_history"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="patient",
                    constraint=Trigger(
                        condition="OLD.* *<> NEW.*",
                        events=("UPDATE",),
                        function="audit.audit_record_change",
                        name="00_patients_history_update",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="patient",
                    constraint=Trigger(
                        arguments=("recorded",),
                        events=("TRUNCATE",),
                        function="audit.audit_refuse_change",
                        level="STATEMENT",
                        name="00_patients_no_truncate",
                        timing="BEFORE",
                    ),
                ),
            ]
        )
    ]
