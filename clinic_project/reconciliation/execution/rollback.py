"""Takes back what a migration declared, without losing a row: what holds something stays, with a warning."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import Error

from ..exceptions import Refused
from ..planning.plan import Lock, Note, Step
from ..schema.model import Column, Constraint, Schema, Table, identifier
from ..sqlstates import DEPENDENT_OBJECTS_STILL_EXIST, connection_lost, message, sqlstate
from .executor import Executor, GivenUp, statement_failed


@dataclass(frozen=True, slots=True)
class Removal:
    """A step that drops `name`, unless the query `holds_something` is true when the step has its lock."""

    name: str
    step: Step
    holds_something: str | None = None
    what: str = ""

    @property
    def script(self) -> list[str]:
        """The removal for psql, which looks for rows as well."""
        lock, drop = self.step.statements
        if self.holds_something:
            drop = f"DO $removal$ BEGIN IF NOT ({self.holds_something}) THEN {drop}; END IF; END $removal$"
        statements = ("BEGIN", "SET LOCAL row_security = off", lock, drop, "COMMIT")
        return [f"-- {self.step.reason} ({self.step.lock})", ";\n".join(statements) + ";"]


def plan_removals(actual: Schema, declared: Schema, remaining: Schema) -> list[Removal]:
    """Plan to drop what `declared` has, and `remaining` has not: indexes and constraints, columns, tables."""
    removals: list[Removal] = []
    for table in actual.tables.values():
        if table.name in remaining.tables and table.name in declared.tables:
            removals += _shrink(table, declared.tables[table.name], remaining.tables[table.name])
    gone = set(declared.tables) - set(remaining.tables)
    return removals + [_drop_table(actual.tables[name]) for name in _children_first(gone, actual)]


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


def _shrink(table: Table, declared: Table, remaining: Table) -> Iterator[Removal]:
    constraints = {c.name for c in declared.constraints} - {c.name for c in remaining.constraints}
    for constraint in table.constraints:
        if constraint.name in constraints:
            clause = f"ALTER TABLE {table.sql_name} DROP CONSTRAINT {identifier(constraint.name)}"
            yield Removal(constraint.name, _step(table, constraint.name, clause, [constraint]))
    indexes = {i.name for i in declared.indexes} - {i.name for i in remaining.indexes}
    for index in table.indexes:
        if index.name in indexes and index.constraint is None:
            yield Removal(index.name, _step(table, index.name, f"DROP INDEX {identifier(table.schema, index.name)}"))
    for column in declared.columns.values():
        if column.name not in remaining.columns and column.name in table.columns:
            yield _drop_column(table, column)


def _drop_column(table: Table, column: Column) -> Removal:
    name = identifier(column.name)
    return Removal(
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


def _drop_table(table: Table) -> Removal:
    step = _step(table, table.name, f"DROP TABLE {table.sql_name}", table.constraints)
    return Removal(table.name, step, f"SELECT EXISTS (SELECT FROM {table.sql_name})", "rows")


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


@dataclass
class Remover:
    """Runs removals. With `allow_data_loss`, what holds something goes too."""

    executor: Executor
    allow_data_loss: bool

    def run(self, removals: Iterable[Removal]) -> list[Note]:
        """Return a note for each object that stays. Raises Refused if PostgreSQL says no, or a lock can't be had."""
        notes = []
        for removal in removals:
            try:
                why = self._run(removal)
            except GivenUp as given_up:
                raise Refused([given_up.refusal]) from given_up
            if why:
                text = f"stays, since {why}. Migrating forwards adopts it again."
                notes.append(Note("kept", removal.step.table, removal.name, text))
        return notes

    def _run(self, removal: Removal) -> str:
        """Return why the object stays, or nothing if it is gone."""
        began = time.monotonic()
        try:
            removed = self.executor.until_unlocked(removal.step, lambda: self._try(removal))
        except Error as error:
            # Not CASCADE: what depends on it is not ours to drop.
            if sqlstate(error) == DEPENDENT_OBJECTS_STILL_EXIST:
                return message(error)
            if connection_lost(error):
                raise
            raise GivenUp(statement_failed(removal.step, removal.name, error)) from error
        if not removed:
            return f"it holds {removal.what} (--allow-data-loss would drop it)"
        self.executor.reporter.finished(removal.step, time.monotonic() - began, None)
        return ""

    def _try(self, removal: Removal) -> bool:
        lock, drop = removal.step.statements
        with self.executor.short_of_locks(*removal.step.relations) as cursor:
            cursor.execute(lock)
            if removal.holds_something and not self.allow_data_loss:
                # Rows that policies hide from this role are rows: let PostgreSQL refuse to look, instead of hiding them.
                cursor.execute("SELECT set_config('row_security', 'off', true)")
                cursor.execute(removal.holds_something)
                if cursor.fetchone()[0]:
                    return False
            cursor.execute(drop)
        return True
