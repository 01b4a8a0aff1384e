from django.apps import AppConfig

from .functions import GUARD_PHOTO, GUARD_RECORD


class MedicalRecordsConfig(AppConfig):
    name = "medical_records"
    verbose_name = "Medical records"
    database_functions = (GUARD_RECORD, GUARD_PHOTO)
