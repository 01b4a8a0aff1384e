"""Columns: missing columns, types, defaults and nullability."""

import re
from collections.abc import Mapping
from dataclasses import replace

from ...comparison.differences import ColumnDifference, MissingColumn
from ...schema.model import Column, HelperRole, Table, helper_name, identifier
from .. import refusals
from ..plan import (
    Backfill,
    CountPhrase,
    Lock,
    Note,
    NoteCode,
    Phase,
    Plan,
    PostCheck,
    Repair,
    Step,
    ViolationQuery,
    plan_of,
)
from . import violations
from .steps import alter_table, comment_on_column, drop_constraint, validate_constraint

#: The values for NULLs, by column, of all columns of a table that are backfilled.
Backfills = Mapping[str, str]


def _repair(phase: Phase, table: Table, column: Column, *steps: Step) -> Repair:
    return Repair(phase, table.name, (column.name,), steps)


# Missing


def add_column(table: Table, item: MissingColumn, backfills: Backfills) -> Plan:
    """Add a column, unless it may only have been renamed: it would be empty, and its values would be in the other."""
    if item.candidates:
        return plan_of(refusals.renamed_column(table, item))
    return plan_of(_repair(Phase.COLUMNS, table, item.declared, *_addition(table, item.declared, backfills)))


def _addition(table: Table, column: Column, backfills: Backfills) -> tuple[Step, ...]:
    added = _added(table, column, backfills)
    if not column.comment:
        return added
    # In the transaction that adds it.
    return (replace(added[0], statements=(*added[0].statements, comment_on_column(table, column))), *added[1:])


def _added(table: Table, column: Column, backfills: Backfills) -> tuple[Step, ...]:
    name = identifier(column.name)
    clause = f"ADD COLUMN {name} {column.definition}"
    reason = f"add the column {column.name}"
    # With a default, PostgreSQL would rewrite the table, or refuse it.
    in_batches = column.default_volatile or (column.backfill_value is not None and table.row_type_is_used)
    if _rewrites(column):
        any_rows = violations.any_rows(table, refusals.column_needs_rewrite(table, column, clause))
        return (replace(alter_table(table, reason, clause, violations=any_rows, check_first=True), online=False),)
    if column.not_null and column.default is None and column.python_default is not None and not in_batches:
        with_default = f"{clause} DEFAULT {column.python_default}"
        return (alter_table(table, reason, with_default, f"ALTER COLUMN {name} DROP DEFAULT"),)
    if column.not_null and column.backfill_value is None:
        any_rows = violations.any_rows(table, refusals.column_without_value(table, column))
        return (alter_table(table, reason, clause, violations=any_rows, check_first=True),)
    if in_batches and table.append_only:
        any_rows = violations.any_rows(
            table, refusals.append_only(table, column, "the column is missing, there are {rows}")
        )
        return (alter_table(table, reason, clause, violations=any_rows, check_first=True),)
    if in_batches:
        return _add_and_backfill(table, column, reason, backfills)
    return (alter_table(table, reason, clause),)


def _rewrites(column: Column) -> bool:
    """Whether ADD COLUMN rewrites the table."""
    return bool(column.identity) or column.generated_stored


def _add_and_backfill(table: Table, column: Column, reason: str, backfills: Backfills) -> tuple[Step, ...]:
    """Add a column without its default, then set that."""
    name = identifier(column.name)
    set_default = [] if column.default is None else [f"ALTER COLUMN {name} SET DEFAULT {column.default}"]
    add = alter_table(table, reason, f"ADD COLUMN {name} {column.storage_definition}", *set_default)
    if column.not_null:
        return (add, *set_not_null_steps(table, column, backfills))
    return (add, _backfill(table, column, column.backfill_value or "", backfills))


# Defaults


def change_default(table: Table, item: ColumnDifference) -> Plan:
    declared, actual = item.declared, item.actual
    name = identifier(declared.name)
    change = "DROP DEFAULT" if declared.default is None else f"SET DEFAULT {declared.default}"
    clauses = [f"ALTER COLUMN {name} {change}"]
    if actual.identity:
        clauses.insert(0, f"ALTER COLUMN {name} DROP IDENTITY")
    verb = "drop the default" if declared.default is None else f"set the default {declared.default}"
    step = alter_table(table, f"{verb} of {declared.name}", *clauses)
    repair = _repair(Phase.COLUMNS, table, declared, step)
    return plan_of(replace(repair, post_check=_frozen_rows(table, declared, actual)))


def _frozen_rows(table: Table, declared: Column, actual: Column) -> PostCheck | None:
    """Count the rows that have the time at which the default was evaluated once, when the table was created."""
    if actual.default is None or declared.default is None:
        return None
    if not re.match(r"'[^']*'::(timestamp|date|time)", actual.default):
        return None
    text = (
        f"{{rows}} the time at which the default was frozen, {actual.default.split('::')[0]}. No row is changed, since the"
        " true times are unknown."
    )
    return PostCheck(
        f"SELECT count(*) FROM {table.sql_name} WHERE {identifier(declared.name)} = {actual.default}",
        Note(NoteCode.FROZEN_DEFAULT, table.name, declared.name, text),
        CountPhrase("row has", "rows have"),
    )


# Comments


def change_comment(table: Table, item: ColumnDifference) -> Plan:
    column = item.declared
    sql = comment_on_column(table, column)
    step = Step(
        (sql,),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        f"set the comment of {column.name}",
        relations=(table.sql_name,),
    )
    return plan_of(_repair(Phase.COLUMNS, table, column, step))


# Nullability


def set_not_null(table: Table, item: ColumnDifference, backfills: Backfills) -> Plan:
    column = item.declared
    # Where it can't be validated, the CHECK would prevent updates of the rows that violate it.
    helper = helper_name(HelperRole.CHECK, table.name, column.name)
    reason = f"drop the helper check of {column.name}"
    clean_up = alter_table(table, reason, drop_constraint(helper, if_exists=True))
    repair = _repair(Phase.NOT_NULL, table, column, *set_not_null_steps(table, column, backfills))
    return plan_of(replace(repair, on_failure=clean_up))


def set_not_null_steps(table: Table, column: Column, backfills: Backfills) -> tuple[Step, ...]:
    """Make a column NOT NULL while the table is in use.

    1. Backfill the NULLs, if there is a value for them; else check that there are none.
    2. Add a CHECK, NOT VALID, which rejects new NULLs. That reads no rows.
    3. VALIDATE the CHECK, which reads all rows while other sessions write. If it finds a NULL that was written between 1
       and 2, backfill again and VALIDATE again: usually there is none, and a query for them would read all rows twice.
    4. SET NOT NULL, which finds the CHECK and reads no rows (since PostgreSQL 12).
    5. Drop the CHECK, in a transaction of its own: in one ALTER TABLE with 4, all rows would be read again.

    After an interruption it starts again at 1: the backfill finds nothing to do, and an existing CHECK isn't added again.
    """
    name = identifier(column.name)
    helper = helper_name(HelperRole.CHECK, table.name, column.name)
    steps, nulls = _backfill_and_nulls(table, column, backfills)
    fill = steps[0] if steps else None
    if table.constraint(helper) is None:
        check = f"ADD CONSTRAINT {identifier(helper)} CHECK ({name} IS NOT NULL) NOT VALID"
        reason = f"add a helper check that rejects new NULLs in {column.name}"
        steps.append(alter_table(table, reason, check, violations=nulls, check_first=fill is None))
    retry_after = None if fill is None else replace(fill, violations=nulls)
    validate = validate_constraint(table, helper, f"validate that {column.name} has no NULLs", nulls)
    return (
        *steps,
        replace(validate, retry_after=retry_after),
        alter_table(table, f"make {column.name} NOT NULL", f"ALTER COLUMN {name} SET NOT NULL"),
        alter_table(table, f"drop the helper check of {column.name}", drop_constraint(helper)),
    )


def _backfill(table: Table, column: Column, value: str, backfills: Backfills) -> Step:
    others = {other: v for other, v in backfills.items() if other != column.name}
    backfill = Backfill(
        table.sql_name,
        identifier(column.name),
        value,
        tuple((identifier(other), v) for other, v in others.items()),
        tuple(t for t in table.update_triggers if not t.columns or {column.name, *others}.intersection(t.columns)),
        table.descendants,
        () if table.primary_key is None else tuple(map(identifier, table.primary_key.columns)),
    )
    return Step(
        (backfill.update,),
        table.name,
        Lock.ROW_EXCLUSIVE,
        f"set {column.name} to {value} where it is NULL, in batches",
        relations=(table.sql_name,),
        backfill=backfill,
        scans=True,
    )


def _backfill_and_nulls(table: Table, column: Column, backfills: Backfills) -> tuple[list[Step], ViolationQuery]:
    """Return the backfill, if there is a value for it, and the query for the NULLs that are left then."""
    value = violations.fill_value(table, column)
    if value is None:
        return [], violations.nulls(table, column, None)
    step = _backfill(table, column, value, backfills)
    return [step], violations.nulls(table, column, step.backfill)


def validate_not_null(table: Table, item: ColumnDifference, backfills: Backfills) -> Plan:
    """Validate a NOT NULL constraint, which can be NOT VALID since PostgreSQL 18."""
    column, name = item.declared, item.actual.not_null_name or ""
    steps, nulls = _backfill_and_nulls(table, column, backfills)
    steps.append(validate_constraint(table, name, f"validate that {column.name} has no NULLs", nulls))
    return plan_of(_repair(Phase.NOT_NULL, table, column, *steps))


def inherit_not_null(table: Table, item: ColumnDifference, backfills: Backfills) -> Plan:
    column, name = item.declared, item.actual.not_null_name or ""
    steps, nulls = _backfill_and_nulls(table, column, backfills)
    reason = f"make tables that inherit {column.name} inherit its NOT NULL"
    clause = f"ALTER CONSTRAINT {identifier(name)} INHERIT"
    steps.append(alter_table(table, reason, clause, violations=nulls))
    return plan_of(_repair(Phase.NOT_NULL, table, column, *steps))


def drop_not_null(table: Table, item: ColumnDifference) -> Plan:
    column = item.declared
    clause = f"ALTER COLUMN {identifier(column.name)} DROP NOT NULL"
    return plan_of(_repair(Phase.NOT_NULL, table, column, alter_table(table, f"allow NULL in {column.name}", clause)))
