"""The values that Django's AddField would write into existing rows: a model's own default, which is code of the project.

It may read the database, the network or the clock, so only those are asked that are necessary.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..sqlstates import connection_lost, message_with_sqlstate
from .model import Column, ObjectReference, Schema, truncated
from .table_definitions import DefinitionBuilder


def with_python_defaults(
    connection: BaseDatabaseWrapper, declared: Schema, columns: Iterable[ObjectReference]
) -> Schema:
    """Return the declared schema with the Python defaults of `columns`, or with what they raise."""
    builder, tables = DefinitionBuilder(connection, {}), dict(declared.tables)
    for table_name, name in columns:
        table, fields = tables[table_name], list(declared.models[table_name]._meta.local_concrete_fields)
        field = next(field for field in fields if field.column is not None and truncated(field.column) == name)
        column = _with_default(builder, table.columns[name], field)
        tables[table_name] = replace(table, columns={**table.columns, name: column})
    return replace(declared, tables=tables)


def _with_default(builder: DefinitionBuilder, column: Column, field: Any) -> Column:
    try:
        # A savepoint: where this is in a transaction, a failed query must not end that.
        with transaction.atomic(using=builder.connection.alias):
            return replace(column, python_default=builder.python_default(field))
    except Error as error:
        if connection_lost(error):
            raise
        return replace(column, python_default_error=message_with_sqlstate(error))
    except Exception as error:  # noqa: BLE001 (whatever the project's code raises)
        return replace(column, python_default_error=" ".join(f"{type(error).__name__}: {error}".split()))
