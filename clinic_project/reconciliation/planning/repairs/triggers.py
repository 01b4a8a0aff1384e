"""Triggers and functions: created, replaced, enabled, renamed."""

from collections.abc import Iterable
from dataclasses import replace

from ...comparison.differences import Difference, FunctionDifference, Kind, TriggerDifference
from ...schema.model import Table, Trigger, TriggerMode, UpdateTrigger, close_to_public, identifier
from .. import refusals
from ..plan import Lock, Phase, Plan, Refusal, Repair, Step, plan_of


def trigger_statements(table: Table, trigger: Trigger) -> tuple[str, ...]:
    """Return the statements that create the trigger, and let it fire as declared."""
    create = (
        f"CREATE TRIGGER {identifier(trigger.name)} {trigger.fires} ON {table.sql_name} {trigger.options}"
        f" EXECUTE FUNCTION {trigger.call}"
    )
    set_mode = trigger.mode.statement(table.sql_name, trigger.name)
    return (create,) if trigger.mode is TriggerMode.ORIGIN else (create, set_mode)


def with_triggers_to_come(table: Table, declared: Table, items: Iterable[Difference]) -> Table:
    """Return the table with the triggers that this plan creates, replaces or enables: its backfills fire them as well.

    Those of `declared` are marked.
    """
    coming = [item.declared for item in items if isinstance(item, TriggerDifference)]
    fired = [
        UpdateTrigger(trigger.name, table.sql_name, trigger.before, trigger.update_columns, trigger.mode)
        for trigger in coming
        if trigger.update_columns is not None and trigger.mode is not TriggerMode.DISABLED
    ]
    names = {trigger.name for trigger in fired}
    there = tuple(trigger for trigger in table.update_triggers if trigger.name not in names)
    known = {trigger.name for trigger in declared.triggers}
    return replace(
        table,
        update_triggers=tuple(replace(trigger, declared=trigger.name in known) for trigger in (*there, *fired)),
    )


def repair_trigger(table: Table, item: TriggerDifference) -> Plan:
    """Create, replace, enable or rename a trigger: before any backfill, unless it names a column that is missing."""
    trigger, name = item.declared, identifier(item.name)
    new_columns = not set(trigger.columns) <= table.columns.keys()
    statements: tuple[str, ...]
    lock = Lock.SHARE_ROW_EXCLUSIVE
    match item.kind:
        case Kind.TRIGGER_MISSING:
            statements, verb = trigger_statements(table, trigger), "create"
        case Kind.TRIGGER_DEFINITION:
            drop = f"DROP TRIGGER {name} ON {table.sql_name}"
            statements, verb, lock = (drop, *trigger_statements(table, trigger)), "replace", Lock.ACCESS_EXCLUSIVE
        case Kind.TRIGGER_MODE:
            statements, verb = (trigger.mode.statement(table.sql_name, trigger.name),), "enable"
        case _:
            assert item.actual is not None  # it has another name  # noqa: S101
            found = identifier(item.actual.name)
            statements = (f"ALTER TRIGGER {found} ON {table.sql_name} RENAME TO {name}",)
            verb, lock = "rename", Lock.ACCESS_EXCLUSIVE
    phase = Phase.TRIGGERS_OF_NEW_COLUMNS if new_columns else Phase.TRIGGERS
    step = Step(statements, table.name, lock, f"{verb} the trigger {item.name}", relations=(table.sql_name,))
    return plan_of(Repair(phase, table.name, (item.name,), (step,)))


def repair_function(schema: str, item: FunctionDifference, role: str) -> Plan:
    """Create, replace or close a function, or give it the owner of its tables. Whoever calls it waits for nothing.

    Where PostgreSQL doesn't replace it by another, it is dropped and created, in one transaction, with its privileges.
    """
    if (refusal := _function_refusal(schema, item, role)) is not None:
        return plan_of(refusal)
    if item.owner is not None:
        reason = f"give the function the owner {item.owner}"
    elif item.kind is Kind.FUNCTION_PUBLIC:
        reason = "let only the function's owner create triggers that call it"
    else:
        reason = "create the function" if item.actual is None else "replace the function"
    step = Step(_function_statements(schema, item), item.table, Lock.ROW_EXCLUSIVE, reason)
    return plan_of(Repair(Phase.FUNCTIONS, item.table, (item.name,), (step,)))


def _function_refusal(schema: str, item: FunctionDifference, role: str) -> Refusal | None:
    found = item.actual
    if found is None:
        return None
    if not item.can_be_called:
        return refusals.function_name_taken(schema, item, found)
    if not found.owned:
        return refusals.function_of_another_owner(schema, item, found, role)
    is_dropped = item.kind is Kind.FUNCTION_DEFINITION and not item.can_be_replaced
    return refusals.function_in_use(schema, item, found) if is_dropped and found.needed_by else None


def _function_statements(schema: str, item: FunctionDifference) -> tuple[str, ...]:
    function, found = item.declared, item.actual
    name = function.sql_name(schema)
    if item.owner is not None:
        return (f"ALTER FUNCTION {name} OWNER TO {identifier(item.owner)}",)
    closed = (close_to_public(name),) if function.lends_privileges else ()
    if item.kind is Kind.FUNCTION_PUBLIC:
        return closed
    create = (
        # A body in SQL is checked against the tables, which are created after it.
        "SET LOCAL check_function_bodies = off",
        f"CREATE OR REPLACE FUNCTION {function.sql(schema)}",
    )
    if found is None or item.can_be_replaced:
        return (*create, *closed)
    return (f"DROP FUNCTION {name}", *create, *found.kept, *closed)
