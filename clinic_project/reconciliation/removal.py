"""Takes back what a migration declared, without losing a row: what holds something stays, with a warning."""

from collections.abc import Iterator

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from .engine import inspect
from .errors import DEPENDENT_OBJECTS_STILL_EXIST, message, sqlstate
from .exceptions import Refused
from .executor import Executor, GivenUp
from .introspection import Server
from .plan import Lock, Note, Step
from .run import Run
from .schema import Column, Schema, Table, identifier


def remove_undeclared(
    connection: BaseDatabaseWrapper, server: Server, declared: Schema, remaining: Schema, run: Run
) -> list[Note]:
    """Remove what `declared` has and `remaining` has not: indexes and constraints, columns, tables.

    Returns a note for each table and column that stays, because it holds something or something depends on it. Raises
    Refused if a lock can't be had.
    """
    actual = inspect(connection, server, declared).differences.actual
    remover = _Remover(Executor(connection, run.budgets, run.reporter), run.allow_data_loss)
    try:
        for table in actual.tables.values():
            if table.name in remaining.tables:
                remover.shrink(table, declared.tables[table.name], remaining.tables[table.name])
        gone = set(declared.tables) - set(remaining.tables)
        for name in _children_first(gone, actual):
            remover.drop_table(actual.tables[name])
    except GivenUp as given_up:
        raise Refused([given_up.refusal]) from given_up
    return remover.notes


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


class _Remover:
    def __init__(self, executor: Executor, allow_data_loss: bool) -> None:
        self.executor = executor
        self.allow_data_loss = allow_data_loss
        self.notes: list[Note] = []

    def drop_table(self, table: Table) -> None:
        cascade = " CASCADE" if self.allow_data_loss else ""
        step = Step(
            (f"LOCK TABLE {table.sql_name} IN ACCESS EXCLUSIVE MODE", f"DROP TABLE {table.sql_name}{cascade}"),
            table.name,
            Lock.ACCESS_EXCLUSIVE,
            f"drop {table.name}",
            relations=(table.sql_name,),
        )
        self._remove(step, table.name, f"SELECT EXISTS (SELECT FROM {table.sql_name})", "it holds rows")

    def shrink(self, table: Table, declared: Table, remaining: Table) -> None:
        kept = {c.name for c in remaining.constraints}
        for constraint in declared.constraints:
            if constraint.name not in kept and table.constraint(constraint.name) is not None:
                self._alter(table, constraint.name, f"DROP CONSTRAINT {identifier(constraint.name)}")
        kept = {i.name for i in remaining.indexes}
        for index in declared.indexes:
            if index.constraint is None and index.name not in kept and table.index(index.name) is not None:
                self._drop_index(table, index.name)
        for column in declared.columns.values():
            if column.name not in remaining.columns and column.name in table.columns:
                self._drop_column(table, column)

    def _alter(self, table: Table, name: str, clause: str) -> None:
        step = _alteration(table, name, clause)
        self._remove(step, name, None, "")

    def _drop_column(self, table: Table, column: Column) -> None:
        name = identifier(column.name)
        filled = (
            f"SELECT EXISTS (SELECT FROM {table.sql_name} WHERE {name} IS DISTINCT FROM {column.default or 'NULL'})"
        )
        step = _alteration(table, column.name, f"DROP COLUMN {name}")
        self._remove(step, column.name, filled, "it holds values")

    def _drop_index(self, table: Table, name: str) -> None:
        statement = f"DROP INDEX {identifier(table.schema, name)}"
        step = Step(
            (f"LOCK TABLE {table.sql_name} IN ACCESS EXCLUSIVE MODE", statement),
            table.name,
            Lock.ACCESS_EXCLUSIVE,
            f"drop {name}",
            relations=(table.sql_name,),
        )
        self._remove(step, name, None, "")

    def _remove(self, step: Step, name: str, holds_something: str | None, why: str) -> None:
        """Run the step unless the query says that something would be lost; both under the step's lock."""
        try:
            removed = self.executor.until_unlocked(step, lambda: self._try(step, holds_something))
        except Error as error:
            if sqlstate(error) != DEPENDENT_OBJECTS_STILL_EXIST:
                raise
            removed, why = False, message(error)
        if not removed:
            text = f"stays, since {why}; migrating forwards adopts it again. --allow-data-loss drops it."
            self.notes.append(Note("kept", step.table, name, text))

    def _try(self, step: Step, holds_something: str | None) -> bool:
        lock, *rest = step.statements
        with self.executor.short_of_locks() as cursor:
            cursor.execute(lock)
            if holds_something is not None and not self.allow_data_loss:
                cursor.execute(holds_something)
                if cursor.fetchone()[0]:
                    return False
            for statement in rest:
                cursor.execute(statement)
        return True


def _alteration(table: Table, name: str, clause: str) -> Step:
    return Step(
        (f"LOCK TABLE {table.sql_name} IN ACCESS EXCLUSIVE MODE", f"ALTER TABLE {table.sql_name} {clause}"),
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        f"drop {name}",
        relations=(table.sql_name,),
    )
