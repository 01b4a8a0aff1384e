"""`manage.py check` says what is wrong in the setting; `--database default` warns of differences from the declared schema.

Warnings, not errors: an error would stop the `migrate` that repairs it.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router

from .command_context import is_command_running
from .conf import Budgets
from .exceptions import ReconciliationError
from .migration_history import declared_by_migrations, require_valid_setting
from .pipeline import inspect
from .schema.declared_triggers import conflicting_functions
from .sqlstates import message


@checks.register
def check_setting(**kwargs: Any) -> list[checks.CheckMessage]:
    try:
        require_valid_setting()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="reconciliation.E001")]
    return []


@checks.register(checks.Tags.models)
def check_functions(**kwargs: Any) -> list[checks.CheckMessage]:
    return [
        checks.Error(
            f"Different functions {signature} are declared by {' and '.join(labels)}: the database has one of a name.",
            hint="Give each a name of its own in database_functions.",
            obj=signature,
            id="reconciliation.E011",
        )
        for signature, labels in conflicting_functions().items()
    ]


@checks.register(checks.Tags.database)
def check_schema(databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    # A command that reconciles compares the schema itself, and reports what differs.
    if is_command_running():
        return []
    return [warning for alias in databases or () for warning in _warnings(alias)]


def _has_own_tables(alias: str) -> bool:
    """Whether the routers let any model be migrated there: where they don't, it is another database's replica, say."""
    return any(router.allow_migrate_model(alias, model) for model in apps.get_models())


def _warnings(alias: str) -> list[checks.CheckMessage]:
    connection = connections[alias]
    if connection.vendor != "postgresql" or not _has_own_tables(alias):
        return []
    try:
        inspection = inspect(connection, *declared_by_migrations(connection), Budgets.from_settings())
    except ReconciliationError as error:
        return [checks.Warning(str(error), obj=alias, id="reconciliation.W002")]
    except Error as error:
        return [checks.Warning(f"The schema can't be compared: {message(error)}", obj=alias, id="reconciliation.W003")]
    return [
        checks.Warning(
            f"expected {item.declared_text}, found {item.actual_text}.",
            hint=f"Run manage.py migrate --database {alias}. manage.py reconcile --plan shows what it would do.",
            obj=item.subject.label,
            id="reconciliation.W001",
        )
        for item in inspection.differences.items
    ]
