from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    name = "clinic_project.reconciliation"
    verbose_name = "Schema"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers itself
