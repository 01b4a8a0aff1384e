"""The triggers of a recorded table, and those of the history itself."""

from collections.abc import Sequence

from django.db.models import BaseConstraint

from clinic_project.reconciliation.triggers import Trigger

_RECORD, _REFUSE = "audit.audit_record_change", "audit.audit_refuse_change"
#: In the order of their names, PostgreSQL fires the triggers of a row: before those that change the row once more.
_FIRST, _LAST = "00", "zz"


def history_triggers(table: str) -> list[BaseConstraint]:
    """Return the triggers with which `table` is recorded: each change of a row, by whom, and what was there before.

    The table has a key `id` of integers. TRUNCATE is refused.
    """
    return [
        Trigger(name=f"{_FIRST}_{table}_history", function=_RECORD, events=["INSERT", "DELETE"]),
        # By their bytes: some types have no operator for equality.
        Trigger(
            name=f"{_FIRST}_{table}_history_update",
            function=_RECORD,
            events=["UPDATE"],
            condition="OLD.* *<> NEW.*",
        ),
        Trigger(
            name=f"{_FIRST}_{table}_no_truncate",
            function=_REFUSE,
            timing="BEFORE",
            events=["TRUNCATE"],
            level="STATEMENT",
            arguments=["recorded"],
        ),
    ]


def append_only(table: str, events: Sequence[str] = ("UPDATE", "DELETE", "TRUNCATE")) -> Trigger:
    """Return the trigger that refuses every change of the rows of `table`."""
    return Trigger(
        name=f"{table}_append_only",
        function=_REFUSE,
        timing="BEFORE",
        events=events,
        level="STATEMENT",
        arguments=["history"],
        append_only=True,
    )


def removed_by_destruction_alone(table: str) -> Trigger:
    """Return the trigger that refuses the removal of entries of the history other than by `destruction_triggers`."""
    return Trigger(
        name=f"{table}_by_destruction_alone",
        function="audit.audit_refuse_removal",
        events=["DELETE"],
        level="STATEMENT",
        referencing="OLD TABLE AS removed",
    )


def destruction_triggers(table: str) -> list[BaseConstraint]:
    """Return the triggers of the log of destructions: inserting a row destroys what it names, and is recorded itself.

    What replicates the log inserts what was destroyed on another server: there nothing is destroyed.
    """
    return [
        append_only(table),
        # After all others, of which one may leave the row out.
        Trigger(
            name=f"{_LAST}_{table}_destroy",
            function="audit.audit_destroy",
            timing="BEFORE",
            events=["INSERT"],
            enabled="O",
        ),
        Trigger(name=f"{_FIRST}_{table}_history", function=_RECORD, events=["INSERT"]),
    ]


def written_by_triggers_alone(table: str) -> Trigger:
    """Return the trigger that refuses an INSERT by hand.

    What replicates the table has to insert what another server's triggers wrote: there it isn't fired.
    """
    return Trigger(
        name=f"{table}_by_triggers_alone",
        function=_REFUSE,
        timing="BEFORE",
        events=["INSERT"],
        level="STATEMENT",
        condition="pg_trigger_depth() = 0",
        arguments=["history"],
        enabled="O",
    )
