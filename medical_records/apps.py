from django.apps import AppConfig


class MedicalRecordsConfig(AppConfig):
    name = "medical_records"
    verbose_name = "Medical records"
