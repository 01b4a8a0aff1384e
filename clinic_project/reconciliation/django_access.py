"""What this role must be able to do with the tables that Django's own `migrate` reads and writes."""

from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from .exceptions import Refused
from .planning import refusals
from .planning.plan import Refusal
from .schema.introspection import read_access
from .schema.model import Table

_HISTORY = MigrationRecorder.Migration._meta.db_table


def require_readable_history(connection: BaseDatabaseWrapper) -> None:
    """Raise Refused where this role can't read django_migrations, or not all of it."""
    if refused := _unreadable(*_read(connection, [_HISTORY])):
        raise Refused(refused)


def access_refusals(connection: BaseDatabaseWrapper) -> tuple[Refusal, ...]:
    """Return what a `migrate` of this role would fail at in Django's own tables. Rows are only read where it matters."""
    filled = _filled()
    role, tables = _read(connection, [_HISTORY, *filled])
    if unreadable := _unreadable(role, tables):
        return unreadable
    closed = [table for table in tables if "INSERT" in table.missing_privileges]
    return tuple(_may_not_write(table, role) for table in closed if _has_to_add(connection, filled.get(table.name)))


def _unreadable(role: str, tables: list[Table]) -> tuple[Refusal, ...]:
    denied = [_may_not_write(table, role) for table in tables if "SELECT" in table.missing_privileges]
    hidden = [
        replace(refusals.rows_hidden(table, role, "Django would take them for missing."), fatal=True)
        for table in tables
        if table.rows_hidden and "SELECT" not in table.missing_privileges
    ]
    return (*denied, *hidden)


def _read(connection: BaseDatabaseWrapper, names: list[str]) -> tuple[str, list[Table]]:
    """Return the name of this role, and those of the tables that exist."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (role,) = cursor.fetchone()
    return role, read_access(connection, names)


def _may_not_write(table: Table, role: str) -> Refusal:
    return refusals.may_not_write(table, role, ("SELECT", "INSERT"), "Django reads it and adds rows in a migrate")


# What Django adds


def _filled() -> dict[str, type[models.Model]]:
    """Return the models that Django's handlers of post_migrate fill, by their tables."""
    found = (m for m in apps.get_models() if m._meta.label in ("contenttypes.ContentType", "auth.Permission"))
    return {model._meta.db_table: model for model in found}


def _has_to_add(connection: BaseDatabaseWrapper, filled: type[models.Model] | None) -> bool:
    """Whether rows are missing that a `migrate` adds: to the history where no model is given."""
    if filled is None:
        loader = MigrationLoader(connection)
        return any(key not in loader.applied_migrations for key in loader.graph.nodes)
    rows = filled._base_manager.using(connection.alias)
    if filled._meta.label == "contenttypes.ContentType":
        types = {(model._meta.app_label, model._meta.model_name) for model in apps.get_models()}
        return not types <= set(rows.values_list("app_label", "model"))
    codenames = {key for model in apps.get_models() for key in _permissions(model._meta)}
    return not codenames <= set(rows.values_list("content_type__app_label", "codename"))


def _permissions(options: Any) -> set[tuple[str, str]]:
    of_actions = {f"{action}_{options.model_name}" for action in options.default_permissions}
    return {(options.app_label, codename) for codename in (*of_actions, *dict(options.permissions))}
