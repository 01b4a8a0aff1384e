from django.apps import AppConfig

from clinic_project.reconciliation.triggers import Function

from . import retention


class MedicalRecordsConfig(AppConfig):
    name = "medical_records"
    verbose_name = "Medical records"

    @property
    def database_functions(self) -> tuple[Function, ...]:
        return retention.database_functions()
