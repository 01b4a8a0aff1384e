from django.apps import AppConfig

from .functions import DESTROY, RECORD_CHANGE, REFUSE_CHANGE, REFUSE_REMOVAL


class AuditConfig(AppConfig):
    name = "clinic_project.audit"
    database_functions = (RECORD_CHANGE, REFUSE_CHANGE, REFUSE_REMOVAL, DESTROY)
