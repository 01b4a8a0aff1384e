"""PostgreSQL's system catalogs → Schema: runs the catalog queries, and makes values of their rows."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import milliseconds
from ..drivers import last_row
from . import catalog
from .model import (
    MAX_INTEGERS,
    Column,
    Constraint,
    ConstraintKind,
    Dependent,
    Function,
    GeneratedAs,
    Identity,
    Index,
    OtherSchema,
    Relation,
    RelationKind,
    Schema,
    Server,
    Table,
    TableElsewhere,
    TablePlace,
    Trigger,
    TriggerMode,
    UpdateTrigger,
    identifier,
    is_wide_name,
    literal,
    relation_name,
    sequence_name,
)
from .model import Sequence as KeySequence
from .search_path import project_schema, read_search_path


def read_server(connection: BaseDatabaseWrapper) -> Server:
    recorded = connection.pg_version >= 150000  # type: ignore[attr-defined]  # it is PostgreSQL's
    with connection.cursor() as cursor:
        cursor.execute(catalog.MAY_READ_DATABASES)
        (readable,) = cursor.fetchone()
        versions = catalog.COLLATION_VERSIONS if recorded and readable else catalog.NO_COLLATION_VERSIONS
        (row,) = catalog_rows(cursor, catalog.SERVER.replace("{collation_versions}", versions))
    row |= {name: tuple(row[name]) for name in ("standbys", "outdated_collations", "collation_versions")}
    schema = project_schema(read_search_path(connection))
    if schema is None:
        return Server(**row, schema=None, may_create=False, may_use=False, holds_project=False, has_history=False)
    return Server(
        **row,
        schema=schema.name,
        may_create=schema.may_create,
        may_use=schema.may_use,
        holds_project=schema.holds_project,
        has_history=schema.has_history,
        history_owner=schema.history_owner,
    )


@contextmanager
def rolled_back(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """Yield a cursor in a transaction that is rolled back, with the settings that are changed in it."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        try:
            yield cursor
        finally:
            transaction.set_rollback(True, using=connection.alias)


def set_up_reading(cursor: Any) -> None:
    """Let the transaction print definitions with all names qualified."""
    # JIT compilation would take longer than the queries: their costs are overestimated where tables are new.
    # Where all names are quoted, keywords and functions in definitions would be as well.
    cursor.execute(
        "SELECT set_config('search_path', '', true), set_config('jit', 'off', true),"
        " set_config('quote_all_identifiers', 'off', true)"
    )


def catalog_rows(cursor: Any, sql: str, *lists: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the rows of a query whose parameters are arrays, each by the names of its columns."""
    cursor.execute(sql, [list(each) for each in lists])
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def read_schema(
    connection: BaseDatabaseWrapper,
    schema: str,
    tables: Iterable[str],
    declared_names: Iterable[str],
    functions: Iterable[str] = (),
    *,
    lock_timeout: float,
) -> Schema:
    """Read those of `tables` and `functions` that are in `schema`, and the owners of the `declared_names` there.

    Raises django.db.Error of SQLSTATE 55P03 if a table is locked against readers for longer than `lock_timeout` seconds.
    """
    with rolled_back(connection) as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [milliseconds(lock_timeout)])
        return _Reader(cursor, namespace_of(schema), schema).read(
            sorted(tables), sorted(declared_names), sorted(functions)
        )


def read_access(connection: BaseDatabaseWrapper, names: Iterable[str]) -> list[Table]:
    """Return those of the tables `names` that exist, with what this role may do, and with columns.

    Of the columns, only the type is read, and whether an INSERT has to name them: these alone are NOT NULL here.
    """
    with connection.cursor() as cursor:
        return [_table_to_write(row) for row in catalog_rows(cursor, catalog.ACCESS, names)]


def _table_to_write(row: Mapping[str, Any]) -> Table:
    columns = zip(row["names"] or (), row["types"] or (), row["required"] or (), strict=True)
    return Table(
        row["schema"],
        row["name"],
        {name: Column(name, type_, not_null=required) for name, type_, required in columns},
        owned=row["owned"],
        owner=row["owner"],
        missing_privileges=tuple(row["missing_privileges"]),
        rows_hidden=row["rows_hidden"],
    )


def tables_elsewhere(connection: BaseDatabaseWrapper, schema: str, names: Iterable[str]) -> tuple[TableElsewhere, ...]:
    """Return those of the tables `names` that aren't in `schema`, and are filled in another schema of the search path."""
    with connection.cursor() as cursor:
        reader = _Reader(cursor, namespace_of(schema), schema)
        names = sorted(names)
        here = reader.name_owners(names, names)
        return tuple(found for found in _filled(reader.rows(catalog.ON_SEARCH_PATH, names)) if found.name not in here)


def _filled(rows: Iterable[Mapping[str, Any]]) -> tuple[TableElsewhere, ...]:
    filled = (row for row in rows if row["filled"] and row["key"])
    return tuple(TableElsewhere(row["schema"], row["name"], tuple(row["key"])) for row in filled)


def with_dependents(
    connection: BaseDatabaseWrapper, actual: Schema, tables: Iterable[str], *, lock_timeout: float
) -> Schema:
    """Return the schema with what depends on the columns and keys of `tables`: it takes 1 ms for each view.

    Raises as `read_schema` does.
    """
    with rolled_back(connection) as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [milliseconds(lock_timeout)])
        found = _Reader(cursor, namespace_of(actual.name), actual.name).dependents(sorted(tables))
    completed = {name: replace(actual.tables[name], dependents=found[name]) for name in found if name in actual.tables}
    return replace(actual, tables={**actual.tables, **completed})


def namespace_of(schema: str) -> str:
    """Return the subquery for the oid of the schema, for a query with parameters."""
    return f"(SELECT oid FROM pg_namespace WHERE nspname = {_query_literal(schema)})"


def read_temporary_schema(cursor: Any, schema: str, tables: Iterable[str], functions: Iterable[str]) -> Schema:
    """Read this session's temporary `tables` and `functions` as if they were in `schema`."""
    return _Reader(cursor, "pg_my_temp_schema()", schema).read(sorted(tables), [], sorted(functions))


def _query_literal(text: str) -> str:
    """Return `text` as a literal for a query with parameters, in which per cent signs are doubled."""
    return literal(text).replace("%", "%%")


class _Reader:
    """Reads the tables of one namespace by the catalog queries. `schema` is the name that the result gives it."""

    def __init__(self, cursor: Any, namespace: str, schema: str) -> None:
        self.cursor = cursor
        self.namespace = namespace
        self.schema = schema

    def read(self, tables: Sequence[str], declared_names: Sequence[str], functions: Sequence[str]) -> Schema:
        """Read `tables`, `functions`, and the owners of the `declared_names`: none where the tables are temporary."""
        # Before the search path is emptied.
        elsewhere = self.rows(catalog.ON_SEARCH_PATH, tables) if declared_names else []
        shadowing = {row["name"]: row["schema"] for row in reversed(elsewhere) if row["shadows"]}
        set_up_reading(self.cursor)
        relations = self._relations(tables)
        found = {row["oid"]: row for row in relations if row["asked"] and RelationKind(row["kind"]).is_table}
        columns = self._grouped(catalog.COLUMNS, list(found))
        indexes = self._grouped(catalog.INDEXES, list(found))
        constraints = self._grouped(catalog.CONSTRAINTS, list(found))
        triggers = self._grouped(catalog.TRIGGERS, list(found))
        fired = self._grouped(catalog.UPDATE_TRIGGERS, list(found)) if declared_names else {}
        by_name = {
            row["name"]: replace(
                _table(self.schema, row, columns[oid], indexes[oid], constraints[oid], shadowing),
                triggers=tuple(map(_trigger, triggers.get(oid, ()))),
                descendants=tuple(dict.fromkeys(_member(each) for each in fired.get(oid, ()) if each["inherits"])),
                others_descendants=_others_descendants(fired.get(oid, ())),
                update_triggers=tuple(_update_triggers(fired.get(oid, ()))),
            )
            for oid, row in found.items()
        }
        if declared_names:
            by_name = self._with_former_sequences(self._with_next_keys(by_name, found), found)
        return Schema(
            self.schema,
            by_name,
            self.name_owners(declared_names, tables) if declared_names else {},
            tuple(
                Relation(row["schema"], row["name"], RelationKind(row["kind"])) for row in relations if not row["asked"]
            ),
            _filled(elsewhere),
            {function.key: function for function in self._functions(functions)},
            self._other_schemas(tables) if declared_names else {},
        )

    def _other_schemas(self, tables: Sequence[str]) -> dict[str, OtherSchema]:
        names = {TablePlace.of_key(key).schema for key in tables} - {""}
        rows = self.rows(catalog.OTHER_SCHEMAS, sorted(names)) if names else ()
        return {row["name"]: OtherSchema(**row) for row in rows}

    def _relations(self, tables: Sequence[str]) -> list[dict[str, Any]]:
        """Return the relations of the tables' names; those that are `asked` for have the tables' names in a Schema."""
        asked = set(tables)
        schemas = {TablePlace.of_key(key).schema for key in tables}
        rows = self.rows(catalog.RELATIONS, sorted(schemas), sorted(set(map(relation_name, tables))))
        for row in rows:
            key = TablePlace("" if row["here"] else row["schema"], row["name"]).key
            row["asked"] = key in asked
            if row["asked"]:
                row["name"] = key
        return rows

    def _functions(self, names: Sequence[str]) -> list[Function]:
        return [_function(row) for row in self.rows(catalog.FUNCTIONS, names)] if names else []

    def rows(self, sql: str, *lists: Sequence[Any]) -> list[dict[str, Any]]:
        sql = sql.replace("{namespace}", self.namespace).replace("{schema}", _query_literal(self.schema))
        sql = sql.replace("{sequence_columns}", catalog.SEQUENCE_COLUMNS)
        return catalog_rows(self.cursor, sql, *lists)

    def _grouped(self, sql: str, oids: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
        rows = defaultdict(list)
        for row in self.rows(sql, oids) if oids else ():
            rows[row.pop("table_oid")].append(row)
        return rows

    def name_owners(self, declared_names: Sequence[str], tables: Sequence[str]) -> dict[str, Relation]:
        places = [TablePlace.of_key(key) for key in (*declared_names, *tables)]
        schemas, names = [place.schema or self.schema for place in places], [place.name for place in places]
        owners = {}
        for row in self.rows(catalog.NAME_OWNERS, schemas, names):
            schema = "" if row["schema"] == self.schema else row["schema"]
            key = TablePlace(schema, row["name"]).key
            # A table has a type of its name; an index has none.
            if row["kind"] != RelationKind.TYPE or key in tables:
                table = row["table_name"] and TablePlace(schema, row["table_name"]).key
                owners[key] = Relation(row["schema"], row["name"], RelationKind(row["kind"]), table)
        return owners

    def _with_next_keys(self, tables: dict[str, Table], found: Mapping[int, Mapping[str, Any]]) -> dict[str, Table]:
        """Add the next values of the keys, from their rows and from their sequences: two quick look-ups a key, one query."""
        readable = {
            row["name"]
            for row in found.values()
            if row["schema_usable"] and "SELECT" not in row["missing_privileges"] and not row["rows_hidden"]
        }
        keys = [(t, *key) for t in tables.values() if t.name in readable for key in _sequence_keys(t)]
        if not keys:
            return tables
        lookups = (
            catalog.NEXT_KEY.format(
                column=identifier(name),
                table=table.sql_name,
                end=sequence.end(table.columns[name].type),
                sequence=sequence.name,
                increment=sequence.increment,
            )
            for table, name, sequence in keys
        )
        self.cursor.execute(";".join((catalog.NEXT_KEYS_BEGIN, *lookups, catalog.NEXT_KEYS_RESULT)))
        results = json.loads(f"[{last_row(self.cursor)[0]}]")
        return tables | {
            table.name: _with_next_key(table, name, next_key, replace(sequence, next_value=next_value))
            for (table, name, sequence), (next_key, next_value) in zip(keys, results, strict=True)
        }

    def _with_former_sequences(
        self, tables: dict[str, Table], found: Mapping[int, Mapping[str, Any]]
    ) -> dict[str, Table]:
        """Add the sequences of the columns that may be keys and that nothing generates any more."""
        columns = [(oid, row["name"], key) for oid, row in found.items() for key in _ungenerated(tables[row["name"]])]
        if not columns:
            return tables
        oids, names, keys = zip(*columns, strict=True)
        sequences = [sequence_name(relation_name(name), key) for name, key in zip(names, keys, strict=True)]
        former = defaultdict(list)
        for row in self.rows(catalog.FORMER_SEQUENCES, oids, keys, sequences):
            former[found[row["table_oid"]]["name"], row["column_name"]].append(_sequence(row))
        result = dict(tables)
        for (name, key), of_column in former.items():
            column = replace(result[name].columns[key], former_sequences=tuple(of_column))
            result[name] = replace(result[name], columns={**result[name].columns, key: column})
        return result

    def dependents(self, tables: Sequence[str]) -> dict[str, tuple[Dependent, ...]]:
        set_up_reading(self.cursor)
        names = {row["oid"]: row["name"] for row in self._relations(tables) if row["asked"]}
        rows = self._grouped(catalog.DEPENDENTS, list(names))
        row_type_columns = self._grouped(catalog.ROW_TYPE_COLUMNS, list(names))
        return {
            name: (*map(_dependent, rows.get(oid, ())), *map(_row_type_column, row_type_columns.get(oid, ())))
            for oid, name in names.items()
        }


def _ungenerated(table: Table) -> list[str]:
    """Return the integer columns without a generator that are the primary key, or may be meant to be one."""
    key = table.primary_key
    names = key.columns if key is not None else tuple(table.columns)
    columns = [table.columns[name] for name in names if name in table.columns]
    return [c.name for c in columns if c.type in MAX_INTEGERS and c.not_null and not (c.generates_keys or c.generated)]


def _dependent(row: Mapping[str, Any]) -> Dependent:
    return Dependent(
        row["name"],
        tuple(name for name in row["columns"] if name is not None),
        tuple(name for name in row["keys"] if name is not None),
        row["level"],
        tuple(row["drops"] or ()),
        tuple(row["creates"] or ()),
        row["restorable"],
        row["relation"] or "",
        row["foreign_key_name"],
        row["owned"],
    )


def _row_type_column(row: Mapping[str, Any]) -> Dependent:
    return Dependent(
        row["name"],
        drop=tuple(row["drops"]),
        create=tuple(row["creates"]),
        restorable=row["restorable"],
        relation=row["relation"],
        owned=row["owned"],
        holds_rows=True,
    )


def _sequence_keys(table: Table) -> list[tuple[str, KeySequence]]:
    """Return a primary key's only column, whose max() is an index look-up, and the sequence that generates its values."""
    key = table.primary_key
    if key is None or len(key.columns) != 1:
        return []
    column = table.columns[key.columns[0]]
    if column.type not in MAX_INTEGERS or column.sequence is None or not column.sequence.readable:
        return []
    return [(column.name, column.sequence)]


def _with_next_key(table: Table, name: str, next_key: int | None, sequence: KeySequence) -> Table:
    columns = {**table.columns, name: replace(table.columns[name], sequence=sequence)}
    return replace(table, columns=columns, next_keys={} if next_key is None else {name: next_key})


def _table(
    schema: str,
    row: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]],
    indexes: Sequence[Mapping[str, Any]],
    constraints: Sequence[Mapping[str, Any]],
    shadowing: Mapping[str, str],
) -> Table:
    all_indexes = {index["oid"]: _index(index) for index in indexes}
    return Table(
        schema=schema if row["here"] else row["schema"],
        name=row["name"],
        columns={column["name"]: _column(column) for column in columns},
        indexes=tuple(all_indexes.values()),
        constraints=tuple(_constraint(schema, c, all_indexes.get(c["index_oid"])) for c in constraints),
        kind=RelationKind(row["kind"]),
        logged=row["logged"],
        owned=row["owned"],
        owner=row["owner"],
        owner_may_create=row["owner_may_create"],
        missing_privileges=tuple(row["missing_privileges"]),
        may_reference=row["may_reference"],
        rows_hidden=row["rows_hidden"],
        shadowed_by=shadowing.get(row["name"]),
        rows=max(row["rows"], 0),
        rules=tuple(row["rules"] or ()),
        parents=tuple(row["parents"] or ()),
        is_partition=row["is_partition"],
        children=tuple(row["children"] or ()),
        comment=row["comment"] or "",
        tablespace=row["tablespace"] or "",
        needs_replica_identity=row["needs_replica_identity"],
    )


def _member(row: Mapping[str, Any]) -> str:
    return identifier(row["schema"], row["relation"])


def _others_descendants(rows: Iterable[Mapping[str, Any]]) -> tuple[Table, ...]:
    found = [row for row in rows if row["inherits"] and not row["owned"]]
    others = (Table(row["schema"], row["relation"], owner=row["owner"], owned=False) for row in found)
    return tuple({table.sql_name: table for table in others}.values())


def _update_triggers(rows: Iterable[Mapping[str, Any]]) -> Iterator[UpdateTrigger]:
    """Yield those that may change something, which the copying of a key to the column that replaces it doesn't."""
    return (_update_trigger(row) for row in rows if row["name"] and not is_wide_name(row["name"]))


def _update_trigger(row: Mapping[str, Any]) -> UpdateTrigger:
    return UpdateTrigger(
        name=row["name"],
        table=_member(row),
        before=row["before"],
        columns=tuple(row["columns"]),
        mode=TriggerMode(row["enabled"]),
        rule=row["rule"],
    )


def _column(row: Mapping[str, Any]) -> Column:
    # The attributes follow the column's name, which might contain their words.
    not_null = (row["not_null_definition"] or "").removeprefix(f"NOT NULL {row['name']}")
    return Column(
        name=row["name"],
        type=row["type"],
        not_null=row["not_null"],
        not_null_name=row["not_null_name"],
        not_null_validated="NOT VALID" not in not_null,
        not_null_inherits="NO INHERIT" not in not_null,
        not_null_inherited=row["not_null_inherited"],
        inherited=row["inherited"],
        default=None if row["generated"] else row["expression"],
        default_volatile=row["volatile"],
        identity=Identity(row["identity"]),
        generated=GeneratedAs(row["expression"], stored=row["generated"] == "s") if row["generated"] else None,
        collation=row["collation"],
        sequence=None if row["sequence"] is None else _sequence(row),
        comment=row["comment"] or "",
    )


def _sequence(row: Mapping[str, Any]) -> KeySequence:
    return KeySequence(
        name=row["sequence"],
        owned=row["owned"],
        ownable=row["ownable"],
        increment=row["increment"],
        max_value=row["max_value"],
        readable=row["readable"],
        usable=row["usable"],
        settable=row["settable"],
        alterable=row["alterable"],
        schema=row["schema"],
        schema_usable=row["schema_usable"],
        cycles=row["cycles"],
        min_value=row["min_value"],
        of_citus=row["of_citus"],
        logged=row["sequence_logged"],
    )


_NAME = r'(?:"(?:[^"]|"")+"|[^\s".]+)'

#: What pg_get_indexdef prints first. A temporary table's schema is pg_temp, and up to PostgreSQL 14 pg_temp_ and a number.
_UP_TO_THE_TABLE = re.compile(rf"CREATE (?:UNIQUE )?INDEX {_NAME} ON (?:ONLY )?{_NAME}\.{_NAME} ")


#: What pg_get_triggerdef prints. A function of pg_catalog has no schema there.
_TRIGGER = re.compile(
    rf"CREATE (?:CONSTRAINT )?TRIGGER {_NAME} (?P<fires>.+?) ON {_NAME}\.{_NAME} (?P<options>.*)"
    rf"EXECUTE FUNCTION (?:{_NAME}\.)?{_NAME}(?P<arguments>\(.*\))",
    re.DOTALL,
)


def _trigger(row: Mapping[str, Any]) -> Trigger:
    parts = _TRIGGER.fullmatch(row["definition"])
    assert parts is not None, row["definition"]  # all of PostgreSQL's versions print it so  # noqa: S101
    return Trigger(
        name=row["name"],
        fires=parts["fires"],
        options=parts["options"].strip(),
        call=identifier(row["function_schema"], row["function_name"]) + parts["arguments"],
        function=f"{row['function_name']}({row['function_arguments']})",
        mode=TriggerMode(row["mode"]),
        is_constraint=row["is_constraint"],
        columns=tuple(row["columns"]),
        before=row["before"],
        update_columns=tuple(row["update_columns"]) if row["on_update"] else None,
    )


#: What pg_get_functiondef prints first, as _UP_TO_THE_TABLE.
_UP_TO_THE_ARGUMENTS = re.compile(rf"CREATE OR REPLACE (?:FUNCTION|PROCEDURE) {_NAME}\.{_NAME}\(")


def _function(row: Mapping[str, Any]) -> Function:
    definition = _UP_TO_THE_ARGUMENTS.sub("", row["definition"] or "", count=1).rstrip()
    return Function(
        row["name"],
        row["arguments"],
        row["result"],
        definition,
        owner=row["owner"],
        owned=row["owned"],
        parameters=tuple(row["parameters"]),
        defaults=row["defaults"],
        lends_privileges=row["lends_privileges"],
        is_public=row["is_public"],
        needed_by=row["needed_by"] or "",
        kept=tuple(row["kept"]),
    )


def _index(row: Mapping[str, Any]) -> Index:
    definition = _UP_TO_THE_TABLE.sub("", row["definition"], count=1)
    body = definition
    if row["parameters"]:
        body = re.sub(r" WITH \([^()]*\)", "", body)
    return Index(
        name=row["name"],
        unique=row["is_unique"],
        body=body,
        definition=definition,
        valid=row["valid"],
        building=row["building"],
        constraint=row["constraint_name"],
        keys=tuple(row["keys"] or ()),
        predicate=row["predicate"],
        parameters=tuple(row["parameters"] or ()),
        columns=tuple(row["columns"] or ()),
        replica_identity=row["replica_identity"],
        clustered=row["clustered"],
        comment=row["comment"],
        needed_by=row["needed_by"] or "",
        tablespace=row["tablespace"] or "",
    )


def _target(schema: str, row: Mapping[str, Any]) -> tuple[str, str]:
    place = TablePlace("" if row["target_schema"] == schema else row["target_schema"], row["target_table"])
    return row["target_schema"], place.key


#: What pg_get_constraintdef appends, in this order, for attributes that are fields of Constraint.
_ATTRIBUTES = re.compile(r"( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT ENFORCED)?( NOT VALID)?$")


def _constraint(schema: str, row: Mapping[str, Any], index: Index | None) -> Constraint:
    attributes = _ATTRIBUTES.search(row["definition"])
    assert attributes is not None  # every part is optional  # noqa: S101
    return Constraint(
        name=row["name"],
        kind=ConstraintKind(row["kind"]),
        definition=row["definition"][: attributes.start()],
        columns=tuple(row["columns"] or ()),
        validated=row["validated"],
        enforced=not attributes[3] and not row["triggers_disabled"],
        deferrable=row["deferrable"],
        deferred=row["deferred"],
        index=index,
        target=_target(schema, row) if row["kind"] == ConstraintKind.FOREIGN_KEY else None,
        target_columns=tuple(row["target_columns"] or ()),
        triggers_disabled=row["triggers_disabled"],
        inherited=row["inherited"],
    )
