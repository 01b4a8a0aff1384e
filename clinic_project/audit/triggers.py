"""The triggers of a recorded table, and those of the history itself."""

from django.db.models import BaseConstraint

from clinic_project.reconciliation.triggers import Trigger

#: In the order of their names, PostgreSQL fires the triggers of a row: before those that change the row once more.
_FIRST = "00"


def history_triggers(table: str) -> list[BaseConstraint]:
    """Return the triggers with which `table` is recorded: each change of a row, by whom, and what was there before.

    The table has a key `id` of integers. TRUNCATE is refused.
    """
    function = "audit.audit_record_change"
    return [
        Trigger(name=f"{_FIRST}_{table}_history", function=function, events=["INSERT", "DELETE"]),
        # By their bytes: some types have no operator for equality.
        Trigger(
            name=f"{_FIRST}_{table}_history_update",
            function=function,
            events=["UPDATE"],
            condition="OLD.* *<> NEW.*",
        ),
        Trigger(
            name=f"{_FIRST}_{table}_no_truncate",
            function="audit.audit_refuse_change",
            timing="BEFORE",
            events=["TRUNCATE"],
            level="STATEMENT",
            arguments=["recorded"],
        ),
    ]


def append_only_triggers(table: str) -> list[BaseConstraint]:
    """Return the triggers that refuse every change of the rows of `table`."""
    return [
        Trigger(
            name=f"{table}_append_only",
            function="audit.audit_refuse_change",
            timing="BEFORE",
            events=["UPDATE", "DELETE", "TRUNCATE"],
            level="STATEMENT",
            arguments=["history"],
            append_only=True,
        )
    ]


def written_by_triggers_alone(table: str) -> Trigger:
    """Return the trigger that refuses an INSERT by hand.

    What replicates the table has to insert what another server's triggers wrote: there it isn't fired.
    """
    return Trigger(
        name=f"{table}_by_triggers_alone",
        function="audit.audit_refuse_change",
        timing="BEFORE",
        events=["INSERT"],
        level="STATEMENT",
        condition="pg_trigger_depth() = 0",
        arguments=["history"],
        enabled="O",
    )
