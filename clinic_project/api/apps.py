from django.apps import AppConfig


class ClinicsApiConfig(AppConfig):
    """An app of its own, because its tables belong to the API and not to the clinic's data."""

    name = "clinic_project.api"
    label = "clinics_api"
    verbose_name = "API"

    def ready(self) -> None:
        from . import replica_identity  # noqa: F401  registers its check
