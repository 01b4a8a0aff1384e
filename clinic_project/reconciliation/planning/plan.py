"""Differences → Plan: ordered repairs made of steps, refusals and notes. All of it is data, and nothing is run here.

A repair brings about one difference (or a few that only work together); its steps stand in the order in which they must
be taken, and each can be cut off: the next plan starts from what is there. Repairs stand in phases, so that a table is
there before its columns, and a key before the foreign keys that point to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum


class Phase(IntEnum):
    LEFTOVERS = 0
    NAMES = 1
    TABLES = 2
    COLUMNS = 3
    NOT_NULL = 4
    INDEXES = 5
    TIMING = 6
    PROOFS = 7
    KEYS = 8
    GENERATORS = 9
    RULES = 10


class Lock:
    """PostgreSQL's table locks: https://www.postgresql.org/docs/current/explicit-locking.html"""

    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"


#: A table and the name of something of it; the table's own name stands for itself.
Place = tuple[str, str]


def where(place: Place) -> str:
    table, name = place
    return table if name == table else f"{table}.{name}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What only a person can decide. `code` is stable, for programs; `fatal` ones stop the whole plan.

    `waiting` is what can't be repaired before.
    """

    code: str
    table: str
    name: str
    reason: str
    remedy: str
    fatal: bool = False
    waiting: tuple[Place, ...] = ()

    def __str__(self) -> str:
        return _sentences(f"{where((self.table, self.name))}: {self.reason} {self.remedy}", self.waiting)


def merged(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return each refusal once, with all that waits for it: several looks at a schema may each have seen a part."""
    waiting: dict[Refusal, dict[Place, None]] = {}
    for refusal in refusals:
        waiting.setdefault(replace(refusal, waiting=()), {}).update(dict.fromkeys(refusal.waiting))
    return [replace(refusal, waiting=tuple(places)) for refusal, places in waiting.items()]


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know. `waiting` is what can't be repaired before others have made what it tells of."""

    code: str
    table: str
    name: str
    text: str
    waiting: tuple[Place, ...] = ()

    def __str__(self) -> str:
        return _sentences(f"{where((self.table, self.name))}: {self.text}", self.waiting)


def _sentences(text: str, waiting: tuple[Place, ...]) -> str:
    return f"{text} {waiting_text(waiting)}" if waiting else text


def waiting_text(waiting: Iterable[Place]) -> str:
    return f"Waiting for it: {', '.join(where(place) for place in waiting)}."


@dataclass(frozen=True, slots=True)
class Footing:
    """Something that repairs stand on: that a table, some columns of it, or a name, are `what`."""

    what: str
    table: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """A query for the rows that stand in a step's way, as (number of rows, some of their keys).

    It is asked only where the step fails with one of `sqlstates`, or a plan is shown without being carried out: the
    step's own scan finds the same rows. `reason` has {count} and {keys} to fill in.
    """

    sql: str
    code: str
    table: str
    name: str
    reason: str
    remedy: str
    sqlstates: tuple[str, ...]

    def refusal(self, count: int, keys: str) -> Refusal:
        # Not by format(): a check's expression, which may be part of the reason, may have braces of its own.
        reason = self.reason.replace("{count}", str(count)).replace("{keys}", keys)
        return Refusal(self.code, self.table, self.name, reason, self.remedy)


@dataclass(frozen=True, slots=True)
class Fill:
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

    `builds` names the index that a concurrent build makes; `check_first` asks the guard before the statements. `online`
    is false where writers wait for more than a change of the catalogue. `scans` is true where all rows are
    read, so that it takes its time. `relations` are the quoted names of what it locks. `mend` is what to do, before it is
    tried once more, where rows that were written meanwhile make it fail as its guard foresees.
    """

    statements: tuple[str, ...]
    table: str
    lock: str
    reason: str
    online: bool = True
    transactional: bool = True
    builds: str | None = None
    guard: Guard | None = None
    check_first: bool = False
    fill: Fill | None = None
    scans: bool = False
    relations: tuple[str, ...] = ()
    mend: "Step | None" = None

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
class Inquiry:
    """A question to the rows whose answer makes a note: `text` has {count} to fill in, and 0 makes none.

    It is asked when all repairs are done, and so about what they leave as it is.
    """

    sql: str
    code: str
    table: str
    name: str
    text: str

    def note(self, count: int) -> Note:
        return Note(self.code, self.table, self.name, self.text.replace("{count}", str(count)))


@dataclass(frozen=True, slots=True)
class Repair:
    """Steps that settle the differences `names` of a table together.

    `if_given_up` is done, once and if it can be, where they don't. The repair stands on what it `needs`, and others
    stand on what it `gives`.
    """

    phase: Phase
    table: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]
    inquiry: Inquiry | None = None
    if_given_up: Step | None = None
    needs: frozenset[Footing] = frozenset()
    gives: frozenset[Footing] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def steps(self) -> Iterator[Step]:
        """All steps, each after what may have to mend for it: psql can't know beforehand."""
        for repair in self.repairs:
            for step in repair.steps:
                if step.mend is not None:
                    yield step.mend
                yield step
