"""Missing tables: created together, in one transaction, since nobody uses them yet."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...comparison.differences import Difference, MissingTable
from ...schema.model import Constraint, ConstraintKind, ObjectReference, Schema, Table, identifier
from ..blockers import Blockers
from ..dependencies import function_exists, name_is_free, table_exists
from ..plan import Condition, Lock, Note, NoteCode, Phase, Plan, Repair, Step, plan_of
from .constraints import add_foreign_key_to_new_table
from .steps import comment_on_column, comment_on_table, create_index
from .triggers import trigger_statements


@dataclass(frozen=True, slots=True)
class NewTables:
    """The plan that creates missing tables, and the blockers, with the tables that can't be created."""

    plan: Plan
    blockers: Blockers


def create_missing_tables(items: Iterable[Difference], actual: Schema, blockers: Blockers) -> NewTables:
    missing = {item.table: item.declared for item in items if isinstance(item, MissingTable)}
    tables, blockers = _without_blocked(missing, blockers)
    if not tables:
        return NewTables(Plan(), blockers)
    # Those of each schema by themselves: another schema that is named in a model may be missing.
    groups = [{t.name: t for t in tables.values() if t.schema == schema} for schema in _schemas(tables.values())]
    repairs = [_creation(group) for group in groups]
    # Foreign keys to other tables are added in transactions of their own, so that no lock on a table in use is held while
    # waiting for another.
    repairs += [
        add_foreign_key_to_new_table(table, key, actual)
        for group in groups
        for table in group.values()
        for key in table.constraints_of([ConstraintKind.FOREIGN_KEY])
        if _parent(key) not in group
    ]
    lost = [_created_again(table) for table in tables.values() if table.append_only]
    return NewTables(plan_of(*repairs, *lost), blockers)


def _created_again(table: Table) -> Note:
    text = (
        "the table was missing, and is created empty. Its rows are never changed or removed: if it had any, somebody dropped"
        " it. Restore them from a backup."
    )
    return Note(NoteCode.APPEND_ONLY_CREATED_AGAIN, table.name, table.name, text)


def _schemas(tables: Iterable[Table]) -> list[str]:
    return list(dict.fromkeys(table.schema for table in tables))


def _creation(tables: Mapping[str, Table]) -> Repair:
    statements = [statement for table in tables.values() for statement in _statements(table)]
    keys = [(table, key) for table in tables.values() for key in table.constraints_of([ConstraintKind.FOREIGN_KEY])]
    statements += [
        f"ALTER TABLE {table.sql_name} ADD CONSTRAINT {identifier(key.name)} {key.sql}"
        for table, key in keys
        if _parent(key) in tables
    ]
    names = ", ".join(tables)
    reason = "create the tables" if len(tables) > 1 else "create the table"
    return Repair(
        Phase.TABLES,
        names,
        tuple(tables),
        (Step(tuple(statements), names, Lock.ACCESS_EXCLUSIVE, reason),),
        requires=frozenset(
            name_is_free(table.name, index.name) for table in tables.values() for index in table.indexes
        ),
        provides=frozenset(table_exists(name) for name in tables),
    )


def _without_blocked(missing: Mapping[str, Table], blockers: Blockers) -> tuple[dict[str, Table], Blockers]:
    """Leave out the tables whose parents or functions can't be created, and those that point to them in turn."""
    tables = dict(missing)
    while blocked := [table for table in tables.values() if blockers.blocked_by(_required(table))]:
        for table in blocked:
            causes = blockers.blocked_by(_required(table))
            reference = ObjectReference(table.name, table.name)
            blockers = blockers.block_dependents(causes, [reference], frozenset({table_exists(table.name)}))
            del tables[table.name]
    return tables, blockers


def _required(table: Table) -> frozenset[Condition]:
    parents = {_parent(key) for key in table.constraints_of([ConstraintKind.FOREIGN_KEY])} - {table.name}
    functions = {trigger.function for trigger in table.triggers}
    return frozenset({*map(table_exists, parents), *map(function_exists, functions)})


def _parent(key: Constraint) -> str:
    assert key.target is not None  # a foreign key has one  # noqa: S101
    return key.target[1]


def _statements(table: Table) -> list[str]:
    parts = [f"{identifier(column.name)} {column.definition}" for column in table.columns.values()]
    parts += [
        f"CONSTRAINT {identifier(constraint.name)} {constraint.sql}"
        for constraint in table.constraints
        if constraint.kind is not ConstraintKind.FOREIGN_KEY
    ]
    lines = ",\n    ".join(parts)
    indexes = [index for index in table.indexes if index.constraint is None]
    where = f" TABLESPACE {identifier(table.tablespace)}" if table.tablespace else ""
    return [
        f"CREATE TABLE {table.sql_name} (\n    {lines}\n){where}",
        *(create_index(index, table) for index in indexes),
        *_comments(table),
        *(statement for trigger in table.triggers for statement in trigger_statements(table, trigger)),
    ]


def _comments(table: Table) -> Iterator[str]:
    if table.comment:
        yield comment_on_table(table, table.comment)
    yield from (comment_on_column(table, column) for column in table.columns.values() if column.comment)


def change_table_comment(table: Table, item: Difference) -> Repair:
    sql = comment_on_table(table, item.declared_text)
    lock = Lock.SHARE_UPDATE_EXCLUSIVE
    step = Step((sql,), table.name, lock, "set the comment of the table", relations=(table.sql_name,))
    return Repair(Phase.COLUMNS, table.name, (table.name,), (step,))
