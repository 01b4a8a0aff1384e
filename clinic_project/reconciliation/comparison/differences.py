"""The differences between a declared schema and the actual one, and what no model declares, as data. Those that are meant
are kept apart.

Difference
├── MissingTable, NotATable, RejectedTable, UnloggedTable, TableComment, NoReplicaIdentity
├── MissingColumn, ColumnDifference
├── IndexDifference
│   ├── MissingIndex       no index has its signature, and its name is free or becomes free
│   ├── WrongIndex         a wrong or INVALID index has its name
│   └── MatchedIndex       it exists, under another name or with other storage parameters
├── ConstraintDifference
│   ├── MissingConstraint
│   ├── WrongConstraint    a wrong constraint has its name, is the table's primary key, or contradicts it
│   └── MatchedConstraint  it exists, under another name, not validated, …
├── TriggerDifference, FunctionDifference, RejectedFunction
└── Leftover               what an interrupted repair left
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from ..schema.model import Column, Constraint, Function, Index, ObjectReference, Relation, Schema, Table, Trigger


class Kind(StrEnum):
    """What differs. The values are part of the `--json` output."""

    TABLE_MISSING = "table-missing"
    TABLE_NOT_A_TABLE = "table-not-a-table"
    TABLE_REJECTED = "table-rejected"
    TABLE_UNLOGGED = "table-unlogged"
    TABLE_COMMENT = "table-comment"
    TABLE_REPLICA_IDENTITY = "table-replica-identity"
    COLUMN_MISSING = "column-missing"
    COLUMN_TYPE = "column-type"
    COLUMN_NULLABLE = "column-nullable"
    COLUMN_NOT_NULL = "column-not-null"
    COLUMN_NOT_NULL_UNVALIDATED = "column-not-null-unvalidated"
    COLUMN_NOT_NULL_NO_INHERIT = "column-not-null-no-inherit"
    COLUMN_NOT_NULL_NAME = "column-not-null-name"
    COLUMN_DEFAULT = "column-default"
    COLUMN_COMMENT = "column-comment"
    KEY_INDEX_INVALID = "key-index-invalid"
    KEY_WITHOUT_GENERATOR = "key-without-generator"
    KEY_ALWAYS_GENERATED = "key-always-generated"
    KEY_NOT_ALWAYS_GENERATED = "key-not-always-generated"
    SEQUENCE_NOT_OWNED = "sequence-not-owned"
    SEQUENCE_UNLOGGED = "sequence-unlogged"
    SEQUENCE_DIRECTION = "sequence-direction"
    SEQUENCE_LIMIT = "sequence-limit"
    SEQUENCE_BEHIND = "sequence-behind"
    SEQUENCE_EXHAUSTED = "sequence-exhausted"
    SEQUENCE_PRIVILEGES = "sequence-privileges"
    INDEX_MISSING = "index-missing"
    INDEX_NAME = "index-name"
    INDEX_INVALID = "index-invalid"
    INDEX_DEFINITION = "index-definition"
    INDEX_PARAMETERS = "index-parameters"
    CONSTRAINT_MISSING = "constraint-missing"
    CONSTRAINT_NAME = "constraint-name"
    CONSTRAINT_DEFINITION = "constraint-definition"
    CONSTRAINT_UNVALIDATED = "constraint-unvalidated"
    CONSTRAINT_DEFERRABILITY = "constraint-deferrability"
    TRIGGER_MISSING = "trigger-missing"
    TRIGGER_DEFINITION = "trigger-definition"
    TRIGGER_NAME = "trigger-name"
    TRIGGER_MODE = "trigger-mode"
    FUNCTION_MISSING = "function-missing"
    FUNCTION_DEFINITION = "function-definition"
    FUNCTION_OWNER = "function-owner"
    FUNCTION_PUBLIC = "function-public"
    FUNCTION_REJECTED = "function-rejected"
    LEFTOVER = "leftover"


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the actual schema differs from the declared one.

    The texts are for people. Subclasses add the objects for a repair: `declared` is the declared object, `actual` the one
    that matches it, or that can be altered to match it.
    """

    table: str
    kind: Kind
    name: str
    declared_text: str
    actual_text: str

    @property
    def subject(self) -> ObjectReference:
        return ObjectReference(self.table, self.name)


@dataclass(frozen=True, slots=True)
class MissingTable(Difference):
    declared: Table


@dataclass(frozen=True, slots=True)
class NotATable(Difference):
    name_owner: Relation


@dataclass(frozen=True, slots=True)
class RejectedTable(Difference):
    """PostgreSQL refuses to create the table as it is declared. `exists` is whether there is one of its name."""

    exists: bool


@dataclass(frozen=True, slots=True)
class UnloggedTable(Difference):
    pass


@dataclass(frozen=True, slots=True)
class TableComment(Difference):
    pass


@dataclass(frozen=True, slots=True)
class NoReplicaIdentity(Difference):
    """No model declares one, but without it every UPDATE, or every DELETE, of a published table fails."""


@dataclass(frozen=True, slots=True)
class MissingColumn(Difference):
    """`candidates` are the columns that may be this one, renamed; `rivals` other missing columns that these may be."""

    declared: Column
    candidates: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDifference(Difference):
    declared: Column
    actual: Column


@dataclass(frozen=True, slots=True)
class IndexDifference(Difference):
    """`conflicting` is the index that has the declared name.

    It is a wrong index, or, where the declared one is missing or matched, one that gets its own name by the same plan.
    """

    declared: Index
    conflicting: Index | None

    def without_conflict(self) -> "IndexDifference":
        """Return the difference as it is when the conflicting index has another name."""
        return replace(self, conflicting=None)


@dataclass(frozen=True, slots=True)
class MissingIndex(IndexDifference):
    pass


@dataclass(frozen=True, slots=True)
class WrongIndex(IndexDifference):
    conflicting: Index

    def without_conflict(self) -> IndexDifference:
        texts = self.name, self.declared_text, self.actual_text
        return MissingIndex(self.table, Kind.INDEX_MISSING, *texts, self.declared, None)


@dataclass(frozen=True, slots=True)
class MatchedIndex(IndexDifference):
    actual: Index


@dataclass(frozen=True, slots=True)
class ConstraintDifference(Difference):
    """`conflicting` has the declared name, is another primary key, or contradicts the declared foreign key.

    It is a wrong constraint, or, where the declared one is missing or matched, one that gets its own name by the same plan.
    """

    declared: Constraint
    conflicting: Constraint | None

    def without_conflict(self) -> "ConstraintDifference":
        """Return the difference as it is when the conflicting constraint has another name."""
        return replace(self, conflicting=None)


@dataclass(frozen=True, slots=True)
class MissingConstraint(ConstraintDifference):
    """`usable_index` is a unique index that ADD CONSTRAINT … USING INDEX can use."""

    usable_index: Index | None


@dataclass(frozen=True, slots=True)
class WrongConstraint(ConstraintDifference):
    """`actual` is the constraint that matches the declared one, if it exists beside the conflicting one."""

    conflicting: Constraint
    actual: Constraint | None
    usable_index: Index | None

    def without_conflict(self) -> ConstraintDifference:
        texts = self.name, self.declared_text, self.actual_text
        if self.actual is not None:
            return MatchedConstraint(self.table, Kind.CONSTRAINT_NAME, *texts, self.declared, None, self.actual)
        return MissingConstraint(self.table, Kind.CONSTRAINT_MISSING, *texts, self.declared, None, self.usable_index)


@dataclass(frozen=True, slots=True)
class MatchedConstraint(ConstraintDifference):
    actual: Constraint


@dataclass(frozen=True, slots=True)
class TriggerDifference(Difference):
    """`actual` has the declared name, or the declared signature; None if there is none."""

    declared: Trigger
    actual: Trigger | None


@dataclass(frozen=True, slots=True)
class FunctionDifference(Difference):
    """`table` is the function's key, as `name` is. `owner` is the declared owner; None if any may own it."""

    declared: Function
    actual: Function | None
    owner: str | None

    @property
    def can_be_called(self) -> bool:
        """Whether the actual function can stand for the declared one in a trigger, though it does something else."""
        return self.actual is not None and self.actual.result == self.declared.result and bool(self.actual.definition)

    @property
    def can_be_replaced(self) -> bool:
        """Whether CREATE OR REPLACE accepts it: https://www.postgresql.org/docs/current/sql-createfunction.html"""
        return (
            self.actual is not None
            and self.actual.parameters == self.declared.parameters
            and self.actual.defaults <= self.declared.defaults
        )


@dataclass(frozen=True, slots=True)
class RejectedFunction(Difference):
    """A function that can't be created as it is declared; as for FunctionDifference, `table` is its key.

    `can_be_called` is whether there is one that triggers can call.
    """

    can_be_called: bool


@dataclass(frozen=True, slots=True)
class Leftover(Difference):
    actual: Index | Constraint


class UndeclaredKind(StrEnum):
    COLUMN = "column"
    INDEX = "index"
    CONSTRAINT = "constraint"
    TRIGGER = "trigger"
    RULE = "rule"
    CHILD = "child"

    @property
    def label(self) -> str:
        if self is UndeclaredKind.CHILD:
            return "a table that inherits"
        return f"{'an' if self is UndeclaredKind.INDEX else 'a'} {self}"

    @property
    def is_dependent(self) -> bool:
        """Whether it only depends on the table, and isn't part of its definition."""
        return self in (UndeclaredKind.TRIGGER, UndeclaredKind.RULE, UndeclaredKind.CHILD)


@dataclass(frozen=True, slots=True)
class Undeclared:
    """An actual object that no model declares. It is left alone. `warning` says what it breaks or costs, if anything."""

    table: str
    kind: UndeclaredKind
    name: str
    warning: str = ""

    @property
    def subject(self) -> ObjectReference:
        return ObjectReference(self.table, self.name)


def _lacks_value(item: Difference) -> bool:
    if not isinstance(item, MissingColumn | ColumnDifference) or item.kind not in _FILLED:
        return False
    return item.declared.not_null and item.declared.default is None


#: What may be settled by giving rows a value.
_FILLED = (
    Kind.COLUMN_MISSING,
    Kind.COLUMN_NULLABLE,
    Kind.COLUMN_NOT_NULL_UNVALIDATED,
    Kind.COLUMN_NOT_NULL_NO_INHERIT,
)


@dataclass(frozen=True, slots=True)
class Differences:
    """`ignored` are those that the project means, as it says in its setting: they are neither `items` nor `undeclared`."""

    declared: Schema
    actual: Schema
    items: tuple[Difference, ...]
    undeclared: tuple[Undeclared, ...]
    ignored: tuple[Difference | Undeclared, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def ignoring(self, labels: Collection[str]) -> "Differences":
        """Return the differences with those of the objects `labels`, as reports print these, as `ignored`."""
        every: tuple[Difference | Undeclared, ...] = (*self.items, *self.undeclared)
        return replace(
            self,
            items=tuple(item for item in self.items if item.subject.label not in labels),
            undeclared=tuple(item for item in self.undeclared if item.subject.label not in labels),
            ignored=tuple(item for item in every if item.subject.label in labels),
        )

    @property
    def has_renamed_columns(self) -> bool:
        """Whether a missing column may only have been renamed."""
        return any(isinstance(item, MissingColumn) and item.candidates for item in self.items)

    @property
    def columns_without_value(self) -> list[ObjectReference]:
        """The declared NOT NULL columns to which rows may need a value, where the database has no default for them."""
        return [item.subject for item in self.items if _lacks_value(item)]

    def of(self, table: str, *kinds: Kind) -> list[Difference]:
        return [item for item in self.items if item.table == table and item.kind in kinds]
