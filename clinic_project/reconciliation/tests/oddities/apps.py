from django.apps import AppConfig


class OdditiesConfig(AppConfig):
    name = "clinic_project.reconciliation.tests.oddities"
    label = "oddities"
