"""What this role must be able to do with the tables that Django's own `migrate` reads and writes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from .exceptions import Refused
from .planning import refusals
from .planning.plan import Refusal, RefusalCode
from .schema.introspection import read_access
from .schema.model import Table

_HISTORY = MigrationRecorder.Migration._meta.db_table


def require_readable_history(connection: BaseDatabaseWrapper) -> None:
    """Raise Refused where this role can't read django_migrations, or not all of it."""
    if refused := _unreadable(*_read(connection, [_HISTORY])):
        raise Refused(refused)


def access_refusals(connection: BaseDatabaseWrapper) -> tuple[Refusal, ...]:
    """Return what Django would fail at when it adds rows to its own tables. Rows are only read where it matters."""
    filled = _filled()
    role, tables = _read(connection, list(filled))
    if unreadable := _unreadable(role, tables):
        return unreadable
    found = [
        (filled[each.name], refusal) for each in tables for refusal in _not_writable(each, filled[each.name], role)
    ]
    return tuple(
        refusal
        for model, refusal in found
        if _has_to_add(connection, model) and not _may_be_dropped(connection, model, refusal)
    )


def _not_writable(table: Table, model: type[models.Model], role: str) -> Iterator[Refusal]:
    """Yield why Django can't add rows: INSERT is missing, or a column has to be filled that it doesn't know."""
    if "INSERT" in table.missing_privileges:
        yield _may_not_write(table, role)
    declared = {field.column for field in model._meta.local_concrete_fields}
    if declared <= table.columns.keys():  # else one of these may only have been renamed
        unknown = [column for column in table.columns.values() if column.name not in declared]
        yield from (refusals.unknown_to_django(table, column) for column in unknown if column.rejects_rows)


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


def _may_be_dropped(connection: BaseDatabaseWrapper, model: type[models.Model], refusal: Refusal) -> bool:
    """Whether `refusal` is about a column that a migration of the model's app, which is to be run, may drop."""
    is_of_column = refusal.code is RefusalCode.COLUMN_WITHOUT_VALUE
    return is_of_column and any(label == model._meta.app_label for label, _ in _pending(connection))


# What Django adds


def _filled() -> dict[str, type[models.Model]]:
    """Return the models of the history, and of what Django's handlers of post_migrate fill, by their tables."""
    labels = ("contenttypes.ContentType", "auth.Permission")
    filled: list[type[models.Model]] = [MigrationRecorder.Migration]
    filled += (model for model in apps.get_models() if model._meta.label in labels)
    return {model._meta.db_table: model for model in filled}


def _has_to_add(connection: BaseDatabaseWrapper, filled: type[models.Model]) -> bool:
    """Whether rows are missing that a `migrate` adds."""
    if filled is MigrationRecorder.Migration:
        return bool(_pending(connection))
    rows = filled._base_manager.using(connection.alias)
    if filled._meta.label == "contenttypes.ContentType":
        types = {(model._meta.app_label, model._meta.model_name) for model in apps.get_models()}
        return not types <= set(rows.values_list("app_label", "model"))
    codenames = {key for model in apps.get_models() for key in _permissions(model._meta)}
    return not codenames <= set(rows.values_list("content_type__app_label", "codename"))


def _pending(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    """Return the migrations that a `migrate` runs."""
    loader = MigrationLoader(connection)
    return [key for key in loader.graph.nodes if key not in loader.applied_migrations]


def _permissions(options: Any) -> set[tuple[str, str]]:
    of_actions = {f"{action}_{options.model_name}" for action in options.default_permissions}
    return {(options.app_label, codename) for codename in (*of_actions, *dict(options.permissions))}
