"""Damage of every kind to the nine tables, as a list to choose mixes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from django.apps import apps
from django.db import models

from clinic_project.reconciliation.tests.support.databases import Database

from .tables import MEDICAL_TABLES, RECORDED_TABLES, TABLES

#: What a NULL is backfilled with, by the column's name; None for any instant.
BACKFILLED_WITH: Mapping[str, str | None] = {
    "is_deleted": "false",
    "is_pending": "true",
    "is_active": "true",
    "is_staff": "false",
    "is_superuser": "false",
    "version": "1",
    "password": "",
    "title": "",
    "roles": "[]",
    "status": "confirmed",
    "created_at": None,
    "updated_at": None,
}


@dataclass(frozen=True, repr=False)
class Damage:
    """A damage by its statements, in which `{fk}` is the present name of the foreign key on `column`."""

    name: str
    statements: tuple[str, ...]
    table: str
    column: str = ""
    backfilled: Mapping[str, str | None] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        return self.name

    def apply(self, database: Database) -> bool:
        """Do it in a transaction, and return whether it could be done after the others."""
        with database.cursor() as cursor:
            try:
                cursor.execute("BEGIN")
                for statement in self.statements:
                    cursor.execute(self._named(cursor, statement))
                cursor.execute("COMMIT")
            except psycopg2.Error:
                return False
        return True

    def _named(self, cursor: Any, statement: str) -> str:
        if "{fk}" not in statement:
            return statement
        cursor.execute(_FOREIGN_KEY, [self.table, self.column])
        found = cursor.fetchone()
        if found is None:
            raise psycopg2.ProgrammingError("no such foreign key")
        return statement.replace("{fk}", f'"{found[0]}"')


_FOREIGN_KEY = """
    SELECT conname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
    WHERE contype = 'f' AND conrelid = %s::regclass AND attname = %s
"""


def all_damages() -> list[Damage]:
    """Return every damage, in an order that doesn't change from run to run."""
    makers = (_indexes, _columns, _foreign_keys, _tables, _triggers, _undeclared_objects)
    found = [damage for make in makers for damage in make()]
    return sorted(found, key=lambda damage: damage.name)


def _models() -> Iterator[type[models.Model]]:
    for app in ("clinics", "medical_records"):
        yield from apps.get_app_config(app).get_models()


def _indexes() -> Iterator[Damage]:
    for model in _models():
        table = model._meta.db_table
        for number, index in enumerate(model._meta.indexes):
            name = index.name
            yield Damage(f"drop {name}", (f"DROP INDEX {name}",), table)
            yield Damage(f"rename {name}", (f"ALTER INDEX {name} RENAME TO ix_{table}_{number}",), table)
            yield Damage(f"invalidate {name}", (_INVALIDATE.format(name),), table)
            yield Damage(f"repeat {name}", (_REPEAT.format(name, f"twin_of_{name}"),), table)
            for other in ("(notes)", "(created_at DESC)", "(clinic_id) WHERE clinic_id > 3", "(patient_id, clinic_id)"):
                build = f"CREATE INDEX {name} ON {table} {other}"
                yield Damage(f"{name} becomes {other}", (f"DROP INDEX {name}", build), table)
        if model._meta.indexes:
            first, last = model._meta.indexes[0].name, model._meta.indexes[-1].name
            yield Damage(
                f"{first} takes {last}", (f"DROP INDEX {last}", f"ALTER INDEX {first} RENAME TO {last}"), table
            )


_INVALIDATE = "UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = '{0}'::regclass"
_REPEAT = "DO $$ BEGIN EXECUTE replace(pg_get_indexdef('{0}'::regclass), 'INDEX {0} ', 'INDEX {1} '); END $$"


def _columns() -> Iterator[Damage]:
    for model in _models():
        for column in model._meta.local_concrete_fields:
            yield from _column(model._meta.db_table, column)


def _column(table: str, column: Any) -> Iterator[Damage]:
    name, place = column.column, f"{table}.{column.column}"
    alter = f"ALTER TABLE {table} ALTER {name}"
    yield Damage(f"drop {place}", (f"ALTER TABLE {table} DROP {name} CASCADE",), table)
    if column.primary_key:
        yield from _key(table, name)
        return
    if column.null:
        yield Damage(f"{place} not null", (f"{alter} SET NOT NULL",), table)
    else:
        yield Damage(f"{place} nullable", (f"{alter} DROP NOT NULL",), table)
        nulls = (f"{alter} DROP NOT NULL", f"UPDATE {table} SET {name} = NULL WHERE ctid::text ~ '[37]'")
        yield Damage(f"{place} with nulls", nulls, table, backfilled={place: BACKFILLED_WITH.get(name)})
    yield Damage(f"{place} without default", (f"{alter} DROP DEFAULT",), table)
    if name.endswith("_at"):
        yield Damage(f"{place} frozen", (f"{alter} SET DEFAULT 'now()'",), table)
        yield Damage(f"{place} without zone", (f"{alter} DROP DEFAULT", f"{alter} TYPE timestamp"), table)
    if isinstance(column, models.CharField) and column.max_length is not None:
        yield Damage(f"{place} shorter", (f"{alter} TYPE varchar({column.max_length - 3})",), table)
        yield Damage(f"{place} longer", (f"{alter} TYPE varchar({column.max_length + 3})",), table)
    if isinstance(column, models.IntegerField | models.ForeignKey):
        numbers = (
            "CREATE SEQUENCE IF NOT EXISTS undeclared_numbers",
            f"{alter} SET DEFAULT nextval('undeclared_numbers')",
        )
        yield Damage(f"{place} numbered", numbers, table)
        identity = (f"{alter} DROP DEFAULT", f"{alter} ADD GENERATED ALWAYS AS IDENTITY")
        yield Damage(f"{place} an identity", identity, table)
    if not column.null:
        yield from _not_null_of_18(table, name, alter)
    if isinstance(column, models.JSONField):
        yield Damage(f"{place} as text", (f"{alter} DROP DEFAULT", f"{alter} TYPE text"), table)


def _not_null_of_18(table: str, name: str, alter: str) -> Iterator[Damage]:
    """Yield damage to NOT NULL constraints, which PostgreSQL has had since 18; older servers reject it."""
    place, constraint = f"{table}.{name}", f"{table}_{name}_not_null"
    nulls = (
        f"{alter} DROP NOT NULL",
        f"UPDATE {table} SET {name} = NULL WHERE ctid::text ~ '[37]'",
        f"ALTER TABLE {table} ADD CONSTRAINT known_{name} NOT NULL {name} NOT VALID",
    )
    yield Damage(f"{place} not null but not valid", nulls, table, backfilled={place: BACKFILLED_WITH.get(name)})
    yield Damage(
        f"{place} not null without inheritance",
        (f"ALTER TABLE {table} ALTER CONSTRAINT {constraint} NO INHERIT",),
        table,
    )
    taken = (
        f"ALTER TABLE {table} RENAME CONSTRAINT {constraint} TO aside_{name}",
        f"ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK (true)",
    )
    yield Damage(f"{place} not null by a name that is taken", taken, table)


def _key(table: str, name: str) -> Iterator[Damage]:
    alter = f"ALTER TABLE {table}"
    yield Damage(f"drop the key of {table}", (f"{alter} DROP CONSTRAINT {table}_pkey CASCADE",), table)
    yield Damage(f"rename the key of {table}", (f"{alter} RENAME CONSTRAINT {table}_pkey TO pk_{table}",), table)
    check = (f"{alter} DROP CONSTRAINT {table}_pkey CASCADE", f"{alter} ADD CONSTRAINT {table}_pkey CHECK (true)")
    yield Damage(f"the key of {table} becomes a check", check, table)
    if name != "id":
        return
    yield Damage(f"{table} sequence too short", (f"{alter} ALTER id SET MAXVALUE 900",), table)
    yield Damage(f"{table} without generator", (f"{alter} ALTER id DROP IDENTITY",), table)
    yield Damage(f"{table} generates always", (f"{alter} ALTER id SET GENERATED ALWAYS",), table)
    yield Damage(f"{table} sequence behind", (f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 5)",), table)
    serial = (
        f"{alter} ALTER id DROP IDENTITY",
        f"CREATE SEQUENCE {table}_id_seq OWNED BY {table}.id",
        f"SELECT setval('{table}_id_seq', 900)",
        f"{alter} ALTER id SET DEFAULT nextval('{table}_id_seq')",
    )
    yield Damage(f"{table} serial", serial, table)


def _foreign_keys() -> Iterator[Damage]:
    for model in _models():
        for column in model._meta.local_concrete_fields:
            if isinstance(column, models.ForeignKey):
                parent = column.remote_field.model._meta
                yield from _foreign_key(model._meta.db_table, column.column, f"{parent.db_table} ({parent.pk.column})")


def _foreign_key(table: str, column: str, parent: str) -> Iterator[Damage]:
    place, alter = f"{table}.{column}", f"ALTER TABLE {table}"
    drop, add = f"{alter} DROP CONSTRAINT {{fk}}", f"{alter} ADD CONSTRAINT fk_{table}_{column}"
    reference = f"FOREIGN KEY ({column}) REFERENCES {parent}"
    orphan = f"UPDATE {table} SET {column} = 900000 + {column} WHERE {column} IN (11, 12)"

    def damage(what: str, *statements: str) -> Damage:
        return Damage(f"{place} key {what}", statements, table, column)

    yield damage("gone", drop)
    yield damage("renamed", f"{alter} RENAME CONSTRAINT {{fk}} TO fk_{table}_{column}")
    yield damage("not deferrable", f"{alter} ALTER CONSTRAINT {{fk}} NOT DEFERRABLE")
    yield damage("not valid", drop, f"{add} {reference} NOT VALID")
    yield damage("cascading", drop, f"{add} {reference} ON DELETE CASCADE")
    yield damage("orphaned", drop, orphan)
    yield damage("orphaned and not valid", drop, orphan, f"{add} {reference} NOT VALID")
    yield damage("switched off", f"{alter} DISABLE TRIGGER ALL")


def _tables() -> Iterator[Damage]:
    for table in TABLES:
        yield Damage(f"drop {table}", (f"DROP TABLE {table} CASCADE",), table)
        moved = ("CREATE SCHEMA IF NOT EXISTS backup", f"ALTER TABLE {table} SET SCHEMA backup")
        yield Damage(f"move {table}", moved, table)
    for table in MEDICAL_TABLES:
        view = (f"ALTER TABLE {table} RENAME TO aside", f"CREATE VIEW {table} AS SELECT * FROM aside")
        yield Damage(f"{table} becomes a view", view, table)
    for app in ("clinics", "medical_records"):
        yield Damage(f"forget {app}", (f"DELETE FROM django_migrations WHERE app = '{app}'",), "django_migrations")
    uniques = {"users": "users_email_key", "user_clinic_associations": "uq_user_clinic"}
    for table, unique in uniques.items():
        alter = f"ALTER TABLE {table}"
        yield Damage(f"drop {unique}", (f"{alter} DROP CONSTRAINT {unique}",), table)
        yield Damage(f"rename {unique}", (f"{alter} RENAME CONSTRAINT {unique} TO theirs",), table)


def _triggers() -> Iterator[Damage]:
    for table in RECORDED_TABLES:
        for trigger in (f"00_{table}_history", f"00_{table}_history_update", f"00_{table}_no_truncate"):
            alter = f"ALTER TABLE {table}"
            yield Damage(f"drop {trigger}", (f'DROP TRIGGER "{trigger}" ON {table}',), table)
            yield Damage(f"disable {trigger}", (f'{alter} DISABLE TRIGGER "{trigger}"',), table)
            yield Damage(f"rename {trigger}", (f'ALTER TRIGGER "{trigger}" ON {table} RENAME TO theirs',), table)
    for function in ("audit_record_change", "audit_refuse_change", "audit_refuse_removal", "audit_destroy"):
        body = "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        yield Damage(f"replace {function}", (body.format(function),), "")
        yield Damage(f"drop {function}", (f"DROP FUNCTION {function}() CASCADE",), "")
    yield Damage("drop plpgsql", ("DROP EXTENSION plpgsql CASCADE",), "")


def _undeclared_objects() -> Iterator[Damage]:
    for table in TABLES:
        alter = f"ALTER TABLE {table}"
        yield Damage(f"undeclared column in {table}", (f"{alter} ADD undeclared_column text DEFAULT 'x'",), table)
        index = f"CREATE INDEX undeclared_index_{table} ON {table} ((1))"
        yield Damage(f"undeclared index on {table}", (index,), table)
        yield Damage(f"undeclared check on {table}", (f"{alter} ADD CONSTRAINT undeclared_check CHECK (true)",), table)
