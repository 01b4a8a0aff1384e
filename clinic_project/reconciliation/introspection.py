"""PostgreSQL's catalogues → Schema. All catalogue SQL that describes tables is here.

Tables are found by OID in one schema, never by bare name, in a number of queries that does not grow with their number:
https://www.postgresql.org/docs/current/catalogs.html. Features that a server's version may lack are read from the text
that it prints for a definition, so that no query names a column which only newer catalogues have.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .conf import Budgets, milliseconds
from .schema import Column, Constraint, Index, Relation, Schema, Table, identifier
from .schema import Sequence as KeySequence


@dataclass(frozen=True, slots=True)
class Server:
    """What a server lets this role do. `schema` is where CREATE TABLE would put a table, None if nowhere."""

    database: str
    version: str
    version_number: int
    role: str
    schema: str | None
    search_path: str
    in_recovery: bool
    read_only: bool
    may_create: bool
    may_create_temporary: bool


def read_server(connection: BaseDatabaseWrapper) -> Server:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT current_database(), current_setting('server_version'),
                   current_setting('server_version_num')::int, current_user, current_schema(),
                   current_setting('search_path'), pg_is_in_recovery(),
                   current_setting('transaction_read_only')::bool,
                   coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
                   has_database_privilege(current_database(), 'TEMPORARY')
            """
        )
        return Server(*cursor.fetchone())


@contextmanager
def rolled_back(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """Give a cursor in a transaction of which nothing stays, its settings included."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        try:
            yield cursor
        finally:
            transaction.set_rollback(True, using=connection.alias)


def read_schema(connection: BaseDatabaseWrapper, schema: str, tables: Iterable[str], wanted: Iterable[str]) -> Schema:
    """Read those of `tables` that are in `schema`, and who holds the `wanted` names there.

    Raises django.db.Error of SQLSTATE 55P03 if a table is locked against readers for longer than the lock timeout.
    """
    with rolled_back(connection) as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true)", [milliseconds(Budgets.from_settings().lock_timeout)]
        )
        return _Reader(cursor, f"(SELECT oid FROM pg_namespace WHERE nspname = {_literal(schema)})", schema).read(
            sorted(tables), sorted(wanted)
        )


def read_temporary_schema(cursor: Any, schema: str, tables: Iterable[str]) -> Schema:
    """Read this session's temporary `tables` as if they were in `schema`."""
    return _Reader(cursor, "pg_my_temp_schema()", schema).read(sorted(tables), [])


def _literal(text: str) -> str:
    """Return `text` as it stands in a query that is given parameters, where a per cent sign is doubled."""
    return "'{}'".format(text.replace("'", "''").replace("%", "%%"))


class _Reader:
    """Runs the catalogue queries over the tables of one namespace, and puts their answers together."""

    def __init__(self, cursor: Any, namespace: str, schema: str) -> None:
        self.cursor = cursor
        self.namespace = namespace
        self.schema = schema

    def read(self, tables: Sequence[str], wanted: Sequence[str]) -> Schema:
        # Names must resolve before the search path is emptied: a temporary table may shadow a real one.
        resolved = self._resolutions(tables)
        self.cursor.execute("SELECT set_config('search_path', '', true)")
        relations = self._rows(_RELATIONS, tables)
        found = {row["oid"]: row for row in relations if row["here"] and row["kind"] in "rp"}
        columns = self._grouped(_COLUMNS, list(found))
        indexes = self._grouped(_INDEXES, list(found))
        constraints = self._grouped(_CONSTRAINTS, list(found))
        by_name = {
            row["name"]: _table(self.schema, row, columns[oid], indexes[oid], constraints[oid], resolved)
            for oid, row in found.items()
        }
        if wanted:
            by_name = self._with_next_keys(by_name, found)
        return Schema(
            self.schema,
            by_name,
            self._holders(wanted, tables) if wanted else {},
            tuple(Relation(row["schema"], row["name"], row["kind"]) for row in relations if not row["here"]),
        )

    def _rows(self, sql: str, names_or_oids: Sequence[Any]) -> list[dict[str, Any]]:
        sql = sql.replace("{namespace}", self.namespace).replace("{schema}", _literal(self.schema))
        self.cursor.execute(sql, [list(names_or_oids)])
        names = [column.name for column in self.cursor.description]
        return [dict(zip(names, row, strict=True)) for row in self.cursor.fetchall()]

    def _grouped(self, sql: str, oids: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
        rows = defaultdict(list)
        for row in self._rows(sql, oids):
            rows[row.pop("table_oid")].append(row)
        return rows

    def _resolutions(self, tables: Sequence[str]) -> dict[str, tuple[int | None, str | None]]:
        rows = self._rows(_RESOLUTIONS, tables)
        return {row["name"]: (row["oid"], row["schema"]) for row in rows}

    def _holders(self, wanted: Sequence[str], tables: Sequence[str]) -> dict[str, Relation]:
        rows = self._rows(_HOLDERS, [*wanted, *tables])
        # A table has a type of its name; an index has none.
        rows = [row for row in rows if row["kind"] != "type" or row["name"] in tables]
        return {row["name"]: Relation(self.schema, row["name"], row["kind"], row["table_name"]) for row in rows}

    def _with_next_keys(self, tables: dict[str, Table], found: Mapping[int, Mapping[str, Any]]) -> dict[str, Table]:
        """Add what the rows and the sequences of the keys have come to: one query, of two quick look-ups a key."""
        readable = {row["name"] for row in found.values() if row["may_select"] and not row["rows_hidden"]}
        keys = [(t, *key) for t in tables.values() if t.name in readable for key in _sequence_keys(t)]
        if not keys:
            return tables
        asked = [
            (identifier(name), table.sql_name, sequence.name, sequence.increment) for table, name, sequence in keys
        ]
        self.cursor.execute(_NEXT_KEYS, [json.dumps(asked)])
        answers = json.loads(self.cursor.fetchone()[0])
        return tables | {
            table.name: _with_next_key(table, name, next_key or 1, replace(sequence, next_value=next_value))
            for (table, name, sequence), (next_key, next_value) in zip(keys, answers, strict=True)
        }


def _sequence_keys(table: Table) -> list[tuple[str, KeySequence]]:
    """Return the column whose max() is an index look-up, and the sequence that feeds it."""
    key = table.primary_key
    if key is None or len(key.columns) != 1:
        return []
    sequence = table.columns[key.columns[0]].sequence
    return [(key.columns[0], sequence)] if sequence is not None and sequence.readable else []


def _with_next_key(table: Table, name: str, next_key: int, sequence: KeySequence) -> Table:
    columns = {**table.columns, name: replace(table.columns[name], sequence=sequence)}
    return replace(table, columns=columns, next_keys={name: next_key})


def _table(
    schema: str,
    row: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]],
    indexes: Sequence[Mapping[str, Any]],
    constraints: Sequence[Mapping[str, Any]],
    resolved: Mapping[str, tuple[int | None, str | None]],
) -> Table:
    all_indexes = {index["oid"]: _index(index) for index in indexes}
    resolved_oid, resolved_schema = resolved[row["name"]]
    return Table(
        schema=schema,
        name=row["name"],
        columns={column["name"]: _column(column) for column in columns},
        indexes=tuple(all_indexes.values()),
        constraints=tuple(_constraint(c, all_indexes.get(c["index_oid"])) for c in constraints if c["kind"] in "pufcx"),
        kind=row["kind"],
        logged=row["logged"],
        owned=row["owned"],
        owner=row["owner"],
        may_reference=row["may_reference"],
        rows_hidden=row["rows_hidden"],
        shadowed_by=resolved_schema if resolved_oid not in (None, row["oid"]) else None,
        rows=max(row["rows"], 0),
        triggers=tuple(row["triggers"] or ()),
    )


def _column(row: Mapping[str, Any]) -> Column:
    sequence = None
    if row["sequence"] is not None:
        sequence = KeySequence(
            row["sequence"], row["sequence_owned"], row["sequence_shared"], row["increment"], row["sequence_readable"]
        )
    is_serial = sequence is not None and not row["identity"]
    return Column(
        name=row["name"],
        type=row["type"],
        not_null=row["not_null"],
        not_null_name=row["not_null_name"],
        not_null_validated="NOT VALID" not in (row["not_null_definition"] or ""),
        default=None if is_serial or row["generated"] else row["expression"],
        default_volatile=row["volatile"] and not is_serial,
        identity=row["identity"],
        generated=row["generated"] and f"{row['generated']} {row['expression']}",
        collation=row["collation"],
        sequence=sequence,
    )


def _index(row: Mapping[str, Any]) -> Index:
    body = row["body"]
    if row["parameters"]:
        body = re.sub(r" WITH \([^()]*\)", "", body)
    return Index(
        name=row["name"],
        unique=row["is_unique"],
        body=body,
        definition=row["body"],
        valid=row["valid"],
        building=row["building"],
        constraint=row["constraint_name"],
        keys=tuple(row["keys"] or ()),
        predicate=row["predicate"],
        parameters=tuple(row["parameters"] or ()),
    )


#: What pg_get_constraintdef appends, in its order, for attributes that Constraint has as fields.
_ATTRIBUTES = re.compile(r"( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT ENFORCED)?( NOT VALID)?$")


def _constraint(row: Mapping[str, Any], index: Index | None) -> Constraint:
    attributes = _ATTRIBUTES.search(row["definition"])
    assert attributes is not None  # every part is optional  # noqa: S101
    return Constraint(
        name=row["name"],
        kind=row["kind"],
        definition=row["definition"][: attributes.start()],
        columns=tuple(row["columns"] or ()),
        validated=row["validated"],
        enforced=not attributes[3] and not row["triggers_disabled"],
        deferrable=row["deferrable"],
        deferred=row["deferred"],
        index=index,
        target=(row["target_schema"], row["target_table"]) if row["kind"] == "f" else None,
        target_columns=tuple(row["target_columns"] or ()),
        triggers_disabled=row["triggers_disabled"],
    )


# What a table's name resolves to for this session, as Django's own queries will.
_RESOLUTIONS = """
    SELECT t.name, c.oid, n.nspname AS schema
    FROM unnest(%s::text[]) AS t(name)
    LEFT JOIN pg_class c ON c.oid = to_regclass(quote_ident(t.name))
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
"""

# row_security_active() is true only where policies would filter what this role sees.
_RELATIONS = """
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
           c.relnamespace = {namespace} AS here,
           c.relpersistence <> 'u' AS logged, c.reltuples::bigint AS rows,
           pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner)::text AS owner,
           c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'REFERENCES') AS may_reference,
           c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT') AS may_select,
           c.relrowsecurity AND row_security_active(c.oid) AS rows_hidden,
           (SELECT array_agg(tgname::text ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal)
               AS triggers
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY (%s)
      AND (c.relnamespace = {namespace} OR n.nspname !~ '^pg_')
    ORDER BY c.relname, n.nspname
"""

# A default is volatile if any function of a name in it is: it is then worked out for every row, in a rewrite.
# A serial's sequence is what its default depends on; an identity's depends on the column ("internal").
_COLUMNS = """
    WITH wanted AS (SELECT unnest(%s::oid[]) AS oid),
    defaults AS (
        SELECT d.oid, d.adrelid, d.adnum, pg_get_expr(d.adbin, d.adrelid) AS expression
        FROM wanted w JOIN pg_attrdef d ON d.adrelid = w.oid
    ),
    feeds AS (
        SELECT dep.refobjid AS table_oid, dep.refobjsubid AS number, dep.objid AS sequence, NULL::oid AS default_oid
        FROM wanted w
        JOIN pg_depend dep ON dep.refclassid = 'pg_class'::regclass AND dep.refobjid = w.oid AND dep.refobjsubid > 0
        WHERE dep.classid = 'pg_class'::regclass AND dep.deptype = 'i'
        UNION ALL
        SELECT d.adrelid, d.adnum, dep.refobjid, d.oid
        FROM defaults d
        JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid
                          AND dep.refclassid = 'pg_class'::regclass
        JOIN pg_class q ON q.oid = dep.refobjid AND q.relkind = 'S'
        WHERE d.expression ~ '^nextval[(]'
    ),
    sequences AS (
        SELECT f.table_oid, f.number, format('%%I.%%I', n.nspname, q.relname) AS name,
               EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = q.oid
                       AND o.refclassid = 'pg_class'::regclass AND o.refobjid = f.table_oid
                       AND o.refobjsubid = f.number AND o.deptype IN ('a', 'i')) AS owned,
               EXISTS (SELECT FROM pg_depend u WHERE u.classid = 'pg_attrdef'::regclass AND u.objid <> f.default_oid
                       AND u.refclassid = 'pg_class'::regclass AND u.refobjid = q.oid) AS shared,
               s.seqincrement AS increment, has_sequence_privilege(q.oid, 'SELECT') AS readable
        FROM feeds f
        JOIN pg_class q ON q.oid = f.sequence
        JOIN pg_namespace n ON n.oid = q.relnamespace
        JOIN pg_sequence s ON s.seqrelid = q.oid
    )
    SELECT a.attrelid AS table_oid, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS not_null, nn.conname AS not_null_name, pg_get_constraintdef(nn.oid) AS not_null_definition,
           d.expression,
           EXISTS (SELECT FROM regexp_matches(d.expression, '([[:alnum:]_]+)"?[(]', 'g') AS f(name)
                   JOIN pg_proc p ON p.proname = f.name[1] AND p.provolatile = 'v') AS volatile,
           a.attidentity::text AS identity, a.attgenerated::text AS generated,
           CASE WHEN a.attcollation <> t.typcollation
                THEN (SELECT format('%%I.%%I', cn.nspname, co.collname) FROM pg_collation co
                      JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation,
           s.name AS sequence, s.owned AS sequence_owned, s.shared AS sequence_shared,
           s.increment, s.readable AS sequence_readable
    FROM wanted w
    JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN defaults d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN sequences s ON s.table_oid = a.attrelid AND s.number = a.attnum
    LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum]
    ORDER BY a.attrelid, a.attnum
"""

# A concurrent build that is running leaves its index as invalid as one that was interrupted; the progress view tells
# them apart, and hides the index (but not the pid) from roles that may not see the session, hence the lock.
_INDEXES = """
    SELECT x.indrelid AS table_oid, i.oid, i.relname AS name, x.indisunique AS is_unique,
           substr(pg_get_indexdef(i.oid), 1 + length(format('CREATE %%sINDEX %%I ON %%s%%I.%%I ',
               CASE WHEN x.indisunique THEN 'UNIQUE ' END, i.relname, CASE WHEN i.relkind = 'I' THEN 'ONLY ' END,
               CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, t.relname))) AS body,
           i.reloptions AS parameters,
           x.indisvalid AND x.indisready AND x.indislive AS valid,
           NOT x.indisvalid AND EXISTS (
               SELECT FROM pg_stat_progress_create_index p
               WHERE p.index_relid = i.oid
                  OR (coalesce(p.relid, 0) = 0 AND EXISTS (
                      SELECT FROM pg_locks l WHERE l.pid = p.pid AND l.relation = x.indrelid AND l.granted))) AS building,
           k.conname AS constraint_name, pg_get_expr(x.indpred, x.indrelid) AS predicate,
           CASE WHEN x.indisunique THEN (SELECT array_agg(pg_get_indexdef(i.oid, n, false) ORDER BY n)
                                         FROM generate_series(1, x.indnkeyatts) AS n) END AS keys
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE x.indrelid = ANY (%s)
    ORDER BY x.indrelid, i.relname
"""

# A foreign key's target is printed as this session sees it; it is rewritten as in the schema that counts.
_CONSTRAINTS = """
    SELECT k.conrelid AS table_oid, k.conname AS name, k.contype::text AS kind,
           CASE WHEN k.contype = 'f' THEN replace(pg_get_constraintdef(k.oid),
               format('REFERENCES %%s(', k.confrelid::regclass),
               format('REFERENCES %%I.%%I(', fn.name, f.relname))
           ELSE pg_get_constraintdef(k.oid) END AS definition,
           (SELECT array_agg(a.attname::text ORDER BY c.position) FROM unnest(k.conkey) WITH ORDINALITY c(number, position)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number) AS columns,
           k.convalidated AS validated, k.condeferrable AS deferrable, k.condeferred AS deferred,
           k.conindid AS index_oid,
           fn.name AS target_schema, f.relname AS target_table,
           (SELECT array_agg(a.attname::text ORDER BY c.position)
            FROM unnest(k.confkey) WITH ORDINALITY c(number, position)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number) AS target_columns,
           k.contype = 'f' AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled IN ('D', 'R'))
               AS triggers_disabled
    FROM pg_constraint k
    LEFT JOIN pg_class f ON f.oid = k.confrelid AND k.contype = 'f'
    LEFT JOIN LATERAL (
        SELECT CASE WHEN n.oid = pg_my_temp_schema() THEN {schema} ELSE n.nspname END AS name
        FROM pg_namespace n WHERE n.oid = f.relnamespace
    ) fn ON true
    WHERE k.conrelid = ANY (%s) AND k.contype IN ('p', 'u', 'f', 'c', 'x')
    ORDER BY k.conrelid, k.conname
"""

_HOLDERS = """
    SELECT name, kind, table_name FROM (
        SELECT c.relname AS name, c.relkind::text AS kind, t.relname AS table_name
        FROM pg_class c
        LEFT JOIN pg_index x ON x.indexrelid = c.oid
        LEFT JOIN pg_class t ON t.oid = x.indrelid
        WHERE c.relnamespace = {namespace}
        UNION ALL
        SELECT y.typname, 'type', NULL FROM pg_type y
        WHERE y.typnamespace = {namespace} AND y.typrelid = 0 AND y.typelem = 0
    ) AS held
    WHERE name = ANY (%s)
"""

# A query for each table, in one for the server: planning one over a thousand tables takes longer than all of them. What
# is asked and answered passes through a setting of the transaction, since a DO block takes and returns nothing.
_NEXT_KEYS = """
    SELECT set_config('reconciliation.keys', %s, true);
    DO $block$
    DECLARE
        asked json;
        answer text;
        answers text[] := '{}';
    BEGIN
        FOR asked IN SELECT json_array_elements(current_setting('reconciliation.keys')::json) LOOP
            EXECUTE format(
                'SELECT json_build_array((SELECT max(%%s)::numeric + 1 FROM %%s),'
                ' (SELECT last_value::numeric + CASE WHEN is_called THEN %%s ELSE 0 END FROM %%s))',
                asked ->> 0, asked ->> 1, asked ->> 3, asked ->> 2
            ) INTO answer;
            answers := answers || answer;
        END LOOP;
        PERFORM set_config('reconciliation.keys', '[' || array_to_string(answers, ',') || ']', true);
    END $block$;
    SELECT current_setting('reconciliation.keys');
"""
