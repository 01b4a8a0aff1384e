"""Triggers and functions: missing, altered, disabled."""

from collections.abc import Iterator

from ..schema.model import Function, Schema, Table, Trigger, TriggerMode
from .differences import Difference, FunctionDifference, Kind, RejectedFunction, TriggerDifference
from .matching import match

#: A kind, the declared text, the actual text.
_Difference = tuple[Kind, str, str]


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
        for kind, declared_text, actual_text in _trigger_differences(trigger, found):
            yield TriggerDifference(declared.name, kind, trigger.name, declared_text, actual_text, trigger, found)


def _trigger_differences(declared: Trigger, found: Trigger | None) -> Iterator[_Difference]:
    if found is None:
        yield Kind.TRIGGER_MISSING, declared.sql, "nothing"
        return
    if found.signature != declared.signature:
        yield Kind.TRIGGER_DEFINITION, declared.sql, found.sql
        return
    if found.name != declared.name:
        yield Kind.TRIGGER_NAME, declared.name, found.name
    if found.mode is not declared.mode:
        yield Kind.TRIGGER_MODE, _mode(declared), _mode(found)


def _mode(trigger: Trigger) -> str:
    return "DISABLED" if trigger.mode is TriggerMode.DISABLED else f"enabled for {trigger.mode.name}"


def function_differences(declared: Schema, actual: Schema) -> Iterator[Difference]:
    """Yield the differences of functions. Their names stand for a table's, too: they belong to none."""
    for key, function in declared.functions.items():
        found = actual.functions.get(key)
        owner = _declared_owner(declared, actual, key)
        for kind, declared_text, actual_text in _function_differences(function, found, owner):
            other_owner = owner if kind is Kind.FUNCTION_OWNER else None
            yield FunctionDifference(key, kind, key, declared_text, actual_text, function, found, other_owner)
    for key, reason in declared.rejected_functions.items():
        found = actual.functions.get(key)
        text = f"{'nothing' if found is None else 'a function'}, and {reason}"
        is_triggers = found is not None and found.result == "trigger"
        yield RejectedFunction(key, Kind.FUNCTION_REJECTED, key, "a function", text, is_triggers)


def _function_differences(declared: Function, found: Function | None, owner: str | None) -> Iterator[_Difference]:
    if found is None:
        yield Kind.FUNCTION_MISSING, "a function", "nothing"
        return
    if found.definition != declared.definition:
        texts = f"the declared definition ({declared.digest})", f"another one ({found.digest})"
        yield Kind.FUNCTION_DEFINITION, *texts
        if not found.owned:
            return  # its owner has to change for that as well
    elif found.lends_privileges and found.is_public:
        yield Kind.FUNCTION_PUBLIC, "no EXECUTE for PUBLIC", "EXECUTE for PUBLIC"
        if not found.owned:
            return
    if owner not in (None, found.owner):
        yield Kind.FUNCTION_OWNER, f"the owner {owner}", f"the owner {found.owner}"


def _declared_owner(declared: Schema, actual: Schema, key: str) -> str | None:
    """Return the owner of the tables whose triggers call the function; None if there is none, or more than one.

    None as well where this role couldn't give the function to that owner: one of the tables isn't its own, or the owner may
    create nothing in the schema.
    """
    calling = [table.name for table in declared.tables.values() if any(t.function == key for t in table.triggers)]
    tables = [actual.tables[name] for name in calling if name in actual.tables]
    owners = {table.owner for table in tables}
    can_be_given = all(table.owned and table.owner_may_create for table in tables)
    return owners.pop() if len(owners) == 1 and can_be_given else None
