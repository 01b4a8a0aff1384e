"""A Django project state → Schema: what the models mean, said by PostgreSQL itself.

Django's own schema editor creates the models as temporary tables, in a transaction that is rolled back, and the reader
of the real tables reads them. So types, defaults and definitions have the same canonical form on both sides, and
nothing of Django's mapping is written again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.apps.registry import Apps
from django.db import Error, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from .errors import connection_lost
from .introspection import read_temporary_schema, rolled_back
from .schema import Schema, Table

#: How many models are made in one transaction: each table, index and sequence holds a lock to its end, and a server that
#: is set up as usual has some 7,000 for all its sessions (max_locks_per_transaction for each of max_connections).
MODELS_AT_ONCE = 200

#: The first server_version_num whose partitioned tables may have identity columns, as Django's keys are.
IDENTITY_IN_PARTITIONED = 170000


def expected_schema(connection: BaseDatabaseWrapper, apps: Apps, labels: Iterable[str], schema: str) -> Schema:
    """Return the tables that the models of the apps `labels` declare, as if they were in `schema`.

    Parents that belong to other apps, or to nobody, are made beside them, since a temporary table's foreign keys may
    only point at temporary tables (https://www.postgresql.org/docs/current/sql-createtable.html), and left out.
    """
    wanted = set(labels)
    declared = [
        model for model in apps.get_models() if model._meta.app_label in wanted and _is_managed(connection, model)
    ]
    tables: dict[str, Table] = {}
    for first in range(0, len(declared), MODELS_AT_ONCE):
        tables.update(_read_lot(connection, declared[first : first + MODELS_AT_ONCE], schema).tables)
    return Schema(schema, dict(sorted(tables.items())))


def _read_lot(connection: BaseDatabaseWrapper, declared: list[type[models.Model]], schema: str) -> Schema:
    try:
        return read_as_temporary(connection, declared, schema, stored=False)
    except Error as error:
        if connection_lost(error):
            raise
        return read_as_temporary(connection, declared, schema, stored=True)


def read_as_temporary(
    connection: BaseDatabaseWrapper, declared: list[type[models.Model]], schema: str, *, stored: bool
) -> Schema:
    with rolled_back(connection) as cursor:
        with _script_editor(connection, cursor, stored) as editor:
            editor.execute("SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)")
            _create(editor, declared)
            fills = dict(_fills(editor, cursor, declared))
        cursor.execute(";\n".join(editor.script))
        return _completed(read_temporary_schema(cursor, schema, _tables(declared)), fills)


def _script_editor(connection: BaseDatabaseWrapper, cursor: Any, stored: bool) -> Any:
    """Return Django's schema editor writing a script: one round trip to the server instead of one a statement.

    Its own `collect_sql` is no help: it doubles the per cent signs in values.

    Unless `stored`, tables are made partitioned where that can be. Without any partition they and their indexes have
    no files, whose making and unlinking is most of what a table costs, and PostgreSQL prints the same of them.
    """

    class ScriptEditor(connection.SchemaEditorClass):  # type: ignore[name-defined]
        script: list[str]

        def table_sql(self, model: type[models.Model]) -> tuple[str, Any]:
            sql, params = super().table_sql(model)
            if stored or not _can_be_partitioned(connection, model):
                return sql, params
            key = ", ".join(self.quote_name(field.column) for field in model._meta.pk_fields)
            return f"{sql} PARTITION BY HASH ({key})", params

        def execute(self, sql: Any, params: Any = ()) -> None:
            self.script.append(cursor.mogrify(str(sql), params).decode())

    editor = ScriptEditor(connection, atomic=False)
    editor.script = []
    return editor


def _can_be_partitioned(connection: Any, model: type[models.Model]) -> bool:
    """Whether the primary key is all that is unique in it, since each unique key must hold the partition key.

    https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-LIMITATIONS
    """
    options = model._meta
    if connection.pg_version < IDENTITY_IN_PARTITIONED or options.db_tablespace:
        return False
    if options.unique_together or any(field.unique and not field.primary_key for field in options.local_fields):
        return False
    return all(isinstance(constraint, models.CheckConstraint) for constraint in options.constraints)


def _is_managed(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    return model._meta.can_migrate(connection.alias) and router.allow_migrate_model(connection.alias, model)


def _create(editor: Any, declared: Iterable[type[models.Model]]) -> None:
    """Create `declared`, and bare, without indexes and foreign keys of their own, what their foreign keys point to."""
    made = {model._meta.db_table: model for model in declared}
    parents = {_concrete(parent) for model in made.values() for parent in _parents(model)}
    for model in made.values():
        editor.create_model(model)
    after = len(editor.deferred_sql)
    for parent in parents:
        if parent._meta.db_table not in made:
            editor.create_model(parent)
    del editor.deferred_sql[after:]


def _parents(model: type[models.Model]) -> Iterator[type[models.Model]]:
    through = [field.remote_field.through for field in _automatic_many_to_many(model)]
    for fields in [made._meta.local_fields for made in (model, *through)]:
        yield from (field.remote_field.model for field in fields if getattr(field, "db_constraint", False))


def _concrete(model: Any) -> type[models.Model]:
    concrete: type[models.Model] = model._meta.concrete_model
    return concrete


def _automatic_many_to_many(model: type[models.Model]) -> list[Any]:
    fields: list[Any] = list(model._meta.local_many_to_many)
    return [field for field in fields if field.remote_field.through._meta.auto_created]


def _tables(declared: Iterable[type[models.Model]]) -> set[str]:
    through = {f.remote_field.through._meta.db_table for model in declared for f in _automatic_many_to_many(model)}
    return {model._meta.db_table for model in declared} | through


def _fills(editor: Any, cursor: Any, declared: Iterable[type[models.Model]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Give the SQL value that AddField would write into existing rows, for the columns that can't be without one."""
    for model in declared:
        for field in model._meta.local_fields:
            if field.null or field.primary_key or field.generated or field.db_default is not models.NOT_PROVIDED:
                continue
            value = editor.effective_default(field)
            if value is not None:
                literal = cursor.mogrify("%s", [value]).decode()
                yield (model._meta.db_table, field.column), f"{literal}::{field.db_type(editor.connection)}"


def _completed(schema: Schema, fills: dict[tuple[str, str], str]) -> Schema:
    tables = {name: _completed_table(table, fills) for name, table in schema.tables.items()}
    return replace(schema, tables=tables)


def _completed_table(table: Table, fills: dict[tuple[str, str], str]) -> Table:
    """Add the columns' fills; and whatever it was made as here, an ordinary table is declared."""
    filled = {
        name: replace(column, fill=fills[table.name, name])
        for name, column in table.columns.items()
        if (table.name, name) in fills
    }
    return replace(table, kind="r", columns={**table.columns, **filled})
