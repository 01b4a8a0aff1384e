"""Plans what to drop when a migration is reverted: what it declared."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..schema.model import Column, Constraint, Schema, Table, identifier, table_sql_name
from .plan import Lock, Step


@dataclass(frozen=True, slots=True)
class Drop:
    """A step that drops `name`, unless the query `holds_data` returns true once the step has its lock.

    The step's statements are the lock and the drop. `data` is what would be lost: "values" or "rows". With `always_kept`, it
    isn't dropped with data even where that is allowed.
    """

    name: str
    step: Step
    holds_data: str | None = None
    data: str = ""
    always_kept: bool = False

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements of a transaction that drops it on the same condition."""
        lock, drop = self.step.statements
        if self.holds_data:
            body = f"BEGIN IF NOT ({self.holds_data}) THEN {drop}; END IF; END"
            quote = _dollar_quote(body)
            drop = f"DO {quote} {body} {quote}"
        return "SET LOCAL row_security = off", lock, drop


def _dollar_quote(text: str) -> str:
    """Return a dollar quote that `text`, which may have any names in it, doesn't contain."""
    tags = ("drop" + "_" * length for length in range(len(text)))
    return next(quote for quote in (f"${tag}$" for tag in tags) if quote not in text)


def plan_rollback(actual: Schema, declared: Schema, remaining: Schema) -> list[Drop]:
    """Plan to drop what `declared` has and `remaining` doesn't: constraints, triggers, indexes, columns, tables.

    Functions stay: they do nothing by themselves, and other triggers may call them.
    """
    drops: list[Drop] = []
    for table in actual.tables.values():
        if table.name in remaining.tables and table.name in declared.tables:
            drops += _drop_parts(table, declared.tables[table.name], remaining.tables[table.name])
    tables = set(declared.tables) - set(remaining.tables)
    return drops + [
        _drop_table(actual.tables[name], always_kept=declared.tables[name].append_only)
        for name in _before_their_parents(tables, actual)
    ]


def _before_their_parents(names: set[str], actual: Schema) -> Iterator[str]:
    """Yield each table before those that its foreign keys point to, unless these point back to it."""
    left = {name for name in names if name in actual.tables}
    while left:
        parents = {
            c.target[1] for name in left for c in actual.tables[name].constraints if c.target and c.target[1] != name
        }
        unreferenced = sorted(left - parents) or sorted(left)[:1]
        yield from unreferenced
        left -= set(unreferenced)


def _drop_parts(table: Table, declared: Table, remaining: Table) -> Iterator[Drop]:
    """Drop the parts of a remaining table that `declared` has and `remaining` doesn't."""
    constraints = {c.name for c in declared.constraints} - {c.name for c in remaining.constraints}
    for constraint in table.constraints:
        if constraint.name in constraints:
            clause = f"ALTER TABLE {table.sql_name} DROP CONSTRAINT {identifier(constraint.name)}"
            yield Drop(constraint.name, _step(table, constraint.name, clause, [constraint]))
    yield from _drop_triggers(table, declared, remaining)
    indexes = {i.name for i in declared.indexes} - {i.name for i in remaining.indexes}
    for index in table.indexes:
        if index.name in indexes and index.constraint is None:
            yield Drop(index.name, _step(table, index.name, f"DROP INDEX {identifier(table.schema, index.name)}"))
    for column in declared.columns.values():
        if column.name not in remaining.columns and column.name in table.columns:
            yield _drop_column(table, column)


def _drop_triggers(table: Table, declared: Table, remaining: Table) -> Iterator[Drop]:
    triggers = {t.name for t in declared.triggers} - {t.name for t in remaining.triggers}
    for trigger in table.triggers:
        if trigger.name in triggers:
            statement = f"DROP TRIGGER {identifier(trigger.name)} ON {table.sql_name}"
            yield Drop(trigger.name, _step(table, trigger.name, statement))


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


def _drop_table(table: Table, *, always_kept: bool) -> Drop:
    step = _step(table, table.name, f"DROP TABLE {table.sql_name}", table.constraints)
    return Drop(table.name, step, f"SELECT EXISTS (SELECT FROM {table.sql_name})", "rows", always_kept)


def _step(table: Table, name: str, statement: str, constraints: Iterable[Constraint] = ()) -> Step:
    """Return the step that drops `name` and `constraints` with it. Dropping a foreign key locks its parent as well."""
    parents = [table_sql_name(*constraint.target) for constraint in constraints if constraint.target is not None]
    return Step(
        (f"LOCK TABLE {table.sql_name} IN ACCESS EXCLUSIVE MODE", statement),
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        f"drop {name}",
        relations=tuple(dict.fromkeys((table.sql_name, *parents))),
    )
