"""Tables that are missing: made together, in one transaction, since nobody uses them yet."""

from ..differences import Differences, Kind
from ..plan import Draft, Lock, Phase, Repair, Step
from ..schema import Constraint, Index, Schema, Table, identifier
from .constraints import add_rule_at_once, waits_for_parent
from .indexes import name_taken


def create_missing_tables(draft: Draft, differences: Differences) -> None:
    missing = {
        item.table: differences.expected.tables[item.table]
        for item in differences.items
        if item.kind is Kind.TABLE_MISSING
    }
    creatable = _without_waiting(draft, _without_taken_names(draft, missing))
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
    draft.repairs.append(Repair(Phase.TABLES, names, tuple(creatable), (step,)))
    for table, key in later:
        # Each in a transaction of its own, so that no lock on a parent in use is held while waiting for another's.
        add_rule_at_once(draft, table, key)


def _without_taken_names(draft: Draft, missing: dict[str, Table]) -> dict[str, Table]:
    """Leave out the tables that would have an index of a name which something else has."""
    free = {}
    for table in missing.values():
        taken = [draft.actual.holders[i.name] for i in table.indexes if i.name in draft.actual.holders]
        draft.refusals += [name_taken(table, holder.name, holder) for holder in taken]
        if not taken:
            free[table.name] = table
    return free


def _without_waiting(draft: Draft, missing: dict[str, Table]) -> dict[str, Table]:
    """Leave out the tables whose parents are nowhere, and those that need them in turn."""
    creatable = dict(missing)
    while waiting := _absent_parents(creatable, draft.actual):
        for name, parents in waiting.items():
            del creatable[name]
            draft.notes.append(waits_for_parent(name, name, ", ".join(sorted(parents))))
    return creatable


def _absent_parents(creatable: dict[str, Table], actual: Schema) -> dict[str, set[str]]:
    absent = {
        table.name: {_target(key) for key in _foreign_keys(table)} - set(creatable) - set(actual.tables)
        for table in creatable.values()
    }
    return {name: parents for name, parents in absent.items() if parents}


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
