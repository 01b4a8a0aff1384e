from django.apps import AppConfig


class TestAppConfig(AppConfig):
    name = "clinic_project.reconciliation.tests.testapp"
    label = "testapp"
