"""Plans how columns of smaller integers become bigint, with all columns that reference them: a table at a time.

A table comes after those that reference it, so that no key is larger than what a foreign key's column holds; one that was
begun comes first. Nothing is planned while anything is refused.
"""

import re
from collections.abc import Iterator, Sequence

from ..schema.model import (
    Constraint,
    ConstraintKind,
    Dependent,
    Obstacle,
    RelationKind,
    Server,
    Table,
    Widening,
    identifier,
    is_wide_name,
)
from . import refusals
from .plan import Plan, Refusal
from .privileges import missing_for_backfill
from .repairs.steps import alterations, drop_constraint
from .repairs.widened_columns import ForeignKey, WidenedTable, on_columns, trigger_name, under_way


def plan_widening(widenings: Sequence[Widening], server: Server, command: str) -> Plan:
    """Return the repairs of all tables in their order; `command` is the one to run again after a refusal."""
    widened = [widening for widening in widenings if widening.columns]
    refused = [refusal for widening in widened for refusal in _refusals(widening, widenings, server, command)]
    refused += [refusals.not_owner(w.table, server.role) for w in widenings if not w.table.owned]
    if widened and not server.may_create:
        refused.append(refusals.may_not_create(server))
    if refused:
        return Plan(refusals=tuple(refused))
    tables = [_widened_table(widening, widenings, server) for widening in _in_order(widened, widenings)]
    return Plan(tuple(repair for table in tables for repair in table.repairs))


def _widened_table(widening: Widening, widenings: Sequence[Widening], server: Server) -> WidenedTable:
    columns = under_way(widening.table, widening.columns) or widening.columns
    incoming = tuple(_incoming(widening.table, columns, widenings))
    return WidenedTable(widening, columns, incoming, server.version_number)


def _incoming(table: Table, columns: Sequence[str], widenings: Sequence[Widening]) -> Iterator[ForeignKey]:
    """Yield the foreign keys that point to the columns."""
    for other in widenings:
        for key in other.table.constraints_of([ConstraintKind.FOREIGN_KEY]):
            points = key.target == (table.schema, table.name) and not set(columns).isdisjoint(key.target_columns)
            if points and not is_wide_name(key.name):
                yield ForeignKey(other.table, key)


def _in_order(widened: Sequence[Widening], widenings: Sequence[Widening]) -> list[Widening]:
    """Return the tables so that each comes after those that reference it; where they reference each other, by name."""
    left = sorted(widened, key=lambda w: (not under_way(w.table, w.columns), w.table.name))
    ordered: list[Widening] = []
    while left:
        names = {widening.table.name for widening in left}
        ready = (w for w in left if under_way(w.table, w.columns) or not _referencing(w, widenings) & names)
        ordered.append(next(ready, left[0]))
        left.remove(ordered[-1])
    return ordered


def _referencing(widening: Widening, widenings: Sequence[Widening]) -> set[str]:
    incoming = _incoming(widening.table, widening.columns, widenings)
    return {key.table.name for key in incoming} - {widening.table.name}


# What can't be taken over


def _refusals(widening: Widening, widenings: Sequence[Widening], server: Server, command: str) -> Iterator[Refusal]:
    table = widening.table
    yield from missing_for_backfill(table, server.role)
    if table.rows_hidden:
        yield refusals.rows_hidden(table, server.role, "they would have no value in the new columns.")
    obstacles = [*widening.obstacles, *_obstacles(table, widening.columns, widenings)]
    if obstacles:
        yield refusals.widening_blocked(table, widening.columns, obstacles, command)


def _obstacles(table: Table, columns: Sequence[str], widenings: Sequence[Widening]) -> Iterator[Obstacle]:
    if table.kind is RelationKind.PARTITIONED_TABLE:
        yield Obstacle("that the table is partitioned")
    # A view comes before those that it reads, as they are dropped.
    dependents = sorted((d for d in table.dependents if d.foreign_key is None), key=lambda d: -d.level)
    for dependent in on_columns(columns, dependents):
        yield from _of_dependent(dependent)
    for holding in (dependent for dependent in table.dependents if dependent.holds_rows and columns):
        # Its rows have no value for columns that are added later.
        yield Obstacle(holding.name, "; ".join(holding.drop) if holding.restorable else "")
    for constraint in on_columns(columns, table.constraints):
        yield from _of_constraint(table, constraint)
    for index in on_columns(columns, table.indexes):
        if _OF_SMALLER.search(index.definition):
            yield Obstacle(f"index {index.name} ({index.sql})", f"DROP INDEX {identifier(table.schema, index.name)}")
    for incoming in _incoming(table, columns, widenings):
        yield from _of_incoming(incoming)
    yield from _of_triggers(table)
    yield from _of_sequences(table, columns)


#: A key or foreign key over periods, since PostgreSQL 18: its index is one of an exclusion constraint.
_TEMPORAL = re.compile(r"^(PRIMARY KEY|UNIQUE) .* WITHOUT OVERLAPS\)|^FOREIGN KEY \(.*\bPERIOD ")

#: A class of operators for smaller integers alone, as PostgreSQL prints those that aren't the default.
_OF_SMALLER = re.compile(r"\bint[24]_\w+")


def _of_dependent(dependent: Dependent) -> Iterator[Obstacle]:
    """A view is created again in the exchange; a materialized one would be filled again meanwhile."""
    fills = any(statement.startswith("CREATE MATERIALIZED VIEW") for statement in dependent.create)
    if not dependent.restorable or not dependent.owned or fills:
        yield Obstacle(dependent.name, "; ".join(dependent.drop))


def _of_constraint(table: Table, constraint: Constraint) -> Iterator[Obstacle]:
    """A deferrable key would already be checked by its copy at each statement."""
    is_key = constraint.kind.can_be_referenced
    excludes = constraint.kind is ConstraintKind.EXCLUSION or _TEMPORAL.search(constraint.definition)
    if excludes or not constraint.enforced or (is_key and constraint.deferrable):
        (drop,) = alterations(table, [drop_constraint(constraint.name)])
        yield Obstacle(f"constraint {constraint.name} ({constraint.sql})", drop)


def _of_incoming(incoming: ForeignKey) -> Iterator[Obstacle]:
    yield from _of_constraint(incoming.table, incoming.key)
    if incoming.table.kind is RelationKind.PARTITIONED_TABLE:
        yield Obstacle(f"a foreign key of the partitioned table {incoming.table.name}")


def _of_triggers(table: Table) -> Iterator[Obstacle]:
    """Yield what may change the rows while they are copied, or the column after it was copied, by its name."""
    for trigger in table.update_triggers:
        if trigger.table == table.sql_name and trigger.before and not trigger.columns:
            yield Obstacle(
                f"{'rule' if trigger.rule else 'trigger'} {trigger.name}, which changes updates", trigger.disable
            )
    for late in table.triggers:
        if late.before and late.name.encode() > trigger_name(table).encode():
            yield Obstacle(f"trigger {late.name}, which fires after all of ASCII")


def _of_sequences(table: Table, columns: Sequence[str]) -> Iterator[Obstacle]:
    for name in columns:
        sequence = table.columns[name].sequence
        if sequence is not None and not sequence.alterable:
            yield Obstacle(f"the sequence {sequence.name}, which has another owner")
