"""A plan as data: ordered repairs made of steps, refusals and notes. Nothing is run here.

A repair brings about one difference (or a few that only work together); its steps stand in the order in which they must
be taken, and each can be cut off: the next plan starts from what is there. Repairs stand in phases, so that a table is
there before its columns, and a key before the foreign keys that point to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from ..schema.model import ObjectReference


class Phase(IntEnum):
    LEFTOVERS = 0
    NAMES = 1
    TABLES = 2
    COLUMNS = 3
    NOT_NULL = 4
    INDEXES = 5
    DEFERRABILITY = 6
    VALIDATION = 7
    KEYS = 8
    KEY_GENERATION = 9
    FOREIGN_KEYS_AND_CHECKS = 10


class Lock(StrEnum):
    """PostgreSQL's table locks: https://www.postgresql.org/docs/current/explicit-locking.html"""

    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"


class RefusalCode(StrEnum):
    """Why a person has to decide. The values are stable: programs and the README's table rely on them."""

    CHECK_VIOLATIONS = "check-violations"
    COLUMN_NEEDS_REWRITE = "column-needs-rewrite"
    COLUMN_TYPE = "column-type"
    COLUMN_WITHOUT_VALUE = "column-without-value"
    CONSTRAINT_NEEDS_LOCK = "constraint-needs-lock"
    DUPLICATES = "duplicates"
    HISTORY_LOST = "history-lost"
    LOCKED = "locked"
    MAY_NOT_CREATE = "may-not-create"
    MAY_NOT_REFERENCE = "may-not-reference"
    NAME_TAKEN = "name-taken"
    NOT_A_TABLE = "not-a-table"
    NOT_OWNER = "not-owner"
    NULLS_KEPT = "nulls-kept"
    NULLS_WITHOUT_DEFAULT = "nulls-without-default"
    ORPHAN_ROWS = "orphan-rows"
    OTHER_KEY = "other-key"
    PARENT_WITHOUT_KEY = "parent-without-key"
    PARTITIONED = "partitioned"
    REPLICA_IDENTITY = "replica-identity"
    ROW_LEVEL_SECURITY = "row-level-security"
    STATEMENT_FAILED = "statement-failed"
    UNLOGGED = "unlogged"


class NoteCode(StrEnum):
    """What a person should know of. Stable, as the refusals' codes are."""

    ANOTHER_SCHEMA = "another-schema"
    DEFAULT_REPLACED = "default-replaced"
    FROZEN_DEFAULT = "frozen-default"
    HISTORY_COMPLETED = "history-completed"
    KEPT = "kept"
    MISSING_PARENT = "missing-parent"
    NOT_ENFORCED = "not-enforced"
    SHADOWED = "shadowed"
    UNDECLARED = "undeclared"
    UNDECLARED_CHILD = "undeclared-child"
    UNDECLARED_COLUMN = "undeclared-column"
    UNDECLARED_INDEX = "undeclared-index"
    UNDECLARED_RULE = "undeclared-rule"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What only a person can decide; `fatal` ones stop the whole plan.

    `statements` is the SQL that `remedy` tells, in the order in which it has to run. `blocked` is what can't be repaired
    before.
    """

    code: RefusalCode
    table: str
    name: str
    reason: str
    remedy: str
    statements: tuple[str, ...] = ()
    fatal: bool = False
    blocked: tuple[ObjectReference, ...] = ()

    @property
    def subject(self) -> ObjectReference:
        return ObjectReference(self.table, self.name)

    def __str__(self) -> str:
        return _with_blocked(f"{self.subject.label}: {self.reason} {self.remedy}", self.blocked)


def merged(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return each refusal once, with all that it blocks: several inspections may each have seen a part of that."""
    blocked: dict[Refusal, dict[ObjectReference, None]] = {}
    for refusal in refusals:
        blocked.setdefault(replace(refusal, blocked=()), {}).update(dict.fromkeys(refusal.blocked))
    return [replace(refusal, blocked=tuple(objects)) for refusal, objects in blocked.items()]


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know. `blocked` is what can't be repaired before others have made what it tells of."""

    code: NoteCode
    table: str
    name: str
    text: str
    blocked: tuple[ObjectReference, ...] = ()

    @property
    def subject(self) -> ObjectReference:
        return ObjectReference(self.table, self.name)

    def __str__(self) -> str:
        return _with_blocked(f"{self.subject.label}: {self.text}", self.blocked)


def _with_blocked(text: str, blocked: tuple[ObjectReference, ...]) -> str:
    return f"{text} {blocked_text(blocked)}" if blocked else text


def blocked_text(blocked: Iterable[ObjectReference]) -> str:
    return f"Blocked by it: {', '.join(reference.label for reference in blocked)}."


class ConditionKind(StrEnum):
    """What is true of a table, of some columns of it, of a constraint, or of a name."""

    TABLE_EXISTS = "table exists"
    TABLE_IS_LOGGED = "table is logged"
    COLUMN_EXISTS = "column exists, of the declared type"
    COLUMN_IS_NOT_NULL = "column is not null"
    COLUMN_IS_OUTSIDE_PRIMARY_KEY = "column is outside of the primary key"
    COLUMNS_ARE_UNIQUE = "columns are a key"
    CONSTRAINT_IS_VALIDATED = "constraint is validated"
    NAME_IS_FREE = "name is free"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a repair requires, or that it provides."""

    kind: ConditionKind
    table: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of things and what they do, in the words for one and for more: 1 row points, 2 rows point."""

    one: str
    more: str

    def text(self, count: int) -> str:
        return f"{count} {self.one if count == 1 else self.more}"


@dataclass(frozen=True, slots=True)
class ViolationQuery:
    """A query for the rows that make a step fail, as (number of rows, some of their keys).

    It is asked only where the step fails with one of `sqlstates`, or a plan is shown without being carried out: the
    step's own scan finds the same rows. The reason of `refusal` has {rows}, which `rows` words, and {keys} to fill in.
    """

    sql: str
    refusal: Refusal
    rows: Counted
    sqlstates: tuple[str, ...]

    def refused(self, count: int, keys: str) -> Refusal:
        # Not by format(): a check's expression, which may be part of the reason, may have braces of its own.
        reason = self.refusal.reason.replace("{rows}", self.rows.text(count)).replace("{keys}", keys)
        return replace(self.refusal, reason=reason)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Give `value` to the rows whose `column` is NULL, in batches with a commit each.

    `others` are more columns and their values, for the same rows: where a column that is NULL has to have a value in every
    row that is written, as one that is NOT NULL NOT VALID, none can be filled without it.
    """

    table: str
    column: str
    value: str
    others: tuple[tuple[str, str], ...] = ()

    @property
    def assignments(self) -> str:
        others = (f"{column} = coalesce({column}, {value})" for column, value in self.others)
        return ", ".join((f"{self.column} = {self.value}", *others))

    def batch(self, first_block: int, end_block: int, rows: int) -> str:
        """Return the UPDATE of at most `rows` rows in the blocks from `first_block` up to `end_block`.

        It returns how many were found, and how many have a value now: a trigger may have taken that away again. The
        condition stands twice, since a place is one row's in this table, another's in each that inherits from it, and since
        a writer may have given a value meanwhile.
        """
        return (
            f"WITH found AS MATERIALIZED (SELECT ctid FROM {self.table} WHERE ctid >= '({first_block},0)'"
            f" AND ctid < '({end_block},0)' AND {self.column} IS NULL LIMIT {rows}),"
            f" filled AS (UPDATE {self.table} SET {self.assignments} WHERE ctid = ANY (ARRAY(SELECT ctid FROM found))"
            f" AND {self.column} IS NULL RETURNING {self.column} IS NOT NULL AS has_value)"
            " SELECT (SELECT count(*) FROM found), count(*) FILTER (WHERE has_value) FROM filled"
        )


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that are committed together, or one that runs outside of any transaction.

    `builds` names the index that a concurrent build makes; `check_first` asks for `violations` before the statements.
    `online` is false where writers wait for more than a change of the catalog. `scans` is true where all rows are read, so
    that it takes its time. `relations` are the quoted names of what it locks. `retry_after` is what to do, before it is
    tried once more, where rows that were written meanwhile make it fail with one of the violations' SQLSTATEs.
    """

    statements: tuple[str, ...]
    table: str
    lock: Lock
    reason: str
    online: bool = True
    transactional: bool = True
    builds: str | None = None
    violations: ViolationQuery | None = None
    check_first: bool = False
    backfill: Backfill | None = None
    scans: bool = False
    relations: tuple[str, ...] = ()
    retry_after: "Step | None" = None

    @property
    def sql(self) -> str:
        return ";\n".join(self.statements)

    @property
    def script(self) -> str:
        """The step for psql, its transaction included."""
        if self.transactional and len(self.statements) > 1:
            return ";\n".join(("BEGIN", *self.statements, "COMMIT"))
        return self.sql


@dataclass(frozen=True, slots=True)
class PostCheck:
    """A query for a number of rows that makes a note, whose text has {rows} to fill in; 0 makes none.

    It is asked when all repairs are done, and so about what they leave as it is.
    """

    sql: str
    note: Note
    rows: Counted

    def noted(self, count: int) -> Note:
        return replace(self.note, text=self.note.text.replace("{rows}", self.rows.text(count)))


@dataclass(frozen=True, slots=True)
class Repair:
    """Steps that settle the differences `names` of a table together.

    `on_failure` is done, once and if it can be, where they don't. Other repairs require what this one provides.
    """

    phase: Phase
    table: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]
    post_check: PostCheck | None = None
    on_failure: Step | None = None
    requires: frozenset[Condition] = frozenset()
    provides: frozenset[Condition] = frozenset()

    @property
    def objects(self) -> list[ObjectReference]:
        return [ObjectReference(self.table, name) for name in self.names]


@dataclass(frozen=True, slots=True)
class Plan:
    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def steps(self) -> Iterator[Step]:
        """All steps, each after what a retry of it would do before: psql can't know whether that is needed."""
        for repair in self.repairs:
            for step in repair.steps:
                if step.retry_after is not None:
                    yield step.retry_after
                yield step


def plan_of(*parts: Repair | Refusal | Note) -> Plan:
    """Return a sub-plan: what is decided for one difference, or for a few that only work together."""
    return Plan(
        tuple(part for part in parts if isinstance(part, Repair)),
        tuple(part for part in parts if isinstance(part, Refusal)),
        tuple(part for part in parts if isinstance(part, Note)),
    )
