"""What a PostgreSQL schema holds, as frozen values: the declared schema and the real one take the same form.

Texts (types, expressions, definitions) are those that PostgreSQL prints with an empty search path, so that both sides
are written alike: every name outside pg_catalog is qualified, on both.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

HELPER_PREFIX = "reconcile_"


def identifier(*names: str) -> str:
    """Return `names` quoted and joined by dots: ``"public"."patients"``."""
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


#: NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
LONGEST_NAME = 63


def as_stored(name: str) -> str:
    """Return the name that PostgreSQL makes of `name`: as many of its characters as fit."""
    return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def helper_name(role: str, table: str, name: str) -> str:
    """Return the name of the object that stands in for `name` of `table` during a repair.

    It depends on nothing else, so the next run recognises what a killed one left. Roles: new, old, check.
    """
    digest = hashlib.sha256(f"{table}\0{name}".encode()).hexdigest()[:16]
    return f"{HELPER_PREFIX}{role}_{digest}"


def is_helper_name(name: str) -> bool:
    return re.fullmatch(rf"{HELPER_PREFIX}(new|old|check)_[0-9a-f]{{16}}", name) is not None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence that feeds a column. `next_value` is None where it wasn't worth asking, or the role may not.

    `ownable` is whether the column may own it: it feeds no other, and has the table's schema and owner.
    """

    name: str
    owned: bool
    ownable: bool
    increment: int
    max_value: int
    readable: bool
    next_value: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `fill` is the SQL value that rows without one get, where the declared default has none in SQL.

    Its NOT NULL, a constraint on PostgreSQL 18, may be inherited, from a parent table, and be so by the table's children.
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
    identity: str = ""
    generated: str = ""
    collation: str | None = None
    sequence: Sequence | None = None
    fill: str | None = None

    @property
    def generates_keys(self) -> bool:
        """Whether it is an identity, or the equivalent serial: a default that takes the next value of a sequence."""
        return bool(self.identity) or self.sequence is not None

    @property
    def value_for_nulls(self) -> str | None:
        return self.default or self.fill

    @property
    def stored_as(self) -> str:
        """What ADD COLUMN alone decides, since changing it rewrites the table: type, collation, generation."""
        parts = [self.type]
        if self.collation:
            parts.append(f"COLLATE {self.collation}")
        if self.generated:
            kind, expression = self.generated.split(" ", 1)
            parts.append(f"GENERATED ALWAYS AS ({expression}) {'STORED' if kind == 's' else 'VIRTUAL'}")
        return " ".join(parts)

    @property
    def generation(self) -> str:
        """How an identity's values come about."""
        return f"GENERATED {'ALWAYS' if self.identity == 'a' else 'BY DEFAULT'} AS IDENTITY"

    @property
    def definition(self) -> str:
        """The column as CREATE TABLE and ADD COLUMN take it, after its name."""
        parts = [self.stored_as]
        if self.identity:
            parts.append(self.generation)
        if self.default is not None:
            parts.append(f"DEFAULT {self.default}")
        if self.not_null:
            parts.append("NOT NULL")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Index:
    """An index. `body` is its whole definition from USING on, storage parameters left out, since these may be tuned;
    `definition` has them. `keys` and `predicate` are parts of it, as SQL; `columns` the names of all that it has to do
    with, and `needed_by` what can't be without it, in PostgreSQL's words, unless it is a constraint's.
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
    needed_by: str = ""

    @property
    def meaning(self) -> tuple[bool, str]:
        return self.unique, self.body

    @property
    def text(self) -> str:
        return f"{'UNIQUE ' if self.unique else ''}{self.body}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A primary key, unique, foreign-key, check or exclusion constraint; `kind` is PostgreSQL's contype.

    `definition` is as pg_get_constraintdef prints it, without the attributes that have a field of their own. `enforced`
    is false for NOT ENFORCED ones, and for foreign keys whose triggers are disabled. `target` is the schema and name of
    the table that a foreign key points to.
    """

    name: str
    kind: str
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

    @property
    def meaning(self) -> tuple[str, str]:
        return self.kind, self.definition

    @property
    def timing(self) -> str:
        if not self.deferrable:
            return "NOT DEFERRABLE"
        return f"DEFERRABLE INITIALLY {'DEFERRED' if self.deferred else 'IMMEDIATE'}"

    @property
    def text(self) -> str:
        """The definition as SQL, ready for ADD CONSTRAINT."""
        return f"{self.definition} {self.timing}" if self.deferrable else self.definition


@dataclass(frozen=True)
class Table:
    """A table, and what decides how it may be changed. `kind` is PostgreSQL's relkind; `rows` is the planner's estimate;
    `children` are the tables that inherit from it.

    `next_keys` has, for a key fed by a sequence, the highest value in the rows plus one.
    """

    schema: str
    name: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    kind: str = "r"
    logged: bool = True
    owned: bool = True
    owner: str = ""
    may_reference: bool = True
    rows_hidden: bool = False
    shadowed_by: str | None = None
    rows: int = 0
    triggers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    next_keys: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def sql_name(self) -> str:
        return identifier(self.schema, self.name)

    @property
    def primary_key(self) -> Constraint | None:
        return next((c for c in self.constraints if c.kind == "p"), None)

    def index(self, name: str) -> Index | None:
        return next((i for i in self.indexes if i.name == name), None)

    def constraint(self, name: str) -> Constraint | None:
        return next((c for c in self.constraints if c.name == name), None)

    def holder_of_constraint_name(self, name: str) -> str | None:
        """Say what has this name among the table's constraints, those that make columns NOT NULL included."""
        constraint = self.constraint(name)
        if constraint is not None:
            return constraint.text
        return next(
            (f"NOT NULL {column.name}" for column in self.columns.values() if column.not_null_name == name), None
        )


#: pg_class.relkind, and "type" for one that belongs to no relation.
RELATION_KINDS = {
    "r": "a table",
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "a partitioned index",
    "c": "a composite type",
    "t": "a TOAST table",
    "type": "a type",
}


@dataclass(frozen=True, slots=True)
class Relation:
    """Whatever holds a name: a relation of any kind, or a type. `table` is the one that an index belongs to."""

    schema: str
    name: str
    kind: str
    table: str | None = None

    @property
    def described(self) -> str:
        return RELATION_KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables by name, in the one schema `name` that counts.

    `holders` has what holds a wanted name in that schema; `homonyms` the relations of a table's name in other schemas.
    """

    name: str
    tables: Mapping[str, Table]
    holders: Mapping[str, Relation] = field(default_factory=dict)
    homonyms: tuple[Relation, ...] = ()

    def parents(self) -> set[str]:
        """Return the names of tables that foreign keys point to, and that aren't among `tables` themselves."""
        targets = {c.target[1] for table in self.tables.values() for c in table.constraints if c.target}
        return targets - set(self.tables)
