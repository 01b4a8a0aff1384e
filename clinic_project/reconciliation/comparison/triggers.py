"""Triggers and functions: missing, altered, disabled."""

from collections.abc import Iterator

from ..schema.model import Function, Schema, Table, Trigger, TriggerMode
from .differences import Difference, FunctionDifference, Kind, TriggerDifference
from .matching import match


def matching_triggers(declared: Table, actual: Table) -> dict[str, Trigger]:
    """Return, by declared name, the trigger of that name, else one of the same signature and another name."""
    named = {trigger.name: trigger for trigger in actual.triggers}
    missing = [trigger for trigger in declared.triggers if trigger.name not in named]
    free = [trigger for trigger in actual.triggers if trigger.name not in {each.name for each in declared.triggers}]
    return {t.name: named[t.name] for t in declared.triggers if t.name in named} | match(missing, free)


def trigger_differences(declared: Table, actual: Table) -> Iterator[Difference]:
    matched = matching_triggers(declared, actual)
    for trigger in declared.triggers:
        found = matched.get(trigger.name)
        difference = _trigger_difference(trigger, found)
        if difference is not None:
            kind, declared_text, actual_text = difference
            yield TriggerDifference(declared.name, kind, trigger.name, declared_text, actual_text, trigger, found)


def _trigger_difference(declared: Trigger, found: Trigger | None) -> tuple[Kind, str, str] | None:
    if found is None:
        return Kind.TRIGGER_MISSING, declared.sql, "nothing"
    if found.signature != declared.signature:
        return Kind.TRIGGER_DEFINITION, declared.sql, found.sql
    if found.name != declared.name:
        return Kind.TRIGGER_NAME, declared.name, found.name
    if found.mode is not declared.mode:
        return Kind.TRIGGER_MODE, _mode(declared), _mode(found)
    return None


def _mode(trigger: Trigger) -> str:
    return "DISABLED" if trigger.mode is TriggerMode.DISABLED else f"enabled for {trigger.mode.name}"


def function_differences(declared: Schema, actual: Schema) -> Iterator[Difference]:
    """Yield the differences of functions. Their names stand for a table's, too: they belong to none."""
    for key, function in declared.functions.items():
        found = actual.functions.get(key)
        owner = _declared_owner(declared, actual, key)
        difference = _function_difference(function, found, owner)
        if difference is not None:
            kind, declared_text, actual_text = difference
            other_owner = owner if kind is Kind.FUNCTION_OWNER else None
            yield FunctionDifference(key, kind, key, declared_text, actual_text, function, found, other_owner)


def _function_difference(declared: Function, found: Function | None, owner: str | None) -> tuple[Kind, str, str] | None:
    if found is None:
        return Kind.FUNCTION_MISSING, "a function", "nothing"
    if found.definition != declared.definition:
        texts = f"the declared definition ({declared.digest})", f"another one ({found.digest})"
        return Kind.FUNCTION_DEFINITION, *texts
    if owner not in (None, found.owner):
        return Kind.FUNCTION_OWNER, f"the owner {owner}", f"the owner {found.owner}"
    return None


def _declared_owner(declared: Schema, actual: Schema, key: str) -> str | None:
    """Return the owner of the tables whose triggers call the function; None if there is none, or more than one."""
    calling = [table.name for table in declared.tables.values() if any(t.function == key for t in table.triggers)]
    owners = {actual.tables[name].owner for name in calling if name in actual.tables}
    return owners.pop() if len(owners) == 1 else None
