"""A Django project state → Schema: what the models mean, said by PostgreSQL itself.

Django's own schema editor says how to create the models; temporary tables are created so, in a transaction that is rolled
back, and the reader of the real tables reads them. So types, defaults and definitions have the same canonical form on both
sides, and nothing of Django's mapping is written again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.apps.registry import Apps
from django.db import Error, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..sqlstates import connection_lost
from .drawings import IDENTITY, Draughtsman
from .event_triggers import CAN_BE_PASSED_BY, SILENCE, blame_event_trigger
from .introspection import quoted_names, read_temporary_schema, rolled_back
from .model import Column, Schema, Table, as_stored
from .sheets import Sheets

#: How many models are made in one transaction: each table, index and sequence holds a lock to its end, and a server that
#: is set up as usual has some 7,000 for all its sessions (max_locks_per_transaction for each of max_connections).
MODELS_AT_ONCE = 200

_TEMPORARY_FIRST = "SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)"


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
        tables.update(_read_lot(connection, declared[first : first + MODELS_AT_ONCE], schema))
    return Schema(schema, dict(sorted(tables.items())))


def _is_managed(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    return model._meta.can_migrate(connection.alias) and router.allow_migrate_model(connection.alias, model)


def _read_lot(connection: BaseDatabaseWrapper, declared: Iterable[type[models.Model]], schema: str) -> dict[str, Table]:
    made = list(_with_through(declared))
    try:
        return _draw_and_read(connection, made, schema, shared=True)
    except Error as error:
        if connection_lost(error):
            raise
    # Something in them is such that only Django's own way serves, or not even that.
    try:
        return _draw_and_read(connection, made, schema, shared=False)
    except Error as error:
        if not connection_lost(error):
            blame_event_trigger(connection, error)
        raise


def _draw_and_read(
    connection: BaseDatabaseWrapper, made: list[type[models.Model]], schema: str, *, shared: bool
) -> dict[str, Table]:
    with rolled_back(connection) as cursor:
        draughtsman = Draughtsman(connection, cursor)
        drawings = [draughtsman.draw(model) for model in made]
        sheets = Sheets([*drawings, *(draughtsman.draw(parent, bare=True) for parent in _parents(made))], shared=shared)
        silence = [SILENCE] if connection.pg_version >= CAN_BE_PASSED_BY else []  # type: ignore[attr-defined]
        cursor.execute(";\n".join([*silence, _TEMPORARY_FIRST, *sheets.script()]))
        quoted = quoted_names(cursor, [schema, *sheets.by_name, *sheets.of_table])
        drawn = read_temporary_schema(cursor, schema, sheets.by_name)
    tables = sheets.cut(drawn, drawings, quoted)
    return _completed(tables, dict(_fills(draughtsman, made)), set(_identities(connection, made)))


def _with_through(declared: Iterable[type[models.Model]]) -> Iterator[type[models.Model]]:
    """Give the models, and those of the tables that their many-to-many fields bring with them."""
    for model in declared:
        yield model
        fields: list[Any] = list(model._meta.local_many_to_many)
        through: list[Any] = [field.remote_field.through for field in fields]
        yield from (made for made in through if made._meta.auto_created)


def _parents(made: Iterable[type[models.Model]]) -> list[type[models.Model]]:
    """Return the models outside `made` that its foreign keys point to."""
    tables = {model._meta.db_table: model for model in made}
    parents: dict[str, type[models.Model]] = {}
    for model in tables.values():
        fields: list[Any] = [f for f in model._meta.local_fields if getattr(f, "db_constraint", False)]
        targets = [field.remote_field.model._meta.concrete_model for field in fields]
        parents |= {target._meta.db_table: target for target in targets if target._meta.db_table not in tables}
    return list(parents.values())


def _fills(draughtsman: Draughtsman, made: Iterable[type[models.Model]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Give the SQL value that AddField would write into existing rows, for the columns that can't be without one."""
    for model in made:
        for field in model._meta.local_fields:
            if field.null or field.primary_key or field.generated or field.db_default is not models.NOT_PROVIDED:
                continue
            value = draughtsman.fill(field)
            if value is not None:
                yield (as_stored(model._meta.db_table), as_stored(field.column)), value


def _identities(connection: Any, made: Iterable[type[models.Model]]) -> Iterator[tuple[str, str]]:
    """Give the table and name of the columns that are declared identities."""
    for model in made:
        fields: list[Any] = list(model._meta.local_concrete_fields)
        for field in fields:
            if field.db_type_suffix(connection) == IDENTITY:
                yield as_stored(model._meta.db_table), as_stored(field.column)


def _completed(
    tables: dict[str, Table], fills: dict[tuple[str, str], str], identities: set[tuple[str, str]]
) -> dict[str, Table]:
    """Add the columns' fills, and what makes them identities."""
    changed: dict[str, dict[str, Column]] = defaultdict(dict)
    for table, name in identities | fills.keys():
        column = tables[table].columns[name]
        identity = "d" if (table, name) in identities else column.identity
        changed[table][name] = replace(column, identity=identity, fill=fills.get((table, name)))
    return {name: replace(table, columns={**table.columns, **changed[name]}) for name, table in tables.items()}
