from django.apps import AppConfig

from .functions import RECORD_CHANGE, REFUSE_CHANGE


class AuditConfig(AppConfig):
    name = "clinic_project.audit"
    database_functions = (RECORD_CHANGE, REFUSE_CHANGE)
