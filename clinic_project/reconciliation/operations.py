"""ReconcileSchema: a migration operation that makes the database what the models say, from whatever it is now."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.apps.registry import Apps
from django.core.exceptions import ImproperlyConfigured
from django.db import NotSupportedError, migrations
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .command_context import current_run
from .exceptions import Refused
from .execution.locks import LockRetry
from .execution.rollback import Rollback, plan_rollback
from .pipeline import ReconciliationResult, inspect, read_declared, reconcile
from .planning.plan import Plan

#: What only adds to a declaration, or changes one, and can be brought about by comparing.
_DECLARATIONS = (
    migrations.CreateModel,
    migrations.AddField,
    migrations.AlterField,
    migrations.AddIndex,
    migrations.AddConstraint,
    migrations.AlterUniqueTogether,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)

#: How many of its operations a description names.
_DESCRIBED = 3


class ReconcileSchema(migrations.SeparateDatabaseAndState):
    """Declare models by `state_operations`, as makemigrations wrote them, and bring the database to that declaration.

    Forwards, all tables of the app become what its models are after the operation, whatever they were before; it can be
    run any number of times. Raises Refused where a person has to decide something; the rest is done by then.

    Backwards, tables that it declared go if they are empty, and stay, with a warning, if they hold rows: going forwards
    adopts them again. With `migrate --allow-data-loss` they all go.

    Needs ``atomic = False`` on the migration: indexes are built concurrently, and each step is committed.
    """

    def __init__(self, state_operations: Sequence[Operation]) -> None:
        wrong = [operation for operation in state_operations if not isinstance(operation, _DECLARATIONS)]
        if wrong:
            names = ", ".join(sorted({type(operation).__name__ for operation in wrong}))
            raise ImproperlyConfigured(
                f"ReconcileSchema never removes or renames, since what isn't declared may be somebody else's; found"
                f" {names}. Put these beside it, as operations of their own."
            )
        super().__init__(state_operations=state_operations)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.state_operations], {}

    def describe(self) -> str:
        shown = [operation.describe() for operation in self.state_operations[:_DESCRIBED]]
        more = len(self.state_operations) - len(shown)
        return f"Bring the schema to: {', '.join(shown)}" + (f" and {more} more" if more else "")

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        # RunPython hands on the state that it is given as the first one; here it is where to go, not where from.
        code = partial(_collect, app_label) if schema_editor.collect_sql else partial(_bring, app_label)
        _refuse_transaction(schema_editor)
        migrations.RunPython(code).database_forwards(app_label, schema_editor, to_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Take back what was declared: `from_state` has it, `to_state` does not."""
        _refuse_transaction(schema_editor)
        code = partial(_take_back, app_label, from_state.apps)
        migrations.RunPython(migrations.RunPython.noop, code).database_backwards(
            app_label, schema_editor, to_state, to_state
        )


def _refuse_transaction(schema_editor: Any) -> None:
    if schema_editor.connection.in_atomic_block and not schema_editor.collect_sql:
        raise NotSupportedError(
            "ReconcileSchema cannot be executed inside a transaction (set atomic = False on the migration)."
        )


def _bring(label: str, apps: Apps, schema_editor: Any) -> None:
    _reconcile_or_refuse(schema_editor.connection, apps, label)


def reconcile_apps(connection: BaseDatabaseWrapper, apps: Apps, labels: Sequence[str]) -> ReconciliationResult:
    """Bring the tables of `labels` to their models in `apps`, for the command that runs, which gets the notes."""
    run = current_run()
    server, expected = read_declared(connection, apps, labels)
    outcome = reconcile(connection, server, expected, run.budgets, run.reporter)
    run.notes += outcome.notes
    return outcome


def _reconcile_or_refuse(connection: BaseDatabaseWrapper, apps: Apps, label: str) -> None:
    outcome = reconcile_apps(connection, apps, [label])
    if outcome.refusals:
        raise Refused(outcome.refusals)


def _collect(label: str, apps: Apps, schema_editor: Any) -> None:
    """Write down, for sqlmigrate, what would be run on this database as it is."""
    connection = schema_editor.connection
    inspection = inspect(connection, *read_declared(connection, apps, [label]), current_run().budgets)
    schema_editor.collected_sql += script(inspection.plan)


def script(plan: Plan) -> list[str]:
    """Return the plan as SQL for psql, with its refusals as comments."""
    lines = [f"-- REFUSED: {refusal}" for refusal in plan.refusals]
    for step in plan.steps:
        lines += [f"-- {step.reason} ({step.lock})", f"{step.script};"]
    return lines


def _take_back(label: str, before: Apps, after: Apps, schema_editor: Any) -> None:
    connection, run = schema_editor.connection, current_run()
    server, declared = read_declared(connection, before, [label])
    _, remaining = read_declared(connection, after, [label])
    inspection = inspect(connection, server, declared, run.budgets)
    drops = plan_rollback(inspection.differences.actual, declared, remaining)
    if schema_editor.collect_sql:
        schema_editor.collected_sql += [line for drop in drops for line in drop.script]
        return
    locks = LockRetry(connection, run.budgets, run.reporter)
    run.notes += Rollback(locks, run.reporter, run.allow_data_loss).run(drops)
    _reconcile_or_refuse(connection, after, label)
