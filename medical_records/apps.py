from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from clinic_project.reconciliation.triggers import Function

from . import retention
from .functions import GUARD_PHOTO, GUARD_RECORD


class MedicalRecordsConfig(AppConfig):
    name = "medical_records"
    verbose_name = _("Medical records")

    @property
    def database_functions(self) -> tuple[Function, ...]:
        return (GUARD_RECORD, GUARD_PHOTO, *retention.database_functions())
