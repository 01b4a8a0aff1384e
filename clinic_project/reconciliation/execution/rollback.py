"""Drops what a migration declared, without losing a row: what holds data is kept, with a note."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import Error

from ..exceptions import Refused
from ..planning import refusals
from ..planning.plan import Lock, Note, NoteCode, Step
from ..schema.model import Column, Constraint, Schema, Table, identifier
from ..sqlstates import DEPENDENT_OBJECTS_STILL_EXIST, connection_lost, message, sqlstate
from .abandonment import RepairAbandoned
from .locks import LockRetry
from .reporter import Reporter


@dataclass(frozen=True, slots=True)
class Drop:
    """A step that drops `name`, unless the query `holds_data` is true when the step has its lock.

    `data` is the word for what would be lost: "values" or "rows".
    """

    name: str
    step: Step
    holds_data: str | None = None
    data: str = ""

    @property
    def script(self) -> list[str]:
        """The drop for psql, with the same condition."""
        lock, drop = self.step.statements
        if self.holds_data:
            drop = f"DO $drop$ BEGIN IF NOT ({self.holds_data}) THEN {drop}; END IF; END $drop$"
        statements = ("BEGIN", "SET LOCAL row_security = off", lock, drop, "COMMIT")
        return [f"-- {self.step.reason} ({self.step.lock})", ";\n".join(statements) + ";"]


def plan_rollback(actual: Schema, declared: Schema, remaining: Schema) -> list[Drop]:
    """Plan to drop what `declared` has, and `remaining` has not: indexes and constraints, columns, tables."""
    drops: list[Drop] = []
    for table in actual.tables.values():
        if table.name in remaining.tables and table.name in declared.tables:
            drops += _drop_parts(table, declared.tables[table.name], remaining.tables[table.name])
    undeclared = set(declared.tables) - set(remaining.tables)
    return drops + [_drop_table(actual.tables[name]) for name in _children_first(undeclared, actual)]


def _children_first(names: set[str], actual: Schema) -> Iterator[str]:
    """Give the tables so that those which point to others come before them, as far as they don't point in circles."""
    left = {name for name in names if name in actual.tables}
    while left:
        pointed_to = {
            c.target[1] for name in left for c in actual.tables[name].constraints if c.target and c.target[1] != name
        }
        free = sorted(left - pointed_to) or sorted(left)[:1]
        yield from free
        left -= set(free)


def _drop_parts(table: Table, declared: Table, remaining: Table) -> Iterator[Drop]:
    """Drop what is declared of a table that remains."""
    constraints = {c.name for c in declared.constraints} - {c.name for c in remaining.constraints}
    for constraint in table.constraints:
        if constraint.name in constraints:
            clause = f"ALTER TABLE {table.sql_name} DROP CONSTRAINT {identifier(constraint.name)}"
            yield Drop(constraint.name, _step(table, constraint.name, clause, [constraint]))
    indexes = {i.name for i in declared.indexes} - {i.name for i in remaining.indexes}
    for index in table.indexes:
        if index.name in indexes and index.constraint is None:
            yield Drop(index.name, _step(table, index.name, f"DROP INDEX {identifier(table.schema, index.name)}"))
    for column in declared.columns.values():
        if column.name not in remaining.columns and column.name in table.columns:
            yield _drop_column(table, column)


def _drop_column(table: Table, column: Column) -> Drop:
    name = identifier(column.name)
    return Drop(
        column.name,
        _step(
            table,
            column.name,
            f"ALTER TABLE {table.sql_name} DROP COLUMN {name}",
            [constraint for constraint in table.constraints if column.name in constraint.columns],
        ),
        f"SELECT EXISTS (SELECT FROM {table.sql_name} WHERE {name} IS DISTINCT FROM {column.default or 'NULL'})",
        "values",
    )


def _drop_table(table: Table) -> Drop:
    step = _step(table, table.name, f"DROP TABLE {table.sql_name}", table.constraints)
    return Drop(table.name, step, f"SELECT EXISTS (SELECT FROM {table.sql_name})", "rows")


def _step(table: Table, name: str, statement: str, constraints: Iterable[Constraint] = ()) -> Step:
    """Return the step that drops `name`, with `constraints`: a foreign key has triggers on its parent, too."""
    parents = [identifier(*constraint.target) for constraint in constraints if constraint.target is not None]
    return Step(
        (f"LOCK TABLE {table.sql_name} IN ACCESS EXCLUSIVE MODE", statement),
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        f"drop {name}",
        relations=tuple(dict.fromkeys((table.sql_name, *parents))),
    )


@dataclass(frozen=True)
class Rollback:
    """Runs drops. With `allow_data_loss`, what holds data is dropped too."""

    locks: LockRetry
    reporter: Reporter
    allow_data_loss: bool

    def run(self, drops: Iterable[Drop]) -> list[Note]:
        """Return a note for each object that is kept. Raises Refused if PostgreSQL refuses, or a lock can't be had."""
        try:
            notes = [self._run(drop) for drop in drops]
        except RepairAbandoned as abandoned:
            raise Refused([abandoned.refusal]) from abandoned
        return [note for note in notes if note is not None]

    def _run(self, drop: Drop) -> Note | None:
        """Drop one object. Return a note if it is kept."""
        began = time.monotonic()
        try:
            dropped = self.locks.until_granted(drop.step, lambda: self._drop(drop))
        except Error as error:
            # Not CASCADE: what depends on it is not ours to drop.
            if sqlstate(error) == DEPENDENT_OBJECTS_STILL_EXIST:
                return _kept(drop, message(error))
            if connection_lost(error):
                raise
            raise RepairAbandoned(
                refusals.statement_failed(drop.step, drop.name, message(error), sqlstate(error))
            ) from error
        if not dropped:
            return _kept(drop, f"it holds {drop.data} (--allow-data-loss would drop it)")
        self.reporter.finished(drop.step, time.monotonic() - began, None)
        return None

    def _drop(self, drop: Drop) -> bool:
        """Return whether it was dropped: not where it holds data."""
        lock, statement = drop.step.statements
        with self.locks.transaction(*drop.step.relations) as cursor:
            cursor.execute(lock)
            if drop.holds_data and not self.allow_data_loss:
                # Rows that policies hide from this role are rows: let PostgreSQL refuse to look, instead of hiding them.
                cursor.execute("SELECT set_config('row_security', 'off', true)")
                cursor.execute(drop.holds_data)
                if cursor.fetchone()[0]:
                    return False
            cursor.execute(statement)
        return True


def _kept(drop: Drop, why: str) -> Note:
    return Note(NoteCode.KEPT, drop.step.table, drop.name, f"stays, since {why}. Migrating forwards adopts it again.")
