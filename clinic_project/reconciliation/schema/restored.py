"""Declared definitions as PostgreSQL prints them once they were printed and parsed again: in a restored dump, say.

Some expressions change by that: `status IN ('new', 'paid')`, of a varchar, is printed with a cast of the whole array, and
what is parsed from that with a cast of each element. It stays so from then on. Both mean the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from django.db.backends.base.base import BaseDatabaseWrapper

from .declared_triggers import STAND_IN_FUNCTION
from .model import HELPER_PREFIX, Column, Constraint, ConstraintKind, Index, Schema, Table, Trigger, identifier
from .temporary_tables import TableDefinition, create_and_read

#: The objects whose definitions may have expressions in them.
DefinedObject = Column | Index | Constraint | Trigger

#: By which a table is partitioned that has no storage.
_PARTITION_KEY = f"{HELPER_PREFIX}key"


def has_expression(declared: DefinedObject) -> bool:
    if isinstance(declared, Column):
        return declared.generated is not None or declared.default is not None
    if isinstance(declared, Index):
        return declared.body.count("(") > 1
    if isinstance(declared, Trigger):
        return "WHEN (" in declared.options
    return declared.kind in (ConstraintKind.CHECK, ConstraintKind.EXCLUSION)


def with_restored_definitions(
    connection: BaseDatabaseWrapper, declared: Schema, actual: Schema, objects: Mapping[str, Sequence[DefinedObject]]
) -> Schema:
    """Return the declared schema with the restored definitions of `objects`, by table, where the actual tables have them."""
    names = {table: f"{HELPER_PREFIX}restored_{number}" for number, table in enumerate(objects)}
    definitions = [_definition(declared.tables[table], names[table], objects[table]) for table in objects]
    restored = create_and_read(connection, definitions, declared.name, names.values()).tables
    adopted = {
        table: _adopted(declared.tables[table], restored[name], actual.tables[table])
        for table, name in names.items()
        if name in restored
    }
    return replace(declared, tables={**declared.tables, **adopted})


def _definition(table: Table, name: str, objects: Sequence[DefinedObject]) -> TableDefinition:
    """Define a table with the columns of `table` and those `objects`. Whether an index is unique doesn't matter here."""
    columns = [f"{_PARTITION_KEY} integer"]
    columns += [f"{identifier(column.name)} {_column(column, column in objects)}" for column in table.columns.values()]
    constraints = [each for each in objects if isinstance(each, Constraint)]
    return TableDefinition(
        name,
        f"CREATE TABLE {name} ({', '.join(columns)})",
        "" if any(c.kind.is_key for c in constraints) else f" PARTITION BY RANGE ({_PARTITION_KEY})",
        (
            *(f"ALTER TABLE {name} ADD CONSTRAINT {identifier(c.name)} {c.definition}" for c in constraints),
            *(
                f"CREATE INDEX {identifier(index.name)} ON {name} {index.definition}"
                for index in objects
                if isinstance(index, Index)
            ),
        ),
        stand_in=f"CREATE TABLE {name} ()",
        triggers=tuple(
            f"CREATE TRIGGER {identifier(trigger.name)} {trigger.fires} ON {name} {trigger.options}"
            f" EXECUTE FUNCTION {identifier(*STAND_IN_FUNCTION)}()"
            for trigger in objects
            if isinstance(trigger, Trigger)
        ),
    )


def _column(column: Column, with_expression: bool) -> str:
    if with_expression:
        return replace(column, identity=column.identity.NONE, not_null=False).definition
    return replace(column, generated=None).storage_definition


def _adopted(declared: Table, restored: Table, actual: Table) -> Table:
    bodies = {index.body for index in actual.indexes}
    definitions = {constraint.definition for constraint in actual.constraints}
    options = {trigger.options for trigger in actual.triggers}
    restored_options = {trigger.name: trigger.options for trigger in restored.triggers}
    return replace(
        declared,
        columns={
            name: _adopted_column(column, restored.columns[name], actual.columns.get(name))
            for name, column in declared.columns.items()
        },
        indexes=tuple(_adopted_index(index, restored.index(index.name), bodies) for index in declared.indexes),
        constraints=tuple(
            _adopted_constraint(c, restored.constraint(c.name), definitions) for c in declared.constraints
        ),
        triggers=tuple(_adopted_trigger(t, restored_options.get(t.name), options) for t in declared.triggers),
    )


def _adopted_column(declared: Column, restored: Column, actual: Column | None) -> Column:
    if actual is None:
        return declared
    if declared.generated is not None and restored.generated == actual.generated:
        return replace(declared, generated=restored.generated)
    if declared.default is not None and restored.default == actual.default:
        return replace(declared, default=restored.default)
    return declared


def _adopted_index(declared: Index, restored: Index | None, actual: Collection[str]) -> Index:
    if restored is None or declared.body in actual or restored.body not in actual:
        return declared
    return replace(declared, body=restored.body, definition=restored.definition, predicate=restored.predicate)


def _adopted_constraint(declared: Constraint, restored: Constraint | None, actual: Collection[str]) -> Constraint:
    if restored is None or declared.definition in actual or restored.definition not in actual:
        return declared
    return replace(declared, definition=restored.definition)


def _adopted_trigger(declared: Trigger, restored: str | None, actual: Collection[str]) -> Trigger:
    if restored is None or declared.options in actual or restored not in actual:
        return declared
    return replace(declared, options=restored)
