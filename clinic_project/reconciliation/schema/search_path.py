"""The search path: which of its schemas is the project's.

Only schemas on the search path count. The project's is the first of them that

1. holds django_migrations, as for Django;
2. holds one of the project's tables with its key;
3. is one in which this role may create tables.

Of 1 and 2, a schema that the role may not use is the project's only if no other one is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.apps import apps
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper

from . import catalog
from .model import truncated

#: Separates the columns of a key in one text; no name contains it by accident.
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class SchemaOnPath:
    """A schema, what this role may do in it, and what of the project it holds. `position` is None off the search path.

    `history_owner` is the owner of its django_migrations if this role lacks the owner's privileges, else empty.
    """

    name: str
    position: int | None
    may_use: bool
    may_create: bool
    has_history: bool
    has_tables: bool
    history_owner: str

    @property
    def holds_project(self) -> bool:
        return self.has_history or self.has_tables


@dataclass(frozen=True, slots=True)
class SchemasWithHistory:
    """The names of the schemas that have django_migrations: this project's, and those of other Django projects."""

    ours: tuple[str, ...]
    others: tuple[str, ...]


#: What makes a schema the project's, most telling first.
_CRITERIA: tuple[Callable[[SchemaOnPath], bool], ...] = (
    lambda schema: schema.has_history and schema.may_use,
    lambda schema: schema.has_history,
    lambda schema: schema.has_tables and schema.may_use,
    lambda schema: schema.has_tables,
    lambda schema: schema.may_use and schema.may_create,
    lambda schema: schema.may_use,
)


def project_schema(path: Iterable[SchemaOnPath]) -> SchemaOnPath | None:
    """Return the project's schema among those on the search path, which are in its order."""
    schemas = list(path)
    for is_projects in _CRITERIA:
        for schema in schemas:
            if is_projects(schema):
                return schema
    return None


def read_search_path(connection: BaseDatabaseWrapper) -> list[SchemaOnPath]:
    """Return the schemas on the search path that exist, in its order, but for PostgreSQL's own."""
    return _read(connection, catalog.SCHEMAS_ON_PATH)


def schemas_of_project(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of all schemas of the database that hold the project: the likely ones first."""
    schemas = [schema for schema in _read(connection, catalog.ALL_SCHEMAS) if schema.holds_project]
    with_history = [schema for schema in schemas if schema.has_history]
    return [schema.name for schema in with_history or schemas]


def schemas_with_history(connection: BaseDatabaseWrapper) -> SchemasWithHistory:
    """Return all schemas of the database with django_migrations, whatever this role may do with them.

    This project's have a table, with its key, of an app that isn't Django's own: tables of those any Django project has.
    """
    found = [schema for schema in _read(connection, catalog.ALL_SCHEMAS, without_djangos=True) if schema.has_history]
    ours = tuple(schema.name for schema in found if schema.has_tables)
    return SchemasWithHistory(ours, tuple(schema.name for schema in found if not schema.has_tables))


def existing_schemas(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of all schemas of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname::text FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


def _read(connection: BaseDatabaseWrapper, sql: str, *, without_djangos: bool = False) -> list[SchemaOnPath]:
    keys = _project_keys(connection.alias, without_djangos=without_djangos)
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(keys), [_SEPARATOR.join(columns) for columns in keys.values()], _SEPARATOR])
        return [SchemaOnPath(*row) for row in cursor.fetchall()]


def _project_keys(alias: str, *, without_djangos: bool) -> Mapping[str, Sequence[str]]:
    """Return the columns of the primary keys of the tables of all installed apps, by table."""
    managed = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.can_migrate(alias) and router.allow_migrate_model(alias, model)
        if not (without_djangos and model.__module__.startswith("django."))
    ]
    return {
        truncated(model._meta.db_table): [truncated(str(field.column)) for field in model._meta.pk_fields]
        for model in managed
    }
