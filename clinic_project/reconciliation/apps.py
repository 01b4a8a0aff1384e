from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class ReconciliationConfig(AppConfig):
    # The package may be installed as django_reconciliation, or be a folder of a project.
    name = __package__
    label = "reconciliation"
    verbose_name = _("Schema")

    def __init__(self, app_name: str, app_module: Any) -> None:
        _refuse_another_copy(app_name)
        super().__init__(app_name, app_module)

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers itself


def _refuse_another_copy(name: str) -> None:
    """Raise ImproperlyConfigured if this package is an installed app already, by another name.

    Not in a system check: Django refuses two apps of one label before it runs any, and says only what the label is.
    """
    for other in apps.app_configs.values():
        is_copy = any(each.__name__ == ReconciliationConfig.__name__ for each in type(other).__mro__)
        if is_copy and other.name != name:
            raise ImproperlyConfigured(
                f"INSTALLED_APPS: expected this package once, found it as {other.name} and as {name}. Keep one of them, and"
                " let migrations import ReconcileSchema from it."
            )
