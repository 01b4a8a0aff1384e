from django.apps import AppConfig


class ZooConfig(AppConfig):
    name = "clinic_project.reconciliation.tests.testapp"
    label = "zoo"
