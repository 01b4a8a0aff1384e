"""Random damage to any database: one statement each, of a kind that occurs in it."""

import random

from ..support.databases import Database

#: Each kind yields statements, for all objects of the schema public that it can damage. The tables are empty.
KINDS = {
    "an index is gone": """
        SELECT format('DROP INDEX %s', i.indexrelid::regclass)
        FROM own_indexes i WHERE i.constraint_name IS NULL
    """,
    "an index has another name": """
        SELECT format('ALTER INDEX %s RENAME TO renamed_%s', i.indexrelid::regclass, i.indexrelid)
        FROM own_indexes i
    """,
    "an index is another one": """
        SELECT format('DROP INDEX %s; CREATE INDEX %I ON %s (%I DESC)', i.indexrelid::regclass, i.name,
                      i.indrelid::regclass,
                      (SELECT attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND attnum = 1))
        FROM own_indexes i WHERE i.constraint_name IS NULL
    """,
    "a constraint is gone": """
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', k.conrelid::regclass, k.conname)
        FROM own_constraints k
    """,
    "a constraint has another name": """
        SELECT format('ALTER TABLE %s RENAME CONSTRAINT %I TO renamed_%s', k.conrelid::regclass, k.conname, k.oid)
        FROM own_constraints k
    """,
    "a foreign key isn't deferrable": """
        SELECT format('ALTER TABLE %s ALTER CONSTRAINT %I NOT DEFERRABLE', k.conrelid::regclass, k.conname)
        FROM own_constraints k WHERE k.contype = 'f'
    """,
    "a table is gone": """
        SELECT format('DROP TABLE %s CASCADE', t.oid::regclass) FROM own_tables t
    """,
    "a column is gone": """
        SELECT format('ALTER TABLE %s DROP COLUMN %I CASCADE', c.attrelid::regclass, c.attname) FROM own_columns c
    """,
    "a column is nullable": """
        SELECT format('ALTER TABLE %s ALTER %I DROP NOT NULL', c.attrelid::regclass, c.attname)
        FROM own_columns c WHERE c.attnotnull AND c.attidentity = '' AND NOT EXISTS (
            SELECT FROM pg_index x WHERE x.indrelid = c.attrelid AND x.indisprimary AND c.attnum = ANY (x.indkey::int2[]))
    """,
    "a column isn't nullable": """
        SELECT format('ALTER TABLE %s ALTER %I SET NOT NULL', c.attrelid::regclass, c.attname)
        FROM own_columns c WHERE NOT c.attnotnull
    """,
    "a column has another default": """
        SELECT format('ALTER TABLE %s ALTER %I SET DEFAULT NULL', c.attrelid::regclass, c.attname)
        FROM own_columns c WHERE c.attidentity = '' AND c.attgenerated = '' AND c.atthasdef
    """,
    "a column is shorter": """
        SELECT format('ALTER TABLE %s ALTER %I TYPE varchar(1)', c.attrelid::regclass, c.attname)
        FROM own_columns c WHERE c.atttypid = 'varchar'::regtype AND c.atttypmod > 5 AND NOT EXISTS (
            SELECT FROM pg_constraint k WHERE c.attnum = ANY (k.conkey) AND k.conrelid = c.attrelid AND k.contype = 'f')
    """,
    "a key isn't generated": """
        SELECT format('ALTER TABLE %s ALTER %I DROP IDENTITY', c.attrelid::regclass, c.attname)
        FROM own_columns c WHERE c.attidentity <> ''
    """,
}

_OWN = """
    WITH own_tables AS (
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    ),
    own_columns AS (
        SELECT a.* FROM pg_attribute a JOIN own_tables t ON t.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped
    ),
    own_constraints AS (
        SELECT k.* FROM pg_constraint k JOIN own_tables t ON t.oid = k.conrelid WHERE k.contype IN ('p', 'u', 'f', 'c', 'x')
    ),
    own_indexes AS (
        SELECT x.indexrelid, x.indrelid, c.relname AS name, k.conname AS constraint_name
        FROM pg_index x
        JOIN own_tables t ON t.oid = x.indrelid
        JOIN pg_class c ON c.oid = x.indexrelid
        LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid
    )
"""


def damage(database: Database, chosen: random.Random) -> str:
    """Return a statement that damages a random object of a random kind."""
    while True:
        kind = chosen.choice(list(KINDS))
        statements = [sql for (sql,) in database.rows(f"{_OWN} {KINDS[kind]} ORDER BY 1")]
        if statements:
            return str(chosen.choice(statements))
