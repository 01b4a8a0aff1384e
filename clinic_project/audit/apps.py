from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from .functions import DESTROY, RECORD_CHANGE, REFUSE_CHANGE, REFUSE_REMOVAL


class AuditConfig(AppConfig):
    name = "clinic_project.audit"
    verbose_name = _("Audit")
    database_functions = (RECORD_CHANGE, REFUSE_CHANGE, REFUSE_REMOVAL, DESTROY)
