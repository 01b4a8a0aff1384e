"""Tables that are missing: made together, in one transaction, since nobody uses them yet."""

from collections.abc import Iterable

from ...comparison.differences import Difference, Kind
from ...schema.model import Constraint, Index, Table, identifier
from ..builder import Draft
from ..dependencies import Is, free
from ..plan import Footing, Lock, Phase, Repair, Step
from .constraints import add_rule_at_once


def create_missing_tables(draft: Draft, items: Iterable[Difference]) -> None:
    creatable = _without_waiting(draft, {item.table: item.wanted for item in items if item.kind is Kind.TABLE_MISSING})
    draft.created = frozenset(creatable)
    if not creatable:
        return
    statements = [statement for table in creatable.values() for statement in _create(table)]
    later: list[tuple[Table, Constraint]] = []
    for table in creatable.values():
        for key in _foreign_keys(table):
            if _target(key) in creatable:
                statements.append(f"ALTER TABLE {table.sql_name} ADD CONSTRAINT {identifier(key.name)} {key.text}")
            else:
                later.append((table, key))
    names = ", ".join(creatable)
    step = Step(
        tuple(statements),
        names,
        Lock.ACCESS_EXCLUSIVE,
        "create the tables" if len(creatable) > 1 else "create the table",
    )
    gives = frozenset(Footing(Is.A_TABLE, name) for name in creatable)
    needs = frozenset(free(index.name) for table in creatable.values() for index in table.indexes)
    draft.repairs.append(Repair(Phase.TABLES, names, tuple(creatable), (step,), needs=needs, gives=gives))
    for table, key in later:
        # Each in a transaction of its own, so that no lock on a parent in use is held while waiting for another's.
        add_rule_at_once(draft, table, key)


def _without_waiting(draft: Draft, missing: dict[str, Table]) -> dict[str, Table]:
    """Leave out the tables whose parents won't be there, and those that need them in turn."""
    creatable = dict(missing)
    while waiting := [table.name for table in creatable.values() if _waits(draft, table)]:
        for name in waiting:
            del creatable[name]
    return creatable


def _waits(draft: Draft, table: Table) -> bool:
    parents = {_target(key) for key in _foreign_keys(table)} - {table.name}
    return draft.undone.holds_up_places(
        [(table.name, table.name)],
        frozenset(Footing(Is.A_TABLE, parent) for parent in parents),
        frozenset({Footing(Is.A_TABLE, table.name)}),
    )


def _foreign_keys(table: Table) -> list[Constraint]:
    return [constraint for constraint in table.constraints if constraint.kind == "f"]


def _target(key: Constraint) -> str:
    assert key.target is not None  # it is a foreign key  # noqa: S101
    return key.target[1]


def _create(table: Table) -> list[str]:
    parts = [f"{identifier(column.name)} {column.definition}" for column in table.columns.values()]
    parts += [f"CONSTRAINT {identifier(c.name)} {c.text}" for c in table.constraints if c.kind != "f"]
    lines = ",\n    ".join(parts)
    indexes = [index for index in table.indexes if index.constraint is None]
    return [f"CREATE TABLE {table.sql_name} (\n    {lines}\n)", *(_create_index(table, index) for index in indexes)]


def _create_index(table: Table, index: Index) -> str:
    unique = "UNIQUE " if index.unique else ""
    return f"CREATE {unique}INDEX {identifier(index.name)} ON {table.sql_name} {index.definition}"
