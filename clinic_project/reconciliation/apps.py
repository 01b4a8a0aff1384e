from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    name = "clinic_project.reconciliation"
    verbose_name = "Schema"
