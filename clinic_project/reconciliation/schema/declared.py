"""The models of a Django project state → Schema: what they declare, as PostgreSQL itself prints it.

The tables are created with the SQL of Django's schema editor, as temporary ones, in a transaction that is rolled back, and
are read by the same queries as the actual tables. So types, defaults and definitions have the same canonical form on both
sides, and Django's mapping to PostgreSQL isn't written a second time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.apps.registry import Apps
from django.db import Error, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..migration_files import labels_with_own_sql
from ..sqlstates import connection_lost
from .event_triggers import disable_event_triggers, raise_if_event_trigger
from .introspection import read_temporary_schema, rolled_back
from .model import Identity, RelationKind, Schema, Table, truncated
from .table_definitions import DefinitionBuilder, TableDefinition, creation_sql

#: How many models' tables are created in one transaction: it holds a lock on each table and index to its end, and a server
#: with default settings has some 7,000 locks for all sessions (max_locks_per_transaction for each of max_connections).
MODELS_PER_BATCH = 200

#: Makes CREATE TABLE create temporary tables, after the session's own ones are dropped (until the transaction's end).
_TEMPORARY_ONLY = (
    "DISCARD TEMP",
    "SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)",
)


def declared_schema(connection: BaseDatabaseWrapper, apps: Apps, labels: Iterable[str], schema: str) -> Schema:
    """Return the tables that the models of the apps `labels` declare, as if they were in `schema`.

    Raises Unsupported if an event trigger forbids temporary tables, django.db.Error if PostgreSQL refuses a definition.
    """
    declaring = set(labels)
    declared = [
        model for model in apps.get_models() if model._meta.app_label in declaring and _is_managed(connection, model)
    ]
    tables: dict[str, Table] = {}
    for first in range(0, len(declared), MODELS_PER_BATCH):
        tables.update(_read_batch(connection, declared[first : first + MODELS_PER_BATCH], schema))
    return Schema(schema, dict(sorted(tables.items())))


def _is_managed(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    return model._meta.can_migrate(connection.alias) and router.allow_migrate_model(connection.alias, model)


def _read_batch(
    connection: BaseDatabaseWrapper, declared: Iterable[type[models.Model]], schema: str
) -> dict[str, Table]:
    """Return the tables of the models, and of their many-to-many fields, by name.

    Their parents in other apps, or in none, are created beside them, since a temporary table's foreign keys may only
    point to temporary tables (https://www.postgresql.org/docs/current/sql-createtable.html), and left out.
    """
    batch = {truncated(model._meta.db_table): model for model in _with_through(declared)}
    builder = DefinitionBuilder(connection)
    definitions = [
        *(builder.build(model) for model in batch.values()),
        *(builder.build(parent, keys_only=True) for parent in _parents(batch.values())),
    ]
    tables = _create_and_read(connection, definitions, schema, batch)
    return {name: _completed(tables[name], model, builder) for name, model in batch.items()}


def _with_through(declared: Iterable[type[models.Model]]) -> Iterator[type[models.Model]]:
    """Yield the models, and those that Django creates for their many-to-many fields."""
    for model in declared:
        yield model
        fields: list[Any] = list(model._meta.local_many_to_many)
        through: list[Any] = [field.remote_field.through for field in fields]
        yield from (automatic for automatic in through if automatic._meta.auto_created)


def _parents(batch: Iterable[type[models.Model]]) -> list[type[models.Model]]:
    """Return the models outside the batch that its foreign keys point to."""
    tables = {model._meta.db_table: model for model in batch}
    parents: dict[str, type[models.Model]] = {}
    for model in tables.values():
        fields: list[Any] = [f for f in model._meta.local_fields if getattr(f, "db_constraint", False)]
        targets = [field.remote_field.model._meta.concrete_model for field in fields]
        parents |= {target._meta.db_table: target for target in targets if target._meta.db_table not in tables}
    return list(parents.values())


def _create_and_read(
    connection: BaseDatabaseWrapper, definitions: Sequence[TableDefinition], schema: str, names: Iterable[str]
) -> dict[str, Table]:
    """Create the tables without storage, apart from those that need it; if PostgreSQL refuses that, all with storage.

    It does if fields or constraints that aren't Django's own have something that a partitioned table can't have.
    """
    try:
        return _run_and_read(connection, creation_sql(definitions, partitioned=True), schema, names)
    except Error as error:
        if connection_lost(error):
            raise
    try:
        return _run_and_read(connection, creation_sql(definitions, partitioned=False), schema, names)
    except Error as error:
        if not connection_lost(error):
            raise_if_event_trigger(connection, error)
        raise


def _run_and_read(
    connection: BaseDatabaseWrapper, statements: Iterable[str], schema: str, names: Iterable[str]
) -> dict[str, Table]:
    with rolled_back(connection) as cursor:
        disable_event_triggers(connection, cursor)
        cursor.execute(";\n".join([*_TEMPORARY_ONLY, *statements]))
        return dict(read_temporary_schema(cursor, schema, names).tables)


def _completed(table: Table, model: type[models.Model], builder: DefinitionBuilder) -> Table:
    """Correct what differs in the temporary table: it may be partitioned, and has no identities and no Python defaults."""
    fields: list[Any] = list(model._meta.local_concrete_fields)
    columns = dict(table.columns)
    for field in fields:
        name = truncated(field.column)
        if name in columns:  # a field without a database type has no column
            identity = Identity.BY_DEFAULT if builder.is_identity(field) else columns[name].identity
            columns[name] = replace(columns[name], identity=identity, python_default=builder.python_default(field))
    if model._meta.app_label in labels_with_own_sql():
        columns = {name: replace(column, may_be_stricter=True) for name, column in columns.items()}
    return replace(table, kind=RelationKind.TABLE, columns=columns)
