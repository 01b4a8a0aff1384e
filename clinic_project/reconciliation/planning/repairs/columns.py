"""Columns: missing ones, types, defaults, nullability, and what generates their keys."""

import re
from dataclasses import replace

from ...comparison.differences import Difference
from ...schema.model import Column, Table, helper_name, identifier
from ..builder import Draft
from ..plan import Fill, Guard, Inquiry, Lock, Note, Phase, Refusal, Repair, Step
from . import violations as guards


def _alter(table: Table, reason: str, *clauses: str, guard: Guard | None = None, check_first: bool = False) -> Step:
    statements = tuple(f"ALTER TABLE {table.sql_name} {clause}" for clause in clauses)
    return Step(
        statements,
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
        guard=guard,
        check_first=check_first,
    )


def _repair(draft: Draft, phase: Phase, table: Table, column: Column, *steps: Step) -> None:
    draft.repairs.append(Repair(phase, table.name, (column.name,), steps))


# Missing


def add_column(draft: Draft, table: Table, item: Difference) -> None:
    column = item.wanted
    name = identifier(column.name)
    added = f"ADD COLUMN {name} {column.definition}"
    reason = f"add the column {column.name}"
    if _rewrites(column):
        alone = _alter(table, reason, added, guard=_only_when_empty(table, column, added), check_first=True)
        steps: tuple[Step, ...] = (replace(alone, online=False),)
    elif column.not_null and column.default is None and column.fill is not None:
        filled = f"ADD COLUMN {name} {column.definition} DEFAULT {column.fill}"
        steps = (_alter(table, reason, filled, f"ALTER COLUMN {name} DROP DEFAULT"),)
    elif column.not_null and column.default is None:
        steps = (_alter(table, reason, added, guard=_no_value(table, column), check_first=True),)
    elif column.default_volatile:
        steps = _add_and_fill(draft, table, column, reason)
    else:
        steps = (_alter(table, reason, added),)
    _repair(draft, Phase.COLUMNS, table, column, *steps)


def _rewrites(column: Column) -> bool:
    """Whether ADD COLUMN writes every row anew while nobody may read the table."""
    return bool(column.identity) or column.generated.startswith("s")


def _only_when_empty(table: Table, column: Column, clause: str) -> Guard:
    return guards.any_rows(
        table,
        column.name,
        f"the column is missing, and adding it ({column.definition}) to {{count}} rows rewrites the whole table"
        " under a lock that keeps readers out.",
        f"At a time when that can be, run: ALTER TABLE {table.sql_name} {clause}",
        code="column-needs-rewrite",
    )


def _no_value(table: Table, column: Column) -> Guard:
    return guards.any_rows(
        table,
        column.name,
        f"the column is missing, it is declared {column.definition} without a default, and the table has"
        f" {{count}} rows: there is no value to give them.",
        f"Add it with values of your own (ALTER TABLE {table.sql_name} ADD COLUMN {identifier(column.name)}"
        f" {column.type}; UPDATE …), then run migrate again.",
        code="column-without-value",
    )


def _add_and_fill(draft: Draft, table: Table, column: Column, reason: str) -> tuple[Step, ...]:
    """Add a column whose default must be worked out for each row, without the rewrite that ADD COLUMN would make."""
    name = identifier(column.name)
    add = _alter(table, reason, f"ADD COLUMN {name} {column.type}", f"ALTER COLUMN {name} SET DEFAULT {column.default}")
    fill = _fill(draft, table, column, column.default or "")
    return (add, *set_not_null_steps(draft, table, column)) if column.not_null else (add, fill)


# Types


def change_type(draft: Draft, table: Table, item: Difference) -> None:
    column, found = item.wanted, item.found
    name = identifier(column.name)
    if is_free_widening(found, column):
        step = _alter(table, f"widen {column.name} from {found.type}", f"ALTER COLUMN {name} TYPE {column.type}")
        _repair(draft, Phase.COLUMNS, table, column, step)
        return
    draft.refusals.append(
        Refusal(
            "column-type",
            table.name,
            column.name,
            f"expected {item.expected}, found {item.actual}. Converting it may fail or change values, and"
            f" {_cost(found, column)}",
            f"After a backup, run: {_conversion(table, column, found)} Then run migrate again.",
        )
    )


def is_free_widening(found: Column, wanted: Column) -> bool:
    """Whether ALTER TYPE only changes the catalogue: https://www.postgresql.org/docs/current/sql-altertable.html"""
    if (found.collation, found.generated) != (wanted.collation, wanted.generated) or wanted.generated:
        return False
    if found.type.startswith("character varying") and wanted.type in ("text", "character varying"):
        return True
    for pattern in (r"character varying\((\d+)\)()", r"numeric\((\d+),(\d+)\)", r"bit varying\((\d+)\)()"):
        before, after = re.fullmatch(pattern, found.type), re.fullmatch(pattern, wanted.type)
        if before and after:
            return int(after[1]) > int(before[1]) and after[2] == before[2]
    return False


def _cost(found: Column, wanted: Column) -> str:
    if found.generated.startswith("s") and not wanted.generated:
        return "whatever worked out its values does so no longer."
    if found.type == wanted.type and not (wanted.generated or found.generated):
        return "rebuilds the indexes on it under a lock that keeps readers out."
    return "rewrites the whole table under a lock that keeps readers out."


def _conversion(table: Table, wanted: Column, found: Column) -> str:
    name = identifier(wanted.name)
    if found.generated.startswith("s") and not wanted.generated:
        return f"ALTER TABLE {table.sql_name} ALTER COLUMN {name} DROP EXPRESSION; (it keeps the column's values)"
    if wanted.generated or found.generated:
        dropped = f"ALTER TABLE {table.sql_name} DROP COLUMN {name}, ADD COLUMN {name}"
        if wanted.not_null and not wanted.generated and wanted.default is None:
            return f"{dropped} {wanted.stored_as}; UPDATE …; (it loses the column's values: give it new ones)"
        return f"{dropped} {wanted.definition}; (it loses the column's values)"
    collate = f" COLLATE {wanted.collation}" if wanted.collation else ""
    using = f"{name}::{wanted.type}"
    if {found.type, wanted.type} == {"timestamp without time zone", "timestamp with time zone"}:
        using = f"{name} AT TIME ZONE 'UTC' (or whichever zone the values are in)"
    return f"ALTER TABLE {table.sql_name} ALTER COLUMN {name} TYPE {wanted.type}{collate} USING {using};"


# Defaults


def change_default(draft: Draft, table: Table, item: Difference) -> None:
    column, found = item.wanted, item.found
    name = identifier(column.name)
    change = "DROP DEFAULT" if column.default is None else f"SET DEFAULT {column.default}"
    clauses = [f"ALTER COLUMN {name} {change}"]
    if found.identity:
        clauses.insert(0, f"ALTER COLUMN {name} DROP IDENTITY")
    reason = f"{change.lower().replace(' default', ' the default')} of {column.name}"
    step = _alter(table, reason, *clauses)
    repair = Repair(Phase.COLUMNS, table.name, (column.name,), (step,), _frozen(table, column, found))
    draft.repairs.append(repair)


def _frozen(table: Table, column: Column, found: Column) -> Inquiry | None:
    """Ask how many rows carry the one instant that a default was frozen to when the table was made."""
    if (
        found.default is None
        or column.default is None
        or not re.match(r"'[^']*'::(timestamp|date|time)", found.default)
    ):
        return None
    name = identifier(column.name)
    return Inquiry(
        f"SELECT count(*) FROM {table.sql_name} WHERE {name} = {found.default}",
        "frozen-default",
        table.name,
        column.name,
        f"{{count}} rows carry the instant to which the default was frozen, {found.default.split('::')[0]}. They are"
        " left as they are; when they were really written is not known here.",
    )


# Nullability


def set_not_null(draft: Draft, table: Table, item: Difference) -> None:
    column = item.wanted
    # Where it can't be proved, the CHECK would go on keeping others from changing the rows that break it.
    helper = identifier(helper_name("check", table.name, column.name))
    cleanup = _alter(table, f"drop the helping check of {column.name}", f"DROP CONSTRAINT IF EXISTS {helper}")
    steps = set_not_null_steps(draft, table, column)
    draft.repairs.append(Repair(Phase.NOT_NULL, table.name, (column.name,), steps, if_given_up=cleanup))


def set_not_null_steps(draft: Draft, table: Table, column: Column) -> tuple[Step, ...]:
    """Make a column NOT NULL while the table is in use.

    1. Fill the NULLs, if there is a value to fill them with; else see that there are none.
    2. Guard new rows by a CHECK, NOT VALID, which reads no row.
    3. VALIDATE the CHECK: it reads every row, and lets others write. Where it finds a NULL that was written between 1 and
       2, fill again, and VALIDATE again: mostly there is none, and looking for one first would read every row twice.
    4. SET NOT NULL: it finds the CHECK and reads no row (since PostgreSQL 12).
    5. Drop the CHECK, in a transaction of its own: in one ALTER with 4 the rows would be read again.

    Cut off anywhere, it starts again at 1: a fill finds nothing to do, and a CHECK that is there is not added twice.
    """
    name = identifier(column.name)
    helper = helper_name("check", table.name, column.name)
    check = f"CHECK ({name} IS NOT NULL)"
    guard = guards.nulls(table, column)
    value = column.value_for_nulls
    steps = [] if value is None else [_fill(draft, table, column, value)]
    if table.constraint(helper) is None:
        guarding = f"ADD CONSTRAINT {identifier(helper)} {check} NOT VALID"
        steps.append(
            _alter(table, f"guard {column.name} against new NULLs", guarding, guard=guard, check_first=value is None)
        )
    mend = None if value is None else replace(_fill(draft, table, column, value), guard=guard)
    return (
        *steps,
        replace(validate(table, helper, f"prove that {column.name} has no NULLs", guard), mend=mend),
        _alter(table, f"make {column.name} NOT NULL", f"ALTER COLUMN {name} SET NOT NULL"),
        _alter(table, f"drop the helping check of {column.name}", f"DROP CONSTRAINT {identifier(helper)}"),
    )


def _fill(draft: Draft, table: Table, column: Column, value: str) -> Step:
    name = identifier(column.name)
    others = ((identifier(other), its) for other, its in draft.fills[table.name].items() if other != column.name)
    fill = Fill(table.sql_name, name, value, tuple(others))
    update = f"UPDATE {table.sql_name} SET {fill.assignments} WHERE {name} IS NULL"
    reason = f"give {value} to the rows without {column.name}, in batches"
    return Step((update,), table.name, Lock.ROW_EXCLUSIVE, reason, relations=(table.sql_name,), fill=fill, scans=True)


def validate(table: Table, constraint: str, reason: str, guard: Guard) -> Step:
    sql = f"ALTER TABLE {table.sql_name} VALIDATE CONSTRAINT {identifier(constraint)}"
    return Step(
        (sql,), table.name, Lock.SHARE_UPDATE_EXCLUSIVE, reason, relations=(table.sql_name,), guard=guard, scans=True
    )


def validate_not_null(draft: Draft, table: Table, item: Difference) -> None:
    """Prove a NOT NULL that PostgreSQL 18 lets be NOT VALID."""
    column, found = item.wanted, item.found
    value = column.value_for_nulls
    steps = [] if value is None else [_fill(draft, table, column, value)]
    reason = f"prove that {column.name} has no NULLs"
    steps.append(validate(table, found.not_null_name or "", reason, guards.nulls(table, column)))
    _repair(draft, Phase.NOT_NULL, table, column, *steps)


def inherit_not_null(draft: Draft, table: Table, item: Difference) -> None:
    column, found = item.wanted, item.found
    clause = f"ALTER CONSTRAINT {identifier(found.not_null_name)} INHERIT"
    reason = f"let tables that inherit {column.name} inherit its NOT NULL"
    value = column.value_for_nulls
    steps = [] if value is None else [_fill(draft, table, column, value)]
    steps.append(_alter(table, reason, clause, guard=guards.nulls(table, column)))
    _repair(draft, Phase.NOT_NULL, table, column, *steps)


def drop_not_null(draft: Draft, table: Table, item: Difference) -> None:
    column = item.wanted
    clause = f"ALTER COLUMN {identifier(column.name)} DROP NOT NULL"
    _repair(draft, Phase.NOT_NULL, table, column, _alter(table, f"let {column.name} be NULL", clause))


# Keys


def add_generator(draft: Draft, table: Table, item: Difference) -> None:
    column, found = item.wanted, item.found
    if found.default is not None:
        text = f"an identity takes the place of its default {found.default}. What that calls is left where it is."
        draft.notes.append(Note("default-replaced", table.name, column.name, text))
    name = identifier(column.name)
    clauses = [f"ALTER COLUMN {name} ADD GENERATED BY DEFAULT AS IDENTITY"]
    if found.default is not None:
        clauses.insert(0, f"ALTER COLUMN {name} DROP DEFAULT")
    alter = _alter(table, f"let {column.name} generate its keys, after the highest", *clauses)
    sequence = f"pg_get_serial_sequence({_literal(table.sql_name)}, {_literal(column.name)})"
    start = f"SELECT setval({sequence}, max({name})) FROM {table.sql_name} HAVING max({name}) > 0"
    _repair(draft, Phase.GENERATORS, table, column, replace(alter, statements=(*alter.statements, start)))


def generate_by_default(draft: Draft, table: Table, item: Difference) -> None:
    column = item.wanted
    clause = f"ALTER COLUMN {identifier(column.name)} SET GENERATED BY DEFAULT"
    _repair(draft, Phase.GENERATORS, table, column, _alter(table, f"let {column.name} be given a key", clause))


def own_sequence(draft: Draft, table: Table, item: Difference) -> None:
    column, found = item.wanted, item.found
    sql = f"ALTER SEQUENCE {found.sequence.name} OWNED BY {table.sql_name}.{identifier(column.name)}"
    reason = f"tie the sequence to {column.name}"
    step = Step((sql,), table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))
    _repair(draft, Phase.GENERATORS, table, column, step)


def lift_limit(draft: Draft, table: Table, item: Difference) -> None:
    column, sequence = item.wanted, item.found.sequence
    sql = f"ALTER SEQUENCE {sequence.name} AS {column.type} NO MAXVALUE"
    reason = f"let {sequence.name} go as far as {column.name} does"
    step = Step((sql,), table.name, Lock.SHARE_ROW_EXCLUSIVE, reason, relations=(table.sql_name,))
    _repair(draft, Phase.GENERATORS, table, column, step)


def advance_sequence(draft: Draft, table: Table, item: Difference) -> None:
    """Move a sequence past the highest key: forward only, and while nobody inserts."""
    column, found = item.wanted, item.found
    name, sequence = identifier(column.name), _literal(found.sequence.name)
    statements = (
        f"LOCK TABLE {table.sql_name} IN SHARE ROW EXCLUSIVE MODE",
        (
            f"SELECT setval({sequence}, max({name})) FROM {table.sql_name}"
            f" HAVING max({name}) >= (SELECT last_value + CASE WHEN is_called THEN {found.sequence.increment} ELSE 0 END"
            f" FROM {found.sequence.name})"
        ),
    )
    reason = f"move {found.sequence.name} past the highest {column.name}"
    step = Step(statements, table.name, Lock.SHARE_ROW_EXCLUSIVE, reason, relations=(table.sql_name,))
    _repair(draft, Phase.GENERATORS, table, column, step)


def _literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
