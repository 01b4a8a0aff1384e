"""The contents of a PostgreSQL schema as frozen values, of the same form for the declared schema and the actual one.

Types, expressions and definitions are as PostgreSQL prints them with an empty search path, so that every name outside
pg_catalog is qualified, on both sides.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from django.db.backends.utils import split_identifier

HELPER_PREFIX = "reconcile_"

#: NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
MAX_NAME_LENGTH = 63

#: The highest value of each type that a sequence can generate.
MAX_INTEGERS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
MIN_INTEGERS = {type_: -highest - 1 for type_, highest in MAX_INTEGERS.items()}

#: On Citus, each worker has sequences of the same names, whose values begin here or at a multiple of it.
#: https://github.com/citusdata/citus/blob/main/src/backend/distributed/worker/worker_data_fetch_protocol.c
CITUS_WORKER_VALUES = 2**48


def identifier(*names: str) -> str:
    """Return `names` quoted and joined by dots: ``"public"."patients"``."""
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


def unquoted(name: str) -> str:
    """Return the name that `name` stands for in SQL, quoted or not."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def literal(text: str) -> str:
    """Return `text` as a string constant of SQL, whatever standard_conforming_strings is."""
    quoted = "'{}'".format(text.replace("'", "''"))
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def sequence_name(table: str, column: str) -> str:
    """Return the name that PostgreSQL gives the sequence of a serial or an identity: it shortens the longer part first."""
    table_bytes, column_bytes = table.encode(), column.encode()
    while len(table_bytes) + len(column_bytes) > MAX_NAME_LENGTH - len("__seq"):
        if len(table_bytes) > len(column_bytes):
            table_bytes = table_bytes[:-1]
        else:
            column_bytes = column_bytes[:-1]
    return f"{table_bytes.decode(errors='ignore')}_{column_bytes.decode(errors='ignore')}_seq"


def truncated(name: str) -> str:
    """Return `name` as PostgreSQL truncates it."""
    return name.encode()[:MAX_NAME_LENGTH].decode(errors="ignore")


def with_suffix(name: str, suffix: str) -> str:
    """Return `name`, shortened where that is necessary, and the suffix."""
    return name.encode()[: MAX_NAME_LENGTH - len(suffix.encode())].decode(errors="ignore") + suffix


#: Between a schema and a table in the name of a table, as Django quotes it in db_table = 'other"."table'.
_SEPARATOR = '"."'


class TablePlace(NamedTuple):
    """Where the table of a model is. `schema` is empty where it is the project's."""

    schema: str
    name: str

    @classmethod
    def of(cls, db_table: str, project_schema: str = "") -> "TablePlace":
        """Return what Django's SQL means by `db_table`: it may name a schema as well, and be quoted."""
        schema, name = (truncated(part) for part in split_identifier(db_table))
        return cls("" if schema == project_schema else schema, name)

    @classmethod
    def of_key(cls, key: str) -> "TablePlace":
        """Return the place that has this `key`."""
        schema, _, name = key.rpartition(_SEPARATOR)
        return cls(schema, name)

    @property
    def key(self) -> str:
        """The name of the table in a Schema."""
        return f"{self.schema}{_SEPARATOR}{self.name}" if self.schema else self.name


def relation_name(table: str) -> str:
    """Return the name that PostgreSQL has for the table of this name in a Schema."""
    return TablePlace.of_key(table).name


def relation_key(table: str, name: str) -> str:
    """Return the name, as of a table in a Schema, of the relation `name` that is in the schema of `table`."""
    return TablePlace.of_key(table)._replace(name=name).key


def table_sql_name(schema: str, table: str) -> str:
    """Return the quoted name of the table that has the name `table` in a Schema, and is in `schema`."""
    return identifier(schema, relation_name(table))


class ObjectReference(NamedTuple):
    """An object by its table and its name. A table itself has its own name as both."""

    table: str
    name: str

    @property
    def label(self) -> str:
        text = self.table if self.name == self.table else f"{self.table}.{self.name}"
        return text.replace(_SEPARATOR, ".")


class HelperRole(StrEnum):
    """What an object of a helper name is.

    NEW gets a declared name later, OLD had a declared name and is dropped later, CHECK is the CHECK that lets SET NOT NULL
    read no rows. WIDE is a column that becomes bigint, or what belongs to it: widen_keys alone goes on with these.
    """

    NEW = "new"
    OLD = "old"
    CHECK = "check"
    WIDE = "wide"


def helper_name(role: HelperRole, table: str, name: str) -> str:
    """Return the temporary name of an object of `table` during a repair. `name` is its declared name, or its column's.

    It depends on nothing else, so that a run recognises what a killed one left.
    """
    digest = hashlib.sha256(f"{table}\0{name}".encode()).hexdigest()[:16]
    return f"{HELPER_PREFIX}{role}_{digest}"


#: The names that `helper_name` makes, for PostgreSQL and for Python.
HELPER_NAME = rf"^{HELPER_PREFIX}({'|'.join(HelperRole)})_[0-9a-f]{{16}}$"


def is_helper_name(name: str) -> bool:
    """Whether it is of an object that `migrate` created for a repair, and may go on with or drop."""
    return re.fullmatch(HELPER_NAME, name) is not None and not is_wide_name(name)


#: Of the triggers of a table that are fired at the same time, the one whose name sorts last is fired last, and this sorts
#: after all letters of ASCII: it copies what the others made of a key.
LAST = "~"

#: The names of all that widen_keys creates, for PostgreSQL and for Python.
WIDE_NAME = rf"^{LAST}?{HELPER_PREFIX}{HelperRole.WIDE}_[0-9a-f]{{16}}$"


def is_wide_name(name: str) -> bool:
    return re.match(WIDE_NAME, name) is not None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence that generates the values of a column. `next_value` is None where it wasn't read.

    `cycles` is whether it starts again at its end.

    `ownable` is whether the column can own it: no other column uses it, and it has the table's schema and owner. What this
    role may do: `readable` is SELECT, `usable` nextval(), `settable` setval(), `alterable` ALTER SEQUENCE, `schema_usable`
    USAGE on the schema `schema`, without which it may do nothing. `of_citus` is whether its database is one of Citus. If it
    isn't `logged`, it begins anew when the server crashes.
    """

    name: str
    owned: bool
    ownable: bool
    increment: int
    max_value: int
    readable: bool
    next_value: int | None = None
    usable: bool = True
    settable: bool = True
    alterable: bool = True
    schema: str = ""
    schema_usable: bool = True
    cycles: bool = False
    min_value: int = 1
    of_citus: bool = False
    logged: bool = True

    @property
    def is_at_end(self) -> bool:
        """Whether it has no next value, as far as that was read."""
        return not self.cycles and self.next_value is not None and self.next_value > self.max_value

    def end(self, type_: str) -> int:
        """Return where its own values end in a column of this type."""
        highest = MAX_INTEGERS[type_]
        return min(highest, CITUS_WORKER_VALUES) if self.of_citus else highest


class Identity(StrEnum):
    """pg_attribute.attidentity. NONE is falsy."""

    NONE = ""
    ALWAYS = "a"
    BY_DEFAULT = "d"

    @property
    def generated(self) -> str:
        return f"GENERATED {'ALWAYS' if self is Identity.ALWAYS else 'BY DEFAULT'}"

    @property
    def sql(self) -> str:
        return f"{self.generated} AS IDENTITY"


@dataclass(frozen=True, slots=True)
class GeneratedAs:
    """The SQL expression of a generated column. If it isn't stored, it is VIRTUAL, since PostgreSQL 18."""

    expression: str
    stored: bool

    @property
    def sql(self) -> str:
        return f"GENERATED ALWAYS AS ({self.expression}) {'STORED' if self.stored else 'VIRTUAL'}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `python_default` is the SQL value that Django's AddField writes into existing rows without a `default`.

    It is None where it isn't known: only of what has to be added or filled is it asked (see python_defaults.py), and
    `python_default_error` says what it raised.

    A declared column `may_be_stricter` where a migration's own SQL may have given it a default, or made it NOT NULL.
    `former_sequences` are those that generated its values, as far as that can be known, where nothing generates them now.
    `inherited` is whether the table inherits it from its parent, and `not_null_inherited` whether it does its NOT NULL.
    That is a constraint since PostgreSQL 18; `not_null_inherits` is whether the table's children inherit it.
    """

    name: str
    type: str
    not_null: bool
    not_null_name: str | None = None
    not_null_validated: bool = True
    not_null_inherits: bool = True
    not_null_inherited: bool = False
    default: str | None = None
    default_volatile: bool = False
    identity: Identity = Identity.NONE
    generated: GeneratedAs | None = None
    collation: str | None = None
    sequence: Sequence | None = None
    python_default: str | None = None
    python_default_error: str = ""
    comment: str = ""
    may_be_stricter: bool = False
    inherited: bool = False
    former_sequences: tuple[Sequence, ...] = ()

    @property
    def generates_keys(self) -> bool:
        """Whether it is an identity or a serial, whose default is the next value of a sequence."""
        return bool(self.identity) or self.sequence is not None

    @property
    def next_value_is_too_low(self) -> bool:
        """Whether its sequence is below what its type holds."""
        at = None if self.sequence is None else self.sequence.next_value
        return at is not None and at < MIN_INTEGERS[self.type]

    @property
    def rejects_rows(self) -> bool:
        """Whether every INSERT that doesn't name the column fails."""
        return self.not_null and self.default is None and not self.generates_keys and not self.generated

    @property
    def generated_stored(self) -> bool:
        return self.generated is not None and self.generated.stored

    @property
    def backfill_value(self) -> str | None:
        """The SQL value for rows in which the column is NULL, if there is one."""
        return self.default or self.python_default

    @property
    def storage_definition(self) -> str:
        """The type, collation and generation expression: what can't be altered without rewriting the table."""
        parts = [self.type]
        if self.collation:
            parts.append(f"COLLATE {self.collation}")
        if self.generated:
            parts.append(self.generated.sql)
        return " ".join(parts)

    def is_wider_integer_than(self, declared: "Column") -> bool:
        """Whether it differs from the declared column in nothing but that its integers may be larger: it is as good."""
        if self.generated or declared.generated or not {self.type, declared.type} <= MAX_INTEGERS.keys():
            return False
        return MAX_INTEGERS[self.type] > MAX_INTEGERS[declared.type]

    @property
    def definition(self) -> str:
        """The column's definition in CREATE TABLE and ADD COLUMN, after its name."""
        parts = [self.storage_definition]
        if self.identity:
            parts.append(self.identity.sql)
        if self.default is not None:
            parts.append(f"DEFAULT {self.default}")
        if self.not_null:
            parts.append("NOT NULL")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Index:
    """An index.

    `definition` is its whole definition, from USING on; `body` is that without storage parameters, which may be tuned.
    `keys` (of unique indexes) and `predicate` are parts of it, as SQL. `columns` are the names of all columns in it.
    `clustered` is whether CLUSTER orders the table by it. `needed_by` describes what depends on it, in PostgreSQL's words,
    unless it is the index of a constraint.
    """

    name: str
    unique: bool
    body: str
    definition: str
    valid: bool = True
    building: bool = False
    constraint: str | None = None
    keys: tuple[str, ...] = ()
    predicate: str | None = None
    parameters: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    replica_identity: bool = False
    clustered: bool = False
    comment: str | None = None
    needed_by: str = ""
    tablespace: str = ""

    @property
    def signature(self) -> tuple[bool, str]:
        """What two indexes have in common that differ in no more than their names and storage parameters."""
        return self.unique, self.body

    @property
    def access_method(self) -> str:
        """Its access method: btree, gist, …"""
        return self.body.split(maxsplit=2)[1]

    @property
    def sql(self) -> str:
        return f"{'UNIQUE ' if self.unique else ''}{self.body}"


class ConstraintKind(StrEnum):
    """pg_constraint.contype. NOT NULL, "n" since PostgreSQL 18, is an attribute of Column here."""

    PRIMARY_KEY = "p"
    UNIQUE = "u"
    EXCLUSION = "x"
    FOREIGN_KEY = "f"
    CHECK = "c"

    @property
    def is_key(self) -> bool:
        """Whether it has an index."""
        return self in (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.EXCLUSION)

    @property
    def can_be_referenced(self) -> bool:
        """Whether foreign keys can point to its columns."""
        return self in (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE)

    @property
    def can_be_not_valid(self) -> bool:
        """Whether it can be added NOT VALID, and be validated while other sessions write."""
        return not self.is_key


@dataclass(frozen=True, slots=True)
class Constraint:
    """A primary key, unique, foreign-key, check or exclusion constraint.

    `definition` is as pg_get_constraintdef prints it, without the attributes that are fields here. `enforced` is false
    where it is NOT ENFORCED, and for foreign keys whose triggers are disabled. `target` is the schema and name of the table
    that a foreign key points to. `inherited` is whether the table inherits it from its parent.
    """

    name: str
    kind: ConstraintKind
    definition: str
    columns: tuple[str, ...]
    validated: bool = True
    enforced: bool = True
    deferrable: bool = False
    deferred: bool = False
    index: Index | None = None
    target: tuple[str, str] | None = None
    target_columns: tuple[str, ...] = ()
    triggers_disabled: bool = False
    inherited: bool = False

    @property
    def signature(self) -> tuple[ConstraintKind, str]:
        """What two constraints have in common that differ in no more than their names and attributes."""
        return self.kind, self.definition

    @property
    def deferrability(self) -> str:
        if not self.deferrable:
            return "NOT DEFERRABLE"
        return f"DEFERRABLE INITIALLY {'DEFERRED' if self.deferred else 'IMMEDIATE'}"

    @property
    def sql(self) -> str:
        """The definition in ADD CONSTRAINT."""
        parts = [self.definition]
        if self.index is not None and self.index.tablespace:
            parts.append(f"USING INDEX TABLESPACE {identifier(self.index.tablespace)}")
        if self.deferrable:
            parts.append(self.deferrability)
        return " ".join(parts)


class RelationKind(StrEnum):
    """pg_class.relkind; and TYPE for a type that isn't a relation's, but would conflict with a table of its name."""

    TABLE = "r"
    PARTITIONED_TABLE = "p"
    VIEW = "v"
    MATERIALIZED_VIEW = "m"
    FOREIGN_TABLE = "f"
    SEQUENCE = "S"
    INDEX = "i"
    PARTITIONED_INDEX = "I"
    COMPOSITE_TYPE = "c"
    TOAST_TABLE = "t"
    TYPE = "type"

    @property
    def label(self) -> str:
        noun = self.name.lower().replace("_", " ").replace("toast", "TOAST")
        return f"{'an' if noun[0] == 'i' else 'a'} {noun}"

    @property
    def is_table(self) -> bool:
        return self in (RelationKind.TABLE, RelationKind.PARTITIONED_TABLE)

    @property
    def can_be_queried(self) -> bool:
        return self.is_table or self in (
            RelationKind.VIEW,
            RelationKind.MATERIALIZED_VIEW,
            RelationKind.FOREIGN_TABLE,
        )


class TriggerMode(StrEnum):
    """pg_trigger.tgenabled: for which of its sessions the server executes a trigger (session_replication_role)."""

    ORIGIN = "O"
    DISABLED = "D"
    REPLICA = "R"
    ALWAYS = "A"

    def statement(self, table: str, name: str, kind: str = "TRIGGER") -> str:
        """Return the statement that gives a trigger of `table` (a quoted name) this mode; for a rule, its `kind` is RULE."""
        words = {TriggerMode.ORIGIN: "ENABLE", TriggerMode.DISABLED: "DISABLE"}
        return f"ALTER TABLE {table} {words.get(self, f'ENABLE {self.name}')} {kind} {identifier(name)}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger. `fires` is on which events, `options` is what follows the table's name, `call` what is executed.

    `function` is the key of the called function in `Schema.functions`. `columns` are those that it names. `before` is
    whether it fires before a row is changed. `update_columns` are those that an UPDATE must set to fire it, none if any
    UPDATE does; None if no UPDATE does.
    """

    name: str
    fires: str
    options: str
    call: str
    function: str
    mode: TriggerMode = TriggerMode.ORIGIN
    is_constraint: bool = False
    columns: tuple[str, ...] = ()
    before: bool = False
    update_columns: tuple[str, ...] | None = None

    @property
    def signature(self) -> tuple[bool, str, str, str]:
        """What two triggers have in common that differ in no more than their names and modes."""
        return self.is_constraint, self.fires, self.options, self.call

    @property
    def sql(self) -> str:
        return f"{self.fires} {self.options} EXECUTE FUNCTION {self.call}"


def close_to_public(function: str) -> str:
    """Return the statement that leaves a function, given quoted and with its arguments, to those who have it by name.

    Else who may create a table could make its trigger call it, for rows of their own, whose types have code of their own.
    """
    return f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"


@dataclass(frozen=True, slots=True)
class Function:
    """A function. `definition` is all of CREATE FUNCTION after the name and the opening parenthesis of its arguments.

    `arguments` are the types of its arguments, which with the name identify it, `result` is what it returns. `owned` is
    whether this role has the privileges of its `owner`. `parameters` are the mode, type and name of each, of what it returns
    as well; the last `defaults` of its arguments have one. `lends_privileges`: it is SECURITY DEFINER, and for triggers.
    `is_public`: PUBLIC may execute it. `needed_by` describes what depends on it, in PostgreSQL's words.
    `kept` are the statements that give it its privileges, comment and owner, once it was created again.
    """

    name: str
    arguments: str
    result: str
    definition: str
    owner: str = ""
    owned: bool = True
    parameters: tuple[str, ...] = ()
    defaults: int = 0
    lends_privileges: bool = False
    is_public: bool = False
    needed_by: str = ""
    kept: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name}({self.arguments})"

    def sql_name(self, schema: str) -> str:
        """Return how statements name the function in `schema`."""
        return f"{identifier(schema, self.name)}({self.arguments})"

    def sql(self, schema: str) -> str:
        """Return what follows CREATE FUNCTION for the function in `schema`."""
        return f"{identifier(schema, self.name)}({self.definition}"

    @property
    def digest(self) -> str:
        """A short text that differs where the definition does."""
        return hashlib.sha256(self.definition.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class UpdateTrigger:
    """A trigger that an UPDATE of the rows of `table` (a quoted name) fires, or a rule that rewrites it.

    `columns` are those that an UPDATE must set to fire it; none if any UPDATE does. `before` is whether it fires before a
    row is changed, and may change what is written. `mode` is what it has when it isn't disabled. `declared`: a model
    declares it, so that what it does to other rows and columns isn't expected of it.
    """

    name: str
    table: str
    before: bool
    columns: tuple[str, ...] = ()
    mode: TriggerMode = TriggerMode.ORIGIN
    rule: bool = False
    declared: bool = False

    @property
    def disable(self) -> str:
        return TriggerMode.DISABLED.statement(self.table, self.name, self._kind)

    @property
    def enable(self) -> str:
        return self.mode.statement(self.table, self.name, self._kind)

    @property
    def _kind(self) -> str:
        return "RULE" if self.rule else "TRIGGER"


@dataclass(frozen=True, slots=True)
class Dependent:
    """What depends on `columns` of a table, or on its `keys`: PostgreSQL doesn't alter or drop these while it exists.

    `drop` and `create` are the statements for that; where it isn't `restorable`, they don't create all of it again. `level`
    is how many views it reads the table through, 0 for what isn't a view. What `holds_rows` is a column of another table, of
    the table's row type or one made of it: it depends on all columns, and is converted rather than dropped. A foreign key
    has the name of its `relation`, if that is in the table's schema. `owned` is whether this role has the privileges of the
    relation's owner.
    """

    name: str
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    level: int = 0
    drop: tuple[str, ...] = ()
    create: tuple[str, ...] = ()
    restorable: bool = True
    relation: str = ""
    foreign_key: str | None = None
    owned: bool = False
    holds_rows: bool = False


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a column from being replaced by another one. `removal` is the SQL that removes it, where that is known."""

    name: str
    removal: str = ""


@dataclass(frozen=True)
class Table:
    """A table, and what decides how it may be changed.

    `owner_may_create`: this role may give the owner what is in the schema. `rows` is the planner's estimate.
    `missing_privileges` are those of SELECT, INSERT and UPDATE that this role lacks.
    `parents` are the tables that it inherits from, or is a partition of (`is_partition`); quoted names, as all of these.
    `children` are the tables that inherit from it, `descendants` these and all that inherit from them;
    `others_descendants` are those of them that this role doesn't own, only with their owners. `update_triggers` are those of
    the table and of its descendants. `shadowed_by` is the schema of another table of its name that is earlier on the search
    path. `rows_hidden` is whether row-level security hides rows from this role. `next_keys` is the highest value in the rows
    plus one, for a primary key whose values a sequence generates; the highest of the type, which somebody may have inserted,
    counts only together with the one below it. `dependents` are read only where a person may have to
    alter the table. `tablespace` is empty for the database's own. The rows of a declared table that is `append_only` are
    never changed. `needs_replica_identity`: a publication of its updates or deletes makes these fail, since it has none.
    """

    schema: str
    name: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    kind: RelationKind = RelationKind.TABLE
    logged: bool = True
    owned: bool = True
    owner: str = ""
    owner_may_create: bool = True
    missing_privileges: tuple[str, ...] = ()
    may_reference: bool = True
    rows_hidden: bool = False
    shadowed_by: str | None = None
    rows: int = 0
    triggers: tuple[Trigger, ...] = ()
    rules: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    is_partition: bool = False
    children: tuple[str, ...] = ()
    descendants: tuple[str, ...] = ()
    others_descendants: tuple["Table", ...] = ()
    update_triggers: tuple[UpdateTrigger, ...] = ()
    next_keys: Mapping[str, int] = field(default_factory=dict)
    dependents: tuple[Dependent, ...] = ()
    comment: str = ""
    tablespace: str = ""
    append_only: bool = False
    needs_replica_identity: bool = False

    @cached_property
    def sql_name(self) -> str:
        return table_sql_name(self.schema, self.name)

    @property
    def row_type_is_used(self) -> bool:
        """Whether a column elsewhere holds rows of it: then no column can be added together with a default."""
        return any(dependent.holds_rows for dependent in self.dependents)

    @property
    def primary_key(self) -> Constraint | None:
        return next((c for c in self.constraints if c.kind is ConstraintKind.PRIMARY_KEY), None)

    def index(self, name: str) -> Index | None:
        return next((i for i in self.indexes if i.name == name), None)

    def constraint(self, name: str) -> Constraint | None:
        return next((c for c in self.constraints if c.name == name), None)

    def constraints_of(self, kinds: Iterable[ConstraintKind]) -> list[Constraint]:
        included = set(kinds)
        return [constraint for constraint in self.constraints if constraint.kind in included]

    def constraint_name_owner(self, name: str) -> str | None:
        """Return the definition of the table's constraint of this name, which may be a NOT NULL as well."""
        constraint = self.constraint(name)
        if constraint is not None:
            return constraint.sql
        return next(
            (f"NOT NULL {column.name}" for column in self.columns.values() if column.not_null_name == name), None
        )


@dataclass(frozen=True, slots=True)
class Widening:
    """A table, and those of its columns of smaller integers that are to become bigint; none if others only lead through it.

    `obstacles` are of the table or of these columns. `restore` are the statements that give new columns of these names what
    the old ones have: comments, privileges, statistics targets. `identities` are the options of the sequences of identities,
    in parentheses, by column.
    """

    table: Table
    columns: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    restore: tuple[str, ...] = ()
    identities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of any kind, or a type. `table` is the table that an index belongs to, by its name in a Schema."""

    schema: str
    name: str
    kind: RelationKind
    table: str | None = None


@dataclass(frozen=True, slots=True)
class TableElsewhere:
    """A table with rows in another schema of the search path. `key` are the columns of its primary key."""

    schema: str
    name: str
    key: tuple[str, ...]

    @property
    def sql_name(self) -> str:
        return identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class OtherSchema:
    """A schema beside the project's that tables' names name, and what this role may do in it."""

    name: str
    may_use: bool = True
    may_create: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of the schema `name`, by name; those of other schemas have names with these in them (see `TablePlace`).

    `name_owners` are the relations and types that have the name of a declared table or index of their schema, by what would
    be their names as tables. `same_named` are the relations of other schemas that have the name of a table; `elsewhere` are
    those of them that may be the table itself. `functions` are by their keys, `other_schemas` by their names.

    Of a declared schema, `models` are the models that declare the tables, by name, and `rejected` are PostgreSQL's errors
    for the tables that it refused to create: these aren't among `tables`. `rejected_functions` are the reasons why declared
    functions can't be created, by their keys: these aren't among `functions`.
    """

    name: str
    tables: Mapping[str, Table]
    name_owners: Mapping[str, Relation] = field(default_factory=dict)
    same_named: tuple[Relation, ...] = ()
    elsewhere: tuple[TableElsewhere, ...] = ()
    functions: Mapping[str, Function] = field(default_factory=dict)
    other_schemas: Mapping[str, OtherSchema] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    rejected_functions: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def merged_with(self, other: "Schema") -> "Schema":
        """Return this declared schema with the tables and functions of another declared one."""
        return replace(
            self,
            tables=dict(sorted({**self.tables, **other.tables}.items())),
            functions={**self.functions, **other.functions},
            rejected={**self.rejected, **other.rejected},
            rejected_functions={**self.rejected_functions, **other.rejected_functions},
            models={**self.models, **other.models},
        )

    def table_elsewhere(self, name: str, key: Iterable[str]) -> TableElsewhere | None:
        """Return the table of that name, with that key, in another schema, if there is none in this one."""
        if name in self.tables or name in self.name_owners:
            return None
        columns = tuple(key)
        return next((table for table in self.elsewhere if (table.name, table.key) == (name, columns)), None)

    def parents(self) -> set[str]:
        """Return the names of the tables that foreign keys point to and that aren't among `tables`."""
        targets = {c.target[1] for table in self.tables.values() for c in table.constraints if c.target}
        return targets - set(self.tables)


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and what it lets this role do.

    `schema` is the project's schema (see search_path.py), None where no schema of the search path exists; `may_create` is
    whether the role may create tables in it, `may_use` whether it may use it at all. `holds_project` is whether the schema
    has tables of the project, `has_history` whether django_migrations is one of them, and `history_owner` the owner of that
    if this role lacks its privileges, else empty. `system_schema` is PostgreSQL's own schema in which CREATE TABLE would
    create tables, empty where it is none. `path_is_fixed` is whether the search path comes from the connection's options.
    `standbys` are the application names of the standbys that are attached. `collation_versions` are the one that the
    database has recorded, and the one that the server has now; None where there is none, or before PostgreSQL 15.
    `outdated_collations` are the quoted names of other collations of indexes, of which the server has another version.
    """

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
    may_use: bool = True
    holds_project: bool = True
    has_history: bool = True
    history_owner: str = ""
    system_schema: str = ""
    path_is_fixed: bool = False
    standbys: tuple[str, ...] = ()
    collation_versions: tuple[str | None, str | None] = (None, None)
    outdated_collations: tuple[str, ...] = ()

    @property
    def path_names(self) -> list[str]:
        """The names on the search path, in its order, but for PostgreSQL's own schemas."""
        written = re.findall(r'"((?:[^"]|"")*)"|([^\s,"]+)', self.search_path)
        names = [quoted.replace('""', '"') if quoted else plain.lower() for quoted, plain in written]
        return [name for name in names if name and not name.startswith("pg_")]
