"""What this role must be able to do with the tables that Django's own `migrate` reads and writes."""

from dataclasses import replace

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from .exceptions import Refused
from .planning import refusals
from .planning.plan import Refusal
from .schema.introspection import read_access
from .schema.model import Table

#: What Django's handlers of post_migrate fill.
_FILLED = ("contenttypes.ContentType", "auth.Permission")

_READ_AND_WRITTEN = ("SELECT", "INSERT")


def require_readable_history(connection: BaseDatabaseWrapper) -> None:
    """Raise Refused where this role can't read django_migrations, or not all of it."""
    role, tables = _read(connection, [_HISTORY])
    if refused := [refusal for table in tables if (refusal := _refusal(table, role, ("SELECT",)))]:
        raise Refused(refused)


def access_refusals(connection: BaseDatabaseWrapper) -> tuple[Refusal, ...]:
    """Return what a `migrate` of this role would fail at in Django's own tables."""
    filled = [model._meta.db_table for model in apps.get_models() if model._meta.label in _FILLED]
    role, tables = _read(connection, [_HISTORY, *filled])
    return tuple(refusal for table in tables if (refusal := _refusal(table, role, _READ_AND_WRITTEN)))


_HISTORY = MigrationRecorder.Migration._meta.db_table


def _read(connection: BaseDatabaseWrapper, names: list[str]) -> tuple[str, list[Table]]:
    """Return the name of this role, and those of the tables that exist."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (role,) = cursor.fetchone()
    return role, read_access(connection, names)


def _refusal(table: Table, role: str, privileges: tuple[str, ...]) -> Refusal | None:
    if any(privilege in table.lacks for privilege in privileges):
        return refusals.may_not_write(table, role, _READ_AND_WRITTEN, "Django reads and writes it in a migrate")
    if table.rows_hidden:
        hidden = refusals.rows_hidden(table, role, "Django would take them for missing, and could add none.")
        return replace(hidden, fatal=True)
    return None
