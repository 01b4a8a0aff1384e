"""The contents of PostgreSQL's catalogs about some tables, read by the tests' own queries.

The queries share nothing with the code under test, so that a mistake in one shows in the other.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from .databases import Database


class Key(NamedTuple):
    """An object of a table: a column, an index, a constraint, …"""

    kind: str
    table: str
    name: str


Catalog = dict[Key, tuple[Any, ...]]

_RELATIONS = """
    SELECT relname, '', relkind, relpersistence, relrowsecurity, relforcerowsecurity
    FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND relname = ANY (%(tables)s)
"""
_COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
           pg_get_expr(adbin, adrelid), attcollation::regcollation::text,
           pg_get_serial_sequence(format('%%I.%%I', nspname, relname), attname)
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE nspname = %(schema)s AND relname = ANY (%(tables)s) AND relkind IN ('r', 'p')
      AND attnum > 0 AND NOT attisdropped
"""
_INDEXES = """
    SELECT pg_class.relname, index.relname, pg_get_indexdef(indexrelid), indisvalid, indisready, indislive,
           indisprimary, indisunique, indimmediate
    FROM pg_index
    JOIN pg_class ON pg_class.oid = indrelid
    JOIN pg_class AS index ON index.oid = indexrelid
    WHERE pg_class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND pg_class.relname = ANY (%(tables)s)
"""
# A NOT NULL constraint of PostgreSQL 18 is known by its column: no model declares its name. `conenforced` is of 18, too.
_CONSTRAINTS = """
    SELECT relname, CASE contype WHEN 'n' THEN 'NOT NULL ' || conkey::text ELSE conname END,
           contype, pg_get_constraintdef(constraints.oid), convalidated, condeferrable, condeferred,
           to_jsonb(constraints) ->> 'conenforced'
    FROM pg_constraint AS constraints
    JOIN pg_class ON pg_class.oid = conrelid
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND relname = ANY (%(tables)s) AND contype <> 't'
"""
_NOT_NULL_COLUMN = re.compile(r"^NOT NULL (?P<column>\S+)")
_DISABLED_TRIGGERS = """
    SELECT relname, COALESCE(conname, tgname) || ' on ' || proname, tgenabled
    FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_proc ON pg_proc.oid = tgfoid
    LEFT JOIN pg_constraint ON pg_constraint.oid = tgconstraint
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND relname = ANY (%(tables)s) AND tgenabled <> 'O'
"""
_TRIGGERS = """
    SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND relname = ANY (%(tables)s) AND NOT tgisinternal
"""
_QUERIES = {
    "table": _RELATIONS,
    "column": _COLUMNS,
    "index": _INDEXES,
    "constraint": _CONSTRAINTS,
    "disabled trigger": _DISABLED_TRIGGERS,
    "trigger": _TRIGGERS,
}


def read_catalog(database: Database, tables: Collection[str], schema: str = "public") -> Catalog:
    """Return everything, declared or not, that is attached to `tables` in `schema`."""
    catalog: Catalog = {}
    with database.cursor() as cursor:
        # With nothing on the search path, every name is printed with its schema's.
        cursor.execute("SET search_path = ''; SET quote_all_identifiers = off")
        for kind, query in _QUERIES.items():
            cursor.execute(query, {"schema": schema, "tables": list(tables)})
            for table, name, *facts in cursor.fetchall():
                key, value = _canonical(kind, table, name, tuple(facts))
                catalog[key] = value
        _add_sequences(cursor, catalog, schema)
    return {key: _without_schema(value, schema) for key, value in catalog.items()}


def differences(declared: Catalog, actual: Catalog, is_allowed: Callable[[Key], bool]) -> list[str]:
    """Return a sentence for each object that isn't as in `declared`, apart from undeclared ones that are allowed."""
    sentences = []
    for key in sorted(declared.keys() | actual.keys()):
        found, expected = actual.get(key), declared.get(key)
        if found == expected or (expected is None and is_allowed(key)):
            continue
        sentences.append(f"{key.kind} {key.table}.{key.name}: expected {expected}, found {found}")
    return sentences


def named(*names: str) -> Callable[[Key], bool]:
    """Return a function that says whether an object, or its table, is one of `names`."""
    return lambda key: key.name in names or key.table in names


def nothing(key: Key) -> bool:
    return False


def _canonical(kind: str, table: str, name: str, facts: tuple[Any, ...]) -> tuple[Key, tuple[Any, ...]]:
    if kind == "column":
        facts = _column_facts(facts)
    if kind == "constraint" and facts[0] == "n":
        column = _NOT_NULL_COLUMN.match(str(facts[1]))
        name = f"NOT NULL {column['column'] if column else name}"
    return Key(kind, table, name), facts


def _column_facts(facts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the facts with `serial` described as an identity, to which it is equivalent."""
    type_, not_null, identity, generated, default, collation, sequence = facts
    if sequence and default and default.startswith("nextval("):
        identity, default = "d", None
    return type_, not_null, identity, generated, default, collation, sequence is not None


def _add_sequences(cursor: Any, catalog: Catalog, schema: str) -> None:
    """Add, for each key with a sequence, whether the sequence's next value is free."""
    owned = [key for key, facts in catalog.items() if key.kind == "column" and facts[-1]]
    for _kind, table, column in owned:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", (f'"{schema}"."{table}"', column))
        sequence = cursor.fetchone()[0]
        cursor.execute(
            f"""SELECT last_value + is_called::int > COALESCE((SELECT max("{column}") FROM "{schema}"."{table}"), 0)
                FROM {sequence}"""
        )
        catalog[Key("next key", table, column)] = ("free" if cursor.fetchone()[0] else "taken",)


def _without_schema(facts: tuple[Any, ...], schema: str) -> tuple[Any, ...]:
    prefix = re.compile(rf'(?<![\w"])("{re.escape(schema)}"|{re.escape(schema)})\.')
    return tuple(prefix.sub("", fact) if isinstance(fact, str) else fact for fact in facts)


def object_ids(database: Database, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return each relation's OID and file, which stay the same unless it is rebuilt or rewritten."""
    return {
        name: (oid, file)
        for name, oid, file in database.rows(
            "SELECT relname, oid::bigint, relfilenode::bigint FROM pg_class WHERE relname = ANY (%s)", [list(names)]
        )
    }


def foreign_key(database: Database, table: str, column: str) -> str:
    """Return the name of the foreign key on `column`. Raises IndexError where there is none."""
    name: str = database.value(
        """SELECT conname FROM pg_constraint
           JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
           WHERE contype = 'f' AND conrelid = %s::regclass AND attname = %s""",
        [table, column],
    )
    return name


def dropping_constraints(database: Database, tables: Collection[str], kinds: str = "fpu") -> list[str]:
    """Return the statements that drop the constraints of `kinds` (`pg_constraint.contype`), foreign keys first."""
    found = database.rows(
        """SELECT conrelid::regclass::text, conname FROM pg_constraint
           WHERE conrelid::regclass::text = ANY (%s) AND contype::text = ANY (%s)
           ORDER BY contype = 'f' DESC, conname""",
        [list(tables), list(kinds)],
    )
    return [f'ALTER TABLE {table} DROP CONSTRAINT "{name}"' for table, name in found]


def row_versions(database: Database) -> set[tuple[Any, ...]]:
    """Return the identity of every version of every catalog row about the database's own objects."""
    return set(database.rows(_VERSIONS))


_VERSIONS = """
    WITH own AS (
        SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    )
    SELECT 'pg_class', oid::text, xmin::text FROM pg_class WHERE oid IN (TABLE own)
    UNION ALL SELECT 'pg_attribute', attrelid || '.' || attnum, xmin::text FROM pg_attribute
              WHERE attrelid IN (TABLE own)
    UNION ALL SELECT 'pg_attrdef', oid::text, xmin::text FROM pg_attrdef WHERE adrelid IN (TABLE own)
    UNION ALL SELECT 'pg_constraint', oid::text, xmin::text FROM pg_constraint WHERE conrelid IN (TABLE own)
    UNION ALL SELECT 'pg_index', indexrelid::text, xmin::text FROM pg_index WHERE indexrelid IN (TABLE own)
    UNION ALL SELECT 'pg_trigger', oid::text, xmin::text FROM pg_trigger WHERE tgrelid IN (TABLE own)
    UNION ALL SELECT 'pg_sequence', seqrelid::text, xmin::text FROM pg_sequence
"""
