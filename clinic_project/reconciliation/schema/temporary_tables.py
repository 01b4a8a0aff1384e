"""Table definitions → tables as PostgreSQL prints them: created as temporary ones, read, and rolled back."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..sqlstates import (
    SCHEMA_IS_BEHIND,
    UNDEFINED_FUNCTION,
    UNDEFINED_OBJECT,
    connection_lost,
    message_with_sqlstate,
    sqlstate,
)
from .declared_triggers import Function as DeclaredFunction
from .event_triggers import disable_event_triggers, raise_if_event_trigger
from .introspection import read_temporary_schema, rolled_back
from .model import Function, Table, identifier, truncated

#: Makes CREATE TABLE create temporary tables, after the session's own ones are dropped (until the transaction's end), and in
#: the database's tablespace where it names none.
_TEMPORARY_ONLY = """
    DISCARD TEMP;
    SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true),
           set_config('temp_tablespaces', '', true)
"""


#: What a function's body may name before it is created: a table, a column, a type, a schema, another function.
_NOT_YET_CREATED = SCHEMA_IS_BEHIND | {UNDEFINED_OBJECT, UNDEFINED_FUNCTION}

#: Classes of errors that no definition is to blame for: rolled back, out of resources, a lock or a cancel.
_NOT_OF_DEFINITIONS = ("40", "53", "55", "57")


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """The statements that create a table. `name` is its name in PostgreSQL.

    `keys_and_indexes` require only the table, `references` may require other tables and their keys. `partitioning`,
    appended to `create_table`, creates the table without storage; it is empty where the table needs storage. `stand_in`
    creates what foreign keys may point to, and no more, in place of a table that can't be created.
    """

    name: str
    create_table: str
    partitioning: str = ""
    keys_and_indexes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    stand_in: str = ""
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemporaryTables:
    """Tables that were created, and PostgreSQL's errors for those that it refused to create, by name."""

    tables: dict[str, Table]
    rejected: dict[str, str]


def create_and_read(
    connection: BaseDatabaseWrapper,
    definitions: Sequence[TableDefinition],
    schema: str,
    names: Iterable[str],
    functions: Iterable[Function] = (),
) -> TemporaryTables:
    """Create the tables as temporary ones, and return those of the `names` as if they were in `schema`.

    They are created without storage, apart from those that need it. Where PostgreSQL refuses that, since fields or
    constraints that aren't Django's own have something that a partitioned table can't have, all are created with storage;
    and where it refuses that as well, each by itself, so that the error of one isn't an error of all. Where a function is
    missing that an expression calls, those of the declared `functions` that are missing are created in `schema`, too.

    Raises Unsupported if an event trigger forbids temporary tables.
    """
    shown, missing = list(names), []
    try:
        return _run_and_read(connection, _statements(definitions, partitioned=True), schema, shown)
    except Error as error:
        if connection_lost(error):
            raise
        if sqlstate(error) == UNDEFINED_FUNCTION:
            missing = _missing_functions(connection, schema, functions)
    for partitioned in (True, False) if missing else (False,):
        statements = (*missing, *_statements(definitions, partitioned=partitioned))
        try:
            return _run_and_read(connection, statements, schema, shown)
        except Error as error:
            if connection_lost(error):
                raise
            raise_if_event_trigger(connection, error)
    with _without_event_triggers(connection) as cursor:
        cursor.execute(_TEMPORARY_ONLY)
        if missing:
            _error_of(connection, cursor, missing)
        rejected = _create_each(connection, cursor, definitions)
        tables = read_temporary_schema(cursor, schema, [name for name in shown if name not in rejected], ()).tables
    return TemporaryTables(dict(tables), rejected)


def _missing_functions(connection: BaseDatabaseWrapper, schema: str, functions: Iterable[Function]) -> list[str]:
    """Return the statements that create those of the functions that `schema` lacks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%%s(%%s)', proname, oidvectortypes(proargtypes)) FROM pg_proc"
            " WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
            [schema],
        )
        there = {key for (key,) in cursor.fetchall()}
    missing = [function for function in functions if function.key not in there]
    return [f"SET LOCAL check_function_bodies = off; CREATE FUNCTION {each.sql(schema)}" for each in missing]


@dataclass(frozen=True, slots=True)
class TemporaryFunctions:
    """Functions that were created, by their keys, and PostgreSQL's errors for those that it refused to create."""

    functions: dict[str, Function]
    rejected: dict[DeclaredFunction, str]


def create_and_read_functions(
    connection: BaseDatabaseWrapper, functions: Sequence[DeclaredFunction], schema: str
) -> TemporaryFunctions:
    """Create the functions beside temporary tables, since others use the actual ones, and return them as if in `schema`.

    Raises Unsupported if an event trigger forbids that.
    """
    if not functions:
        return TemporaryFunctions({}, {})
    names = {truncated(function.name) for function in functions}
    with _without_event_triggers(connection) as cursor:
        errors = {each: _create_function(connection, cursor, each, schema) for each in functions}
        found = dict(read_temporary_schema(cursor, schema, (), names).functions)
    return TemporaryFunctions(found, {function: error for function, error in errors.items() if error is not None})


def _create_function(
    connection: BaseDatabaseWrapper, cursor: Any, function: DeclaredFunction, schema: str
) -> str | None:
    """Create a function; its body is checked as far as it needs no table that has yet to be created. Return the error."""
    # Not OR REPLACE: two declared functions that are one in the database would replace each other.
    statement = function.create_sql("pg_temp", identifier(schema), verb="CREATE")
    unchecked = f"SET LOCAL check_function_bodies = off; {statement}; SET LOCAL check_function_bodies = on"
    error = _attempt(connection, cursor, [statement])
    if error is not None:
        raise_if_event_trigger(connection, error)
        if sqlstate(error) in _NOT_YET_CREATED:
            error = _attempt(connection, cursor, [unchecked])
    return None if error is None else message_with_sqlstate(error)


def _statements(definitions: Sequence[TableDefinition], *, partitioned: bool) -> Iterator[str]:
    for definition in definitions:
        yield definition.create_table + (definition.partitioning if partitioned else "")
    for definition in definitions:
        yield from definition.keys_and_indexes
    for definition in definitions:
        yield from definition.references
    for definition in definitions:
        yield from definition.triggers


@contextmanager
def _without_event_triggers(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    with rolled_back(connection) as cursor:
        disable_event_triggers(connection, cursor)
        yield cursor


def _run_and_read(
    connection: BaseDatabaseWrapper, statements: Iterable[str], schema: str, names: Iterable[str]
) -> TemporaryTables:
    with _without_event_triggers(connection) as cursor:
        cursor.execute(";\n".join([_TEMPORARY_ONLY, *statements]))
        return TemporaryTables(dict(read_temporary_schema(cursor, schema, names, ()).tables), {})


def _create_each(
    connection: BaseDatabaseWrapper, cursor: Any, definitions: Sequence[TableDefinition]
) -> dict[str, str]:
    """Create each table in a savepoint, and in place of a refused one what others refer to. Return the errors, by name."""
    errors: dict[str, str] = {}
    for definition in definitions:
        own = [definition.create_table, *definition.keys_and_indexes, *definition.triggers]
        error = _error_of(connection, cursor, own)
        if error is not None:
            errors[definition.name] = error
            _error_of(connection, cursor, [definition.stand_in])
    for definition in definitions:
        if definition.name not in errors and definition.references:
            error = _error_of(connection, cursor, definition.references)
            if error is not None:
                errors[definition.name] = error
    return errors


def _error_of(connection: BaseDatabaseWrapper, cursor: Any, statements: Sequence[str]) -> str | None:
    error = _attempt(connection, cursor, statements)
    if error is None:
        return None
    hidden = _hidden_extensions(cursor) if sqlstate(error) in (UNDEFINED_FUNCTION, UNDEFINED_OBJECT) else ""
    return "; ".join(filter(None, [message_with_sqlstate(error), hidden]))


def _hidden_extensions(cursor: Any) -> str:
    """Return which extensions are off the search path: a database has each once, though several schemas may need it."""
    cursor.execute(
        "SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE n.nspname <> ALL (current_schemas(true)) ORDER BY e.extname"
    )
    texts = (
        f"the extension {name} is in the schema {schema}, which isn't on the search path"
        for name, schema in cursor.fetchall()
    )
    return "; ".join(texts)


def _attempt(connection: BaseDatabaseWrapper, cursor: Any, statements: Sequence[str]) -> Error | None:
    """Run the statements in a savepoint. Return PostgreSQL's error, if it refuses them."""
    try:
        with transaction.atomic(using=connection.alias):
            cursor.execute(";\n".join(statements))
    except Error as error:
        if connection_lost(error) or sqlstate(error).startswith(_NOT_OF_DEFINITIONS):
            raise
        return error
    return None
