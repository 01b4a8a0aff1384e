"""A plan as data: ordered repairs made of steps, refusals and notes. Nothing is run here.

A repair settles one difference, or a few that can only be settled together. Its steps are in the order in which they must
run, and a run can be interrupted at each of them: the next plan starts from the schema that it finds. Repairs are sorted by
phases, so that a table exists before its columns, a key before the foreign keys that point to it, and a trigger before
any backfill, which it may have to record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from ..schema.model import WIDE_NAME, ObjectReference, UpdateTrigger, literal, unquoted


class Phase(IntEnum):
    LEFTOVERS = 0
    NAMES = 1
    FUNCTIONS = 2
    TABLES = 3
    TRIGGERS = 4
    COLUMNS = 5
    TRIGGERS_OF_NEW_COLUMNS = 6
    NOT_NULL = 7
    INDEXES = 8
    DEFERRABILITY = 9
    VALIDATION = 10
    KEYS = 11
    KEY_GENERATION = 12
    FOREIGN_KEYS_AND_CHECKS = 13


class Lock(StrEnum):
    """PostgreSQL's table locks: https://www.postgresql.org/docs/current/explicit-locking.html"""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"


class RefusalCode(StrEnum):
    """Why a person has to decide. The values are stable: programs rely on them, and README.md explains them."""

    APPEND_ONLY = "append-only"
    CHECK_VIOLATIONS = "check-violations"
    COLUMN_NEEDS_REWRITE = "column-needs-rewrite"
    COLUMN_TYPE = "column-type"
    COLUMN_WITHOUT_VALUE = "column-without-value"
    CONSTRAINT_NEEDS_LOCK = "constraint-needs-lock"
    DUPLICATES = "duplicates"
    EXTENSION_MISSING = "extension-missing"
    FOUND_ELSEWHERE = "found-elsewhere"
    FUNCTION_REJECTED = "function-rejected"
    HISTORY_LOST = "history-lost"
    INHERITED = "inherited"
    LOCKED = "locked"
    MAY_NOT_CREATE = "may-not-create"
    MAY_NOT_REFERENCE = "may-not-reference"
    MAY_NOT_USE = "may-not-use"
    MAY_NOT_USE_SEQUENCE = "may-not-use-sequence"
    MAY_NOT_WRITE = "may-not-write"
    NAME_TAKEN = "name-taken"
    NO_SCHEMA = "no-schema"
    NOT_A_TABLE = "not-a-table"
    NOT_OWNER = "not-owner"
    NULLS_KEPT = "nulls-kept"
    NULLS_WITHOUT_DEFAULT = "nulls-without-default"
    ORPHAN_ROWS = "orphan-rows"
    OTHER_KEY = "other-key"
    PARENT_WITHOUT_KEY = "parent-without-key"
    PARTITIONED = "partitioned"
    READ_ONLY = "read-only"
    RENAMED_COLUMN = "renamed-column"
    RENAMED_TABLE = "renamed-table"
    REPLICA_IDENTITY = "replica-identity"
    ROW_LEVEL_SECURITY = "row-level-security"
    SEQUENCE_EXHAUSTED = "sequence-exhausted"
    STATEMENT_FAILED = "statement-failed"
    TABLE_REJECTED = "table-rejected"
    TRIGGER_CHANGES_ROWS = "trigger-changes-rows"
    UNLOGGED = "unlogged"
    WIDENING_BLOCKED = "widening-blocked"

    @property
    def prevents_serving(self) -> bool:
        """Whether an application can't use such a database either."""
        return self in (
            RefusalCode.MAY_NOT_USE,
            RefusalCode.NO_SCHEMA,
            RefusalCode.READ_ONLY,
        )


class NoteCode(StrEnum):
    """What a person should know. The values are stable, as those of the refusals are."""

    APPEND_ONLY_CREATED_AGAIN = "append-only-created-again"
    ANOTHER_SCHEMA = "another-schema"
    ANOTHER_TABLESPACE = "another-tablespace"
    CLUSTER_MARK_LOST = "cluster-mark-lost"
    COLLATION_VERSION = "collation-version"
    DEFAULT_REPLACED = "default-replaced"
    FROZEN_DEFAULT = "frozen-default"
    HISTORY_COMPLETED = "history-completed"
    IGNORED = "ignored"
    IGNORE_UNMATCHED = "ignore-unmatched"
    KEPT = "kept"
    MISSING_PARENT = "missing-parent"
    NOT_ENFORCED = "not-enforced"
    PRIVILEGES_REVOKED = "privileges-revoked"
    SHADOWED = "shadowed"
    STANDBY = "standby"
    UNDECLARED = "undeclared"
    UNDECLARED_CHILD = "undeclared-child"
    UNDECLARED_COLUMN = "undeclared-column"
    UNDECLARED_CONSTRAINT = "undeclared-constraint"
    UNDECLARED_INDEX = "undeclared-index"
    UNDECLARED_RULE = "undeclared-rule"
    WIDER_INTEGER = "wider-integer"


@dataclass(frozen=True, slots=True)
class CountPhrase:
    """The words after a number: 1 row points, 2 rows point."""

    singular: str
    plural: str

    def text(self, count: int) -> str:
        return f"{count} {self.singular if count == 1 else self.plural}"


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """A query for rows that a refusal is about, as (number of rows, some of their keys); the refusal stands without any.

    `create` is a statement before it, in the same transaction: a function that it calls.
    """

    sql: str
    rows: CountPhrase
    create: str = ""

    def sentence(self, count: int, keys: str) -> str:
        return f"{self.rows.text(count)} ({keys}): correct {'that' if count == 1 else 'these'} first."


@dataclass(frozen=True, slots=True)
class Refusal:
    """What only a person can decide. Where one is `fatal`, the plan has no repairs.

    `statements` is the SQL of `remedy` that can be run as it is, in its order. `blocked` is what can't be repaired before.
    `rows` asks which rows it is about, where nothing else has asked.
    """

    code: RefusalCode
    table: str
    name: str
    reason: str
    remedy: str
    statements: tuple[str, ...] = ()
    fatal: bool = False
    blocked: tuple[ObjectReference, ...] = ()
    rows: RefusedRows | None = None

    @property
    def subject(self) -> ObjectReference:
        return ObjectReference(self.table, self.name)

    def __str__(self) -> str:
        return _with_blocked(f"{self.subject.label}: {self.reason} {self.remedy}", self.blocked)


def merged(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return each refusal once, with all that it blocks: each of several inspections may have found a part of that."""
    blocked: dict[Refusal, dict[ObjectReference, None]] = {}
    for refusal in refusals:
        blocked.setdefault(replace(refusal, blocked=()), {}).update(dict.fromkeys(refusal.blocked))
    return [replace(refusal, blocked=tuple(objects)) for refusal, objects in blocked.items()]


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know. `blocked` is what can't be repaired before the table that it names exists."""

    code: NoteCode
    table: str
    name: str
    text: str
    blocked: tuple[ObjectReference, ...] = ()

    @property
    def subject(self) -> ObjectReference:
        return ObjectReference(self.table, self.name)

    @property
    def is_warning(self) -> bool:
        """Whether the application fails, reads other tables, lacks rows, or has an idle setting until a person acts."""
        return self.code in (
            NoteCode.UNDECLARED_COLUMN,
            NoteCode.SHADOWED,
            NoteCode.IGNORE_UNMATCHED,
            NoteCode.APPEND_ONLY_CREATED_AGAIN,
            NoteCode.COLLATION_VERSION,
            NoteCode.PRIVILEGES_REVOKED,
        )

    def __str__(self) -> str:
        return _with_blocked(f"{self.subject.label}: {self.text}", self.blocked)


def _with_blocked(text: str, blocked: tuple[ObjectReference, ...]) -> str:
    return f"{text} {blocked_text(blocked)}" if blocked else text


def blocked_text(blocked: Iterable[ObjectReference]) -> str:
    return f"Blocked by this: {', '.join(reference.label for reference in blocked)}."


class ConditionKind(StrEnum):
    """What can be true of a table, of some of its columns, of a constraint, or of a name."""

    TABLE_EXISTS = "table exists"
    TABLE_IS_LOGGED = "table is logged"
    COLUMN_EXISTS = "column exists, of the declared type"
    COLUMN_IS_NOT_NULL = "column is not null"
    COLUMN_IS_OUTSIDE_PRIMARY_KEY = "column is outside of the primary key"
    COLUMNS_ARE_UNIQUE = "columns are a key"
    CONSTRAINT_IS_VALIDATED = "constraint is validated"
    FUNCTION_EXISTS = "function exists"
    NAME_IS_FREE = "name is free"
    ROWS_ARE_VISIBLE = "row-level security hides none of the table's rows from the role"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a repair requires, or that it provides. `names` are those of columns, or of the constraint."""

    kind: ConditionKind
    table: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViolationQuery:
    """A query for the rows that make a step fail, as (number of rows, some of their keys).

    It is run where the step fails with one of `sqlstates`, since the step's own scan finds the same rows; before the step
    only if the step says so (`check_first`), or in a dry run. In the reason of `refusal`, {rows} stands for their number in
    the words of `rows`, and {keys} for their keys. `after_backfill`: a backfill of the same repair changes the rows that it
    finds now, so that before it they are no violations.
    """

    sql: str
    refusal: Refusal
    rows: CountPhrase
    sqlstates: tuple[str, ...]
    after_backfill: bool = False

    def refusal_for(self, count: int, keys: str) -> Refusal:
        # Not by format(): the reason may have a check's expression in it, which may contain braces.
        reason = self.refusal.reason.replace("{rows}", self.rows.text(count)).replace("{keys}", keys)
        return replace(self.refusal, reason=reason)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Sets `column` to `value` where it is NULL, in batches with a commit each.

    `other_columns` get their values (pairs of column and value) in the same UPDATE where they are NULL: if such a column is
    NOT NULL NOT VALID, say, no row in which it is NULL can be updated otherwise. All names are quoted. `copies` is where
    the value is another column's: where that is NULL as well, nothing is missing.

    `triggers` are those that the UPDATE fires. Where there are any, it is run by its `parts`, which check what the triggers
    do to the rows: the rows of each of the `descendants`, which may have columns of their own, are changed by themselves.
    `key` are the columns of the primary key, if there is one.
    """

    table: str
    column: str
    value: str
    other_columns: tuple[tuple[str, str], ...] = ()
    triggers: tuple[UpdateTrigger, ...] = ()
    descendants: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    only: bool = False
    copies: bool = False

    @property
    def parts(self) -> tuple["Backfill", ...]:
        if not self.triggers:
            return (self,)
        return tuple(
            replace(
                self,
                table=table,
                triggers=tuple(trigger for trigger in self.triggers if trigger.table == table),
                descendants=(),
                only=True,
            )
            for table in (self.table, *self.descendants)
        )

    @property
    def update(self) -> str:
        """The UPDATE of all rows at once."""
        return f"UPDATE {self.target} SET {self.assignments} WHERE {self._is_missing}"

    @property
    def _is_missing(self) -> str:
        missing = f"{self.column} IS NULL"
        return f"{missing} AND {self.value} IS NOT NULL" if self.copies else missing

    @property
    def target(self) -> str:
        return f"ONLY {self.table}" if self.only else self.table

    @property
    def assignments(self) -> str:
        others = (f"{column} = coalesce({column}, {value})" for column, value in self.other_columns)
        return ", ".join((f"{self.column} = {self.value}", *others))

    @property
    def end_of_rows(self) -> str:
        """The query for the number of the block after the last one that has a row."""
        return f"SELECT coalesce(max((ctid::text::point)[0])::int + 1, 0) FROM {self.target}"

    def batch(self, first_block: int, end_block: int, rows: int) -> str:
        """Return the UPDATE of at most `rows` rows in the blocks from `first_block` up to, not including, `end_block`.

        It returns how many rows were found, and how many have a value now, since a trigger may set NULL again. The condition
        is there twice, since a ctid identifies a row of this table and another one of each table that inherits from it, and
        since another session may have set a value meanwhile.
        """
        return (
            f"WITH found AS MATERIALIZED ({self._selection(first_block, end_block, rows)}),"
            f" filled AS (UPDATE {self.target} SET {self.assignments} WHERE ctid = ANY (ARRAY(SELECT ctid FROM found))"
            f" AND {self._is_missing} RETURNING {self.column} IS NOT NULL AS has_value)"
            " SELECT (SELECT count(*) FROM found), count(*) FILTER (WHERE has_value) FROM filled"
        )

    def _selection(self, first_block: int, end_block: int, rows: int) -> str:
        return (
            f"SELECT ctid FROM {self.target} WHERE ctid >= '({first_block},0)'"
            f" AND ctid < '({end_block},0)' AND {self._is_missing} LIMIT {rows}"
        )

    # Where triggers are fired, a batch has several statements in one transaction.

    def locked_batch(self, first_block: int, end_block: int, rows: int) -> str:
        """Return the query that locks the rows of a batch, so that only triggers change them: their number and ctids."""
        selection = self._selection(first_block, end_block, rows)
        return f"SELECT count(*), array_agg(ctid)::text FROM ({selection} FOR NO KEY UPDATE) AS found"

    def checked_update(self, ctids: str) -> str:
        """Return the UPDATE of the locked rows at `ctids`, which compares each before and after.

        It returns how many have a value now; how many were changed; their old and new ctids; and the names of the columns
        that differ, apart from those that were NULL and got a value.
        """
        return f"""
            WITH reconcile_found AS MATERIALIZED (
                SELECT ctid AS reconcile_ctid, to_jsonb(reconcile_row) AS reconcile_before
                FROM {self.target} AS reconcile_row WHERE ctid = ANY ('{ctids}'::tid[])
            ),
            reconcile_filled AS (
                UPDATE {self.target} AS reconcile_row SET {self.assignments} FROM reconcile_found
                WHERE reconcile_row.ctid = reconcile_found.reconcile_ctid
                RETURNING reconcile_row.{self.column} IS NOT NULL AS has_value, reconcile_ctid AS old_ctid,
                          reconcile_row.ctid AS new_ctid, reconcile_before AS before, reconcile_row AS reconcile_after
            ),
            reconcile_compared AS MATERIALIZED (
                SELECT before, to_jsonb(reconcile_after) AS after FROM reconcile_filled
            )
            SELECT count(*) FILTER (WHERE has_value), count(*), array_agg(old_ctid)::text, array_agg(new_ctid)::text,
                   (SELECT array_agg(DISTINCT key) FROM reconcile_compared, {_differing("before", "after")}
                    WHERE {self._is_another})
            FROM reconcile_filled
        """

    def changed_again(self, old_ctids: str, new_ctids: str) -> str:
        """Return the query for the old ctid of a row that was changed again after the UPDATE; for no row if none was."""
        return (
            f"SELECT old FROM unnest('{old_ctids}'::tid[], '{new_ctids}'::tid[]) AS pair(old, new)"
            f" WHERE NOT EXISTS (SELECT 1 FROM {self.target} WHERE ctid = pair.new) LIMIT 1"
        )

    def row_before(self, ctid: str) -> str:
        return f"SELECT to_jsonb(reconcile_row)::text FROM {self.target} AS reconcile_row WHERE ctid = '{ctid}'"

    def update_row(self, ctid: str) -> str:
        return f"UPDATE {self.target} SET {self.assignments} WHERE ctid = '{ctid}'"

    def changed_columns(self) -> str:
        """Return the query, with the parameter `before`, for the columns in which that row, found by its key, differs."""
        record = f"jsonb_populate_record(NULL::{self.table}, {{before}})"
        conditions = " AND ".join(f"reconcile_row.{column} = (SELECT {column} FROM {record})" for column in self.key)
        query = f"""
            SELECT array_agg(key) FROM (SELECT {{before}}::jsonb AS before, to_jsonb(reconcile_row) AS after
                                        FROM {self.target} AS reconcile_row WHERE {conditions}) AS compared,
                   {_differing("before", "after")}
            WHERE {self._is_another}
        """
        return query.replace("%", "%%").replace("{before}", "%(before)s")

    def changed_elsewhere(self, before: str, changed: int | None) -> str:
        """Return the query for the tables in which other rows were changed or deleted than the `changed` ones of the batch.

        `before` is what ROW_CHANGES returned before. Rows that were only inserted don't count: a history, say. Without
        `changed`, the batch's own table isn't looked at.
        """
        own = f"{literal(self.table)}::regclass"
        elsewhere = f"relid <> {own} AND " if changed is None else ""
        return f"""
            SELECT array_agg(format('%I.%I', schemaname, relname) ORDER BY relid) FROM pg_stat_xact_user_tables
            WHERE {elsewhere}n_tup_upd + n_tup_del - coalesce(({literal(before)}::jsonb ->> relid::text)::bigint, 0)
                  > CASE WHEN relid = {own} THEN {changed or 0} ELSE 0 END
        """

    @property
    def _is_another(self) -> str:
        """The condition that the differing column `key` isn't one that got its value."""
        filled = ", ".join(literal(unquoted(column)) for column in (self.column, *dict(self.other_columns)))
        return f"NOT (key IN ({filled}) AND before -> key = 'null') AND key !~ {literal(WIDE_NAME)}"

    @property
    def generated_columns(self) -> str:
        """The query for the names of the columns that are derived from others."""
        return (
            "SELECT coalesce(array_agg(attname::text), '{}') FROM pg_attribute"
            f" WHERE attrelid = {literal(self.table)}::regclass AND attgenerated <> ''"
        )


#: How many rows were changed or deleted in each table; those of this transaction, and perhaps of earlier ones.
ROW_CHANGES = """
    SELECT coalesce(jsonb_object_agg(relid, n_tup_upd + n_tup_del), '{}')::text
    FROM pg_stat_xact_user_tables WHERE n_tup_upd + n_tup_del > 0
"""


def _differing(before: str, after: str) -> str:
    """Return the FROM item of the keys whose values differ in two JSON objects of the same keys."""
    return (
        f"LATERAL (SELECT key FROM jsonb_each({before}) AS old(key, value) WHERE value IS DISTINCT FROM {after} -> key)"
        " AS differing"
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that are committed together, or one that runs outside of any transaction.

    `reason` is what it does, as a phrase after the table's name. `lock` is the strongest lock that it takes, `relations`
    are the quoted names of the tables that it locks. `online` is false where writers wait while rows are written or read.
    `scans` is true where all rows are read, so that it may take long. `builds` is the quoted name of the index that a
    concurrent build creates. `check_first`: run the query `violations` before the statements. `retry_after`: where rows
    that were written meanwhile make the step fail with one of the violations' SQLSTATEs, run this step, then retry once.
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
        """The step for psql, with its transaction."""
        if self.transactional and len(self.statements) > 1:
            return ";\n".join(("BEGIN", *self.statements, "COMMIT"))
        return self.sql


@dataclass(frozen=True, slots=True)
class PostCheck:
    """A query for the number of rows that a note is about; no note where it is 0. It is run after all repairs.

    In the text of `note`, {rows} stands for the number in the words of `rows`.
    """

    sql: str
    note: Note
    rows: CountPhrase

    def note_for(self, count: int) -> Note:
        return replace(self.note, text=self.note.text.replace("{rows}", self.rows.text(count)))


@dataclass(frozen=True, slots=True)
class Repair:
    """Steps that together settle the differences of the objects `names` of a table.

    `on_failure` is tried once where a step fails. The repair is blocked where a condition in `requires` can't be met; when
    it is done, those in `provides` are.
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
    """What would be done, and what is refused. `owners` are the repairs for the tables' owner, where this role owns none."""

    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[Note, ...] = ()
    owners: tuple[Repair, ...] = ()

    @property
    def possible(self) -> tuple[Repair, ...]:
        """The repairs that a `migrate` of this role runs, or else of the owner."""
        return self.repairs or self.owners

    @property
    def steps(self) -> Iterator[Step]:
        """All steps, each after its `retry_after`, if it has one: in a script for psql, it can't be left out."""
        for repair in self.repairs:
            for step in repair.steps:
                if step.retry_after is not None:
                    yield step.retry_after
                yield step


def plan_of(*parts: Repair | Refusal | Note) -> Plan:
    """Return a sub-plan: what to do about one difference, or about a few that can only be settled together."""
    return Plan(
        tuple(part for part in parts if isinstance(part, Repair)),
        tuple(part for part in parts if isinstance(part, Refusal)),
        tuple(part for part in parts if isinstance(part, Note)),
    )
