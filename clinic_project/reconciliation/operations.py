"""ReconcileSchema: a migration operation that makes the database match the models, whatever state the database is in."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.apps.registry import Apps
from django.core.exceptions import ImproperlyConfigured
from django.db import NotSupportedError, migrations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .command_context import current_context
from .exceptions import Refused
from .execution.locks import LockRetry
from .execution.rollback import Rollback
from .pipeline import inspect, read_declared, runnable_plan, script_settings
from .planning.rollback import plan_rollback
from .planning.script import plan_sql, rollback_sql

#: Operations that only add to the declared schema or alter it, so that comparing the schemas is enough to apply them.
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

#: How many of its operations a description names, at most.
_MAX_DESCRIBED = 3


class ReconcileSchema(migrations.SeparateDatabaseAndState):
    """Declare models by `state_operations`, as makemigrations wrote them, and reconcile the database with them.

    Forwards, it makes all tables of the app match the models after the operation, whatever they were before; it can be run
    any number of times. Raises Refused where a person has to decide something; all else is done by then.

    Backwards, it drops the tables and columns that it declared if they hold no data, and keeps them, with a note, if they
    do: migrating forwards reconciles them again. With `migrate --allow-data-loss` it drops them all.

    In a database of another vendor, it runs the operations as Django does.

    Requires ``atomic = False`` on the migration: indexes are built concurrently, and each step is committed.
    """

    #: For migration_files.py.
    reconciles = True

    def __init__(self, state_operations: Sequence[Operation]) -> None:
        unsuitable = [operation for operation in state_operations if not isinstance(operation, _DECLARATIONS)]
        if unsuitable:
            names = ", ".join(sorted({type(operation).__name__ for operation in unsuitable}))
            raise ImproperlyConfigured(
                f"ReconcileSchema never removes or renames anything, since what isn't declared may be somebody else's;"
                f" found {names}. Move these out of it, as operations of their own."
            )
        super().__init__(state_operations=state_operations)

    @property
    def _without_reconciling(self) -> migrations.SeparateDatabaseAndState:
        """The operations as Django runs them, in a database that isn't PostgreSQL."""
        return migrations.SeparateDatabaseAndState(self.state_operations, self.state_operations)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.state_operations], {}

    def describe(self) -> str:
        shown = [operation.describe() for operation in self.state_operations[:_MAX_DESCRIBED]]
        more = len(self.state_operations) - len(shown)
        return f"Reconcile the schema with: {', '.join(shown)}" + (f" and {more} more" if more else "")

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        # Models that were rendered before would be rendered again after each of the operations, with all that refer to them.
        state.__dict__.pop("apps", None)
        super().state_forwards(app_label, state)

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            self._without_reconciling.database_forwards(app_label, schema_editor, from_state, to_state)
            return
        _require_no_transaction(schema_editor)
        apply = partial(_collect_sql if schema_editor.collect_sql else _reconcile, app_label)
        # RunPython passes the first state that it gets to its code; the declared schema is in `to_state`.
        migrations.RunPython(apply).database_forwards(app_label, schema_editor, to_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            self._without_reconciling.database_backwards(app_label, schema_editor, from_state, to_state)
            return
        # `from_state` has what the operation declares, `to_state` doesn't. What differs between the two schemas is dropped,
        # not what the operations name: of an AlterField, say, only the index that it declared.
        _require_no_transaction(schema_editor)
        revert = partial(_revert, app_label, from_state.apps)
        migrations.RunPython(migrations.RunPython.noop, revert).database_backwards(
            app_label, schema_editor, to_state, to_state
        )


def _require_no_transaction(schema_editor: Any) -> None:
    if schema_editor.connection.in_atomic_block and not schema_editor.collect_sql:
        raise NotSupportedError(
            "ReconcileSchema cannot be executed inside a transaction (set atomic = False on the migration)."
        )


def _reconcile(label: str, apps: Apps, schema_editor: Any) -> None:
    result = current_context().migrate_to(schema_editor.connection, apps, [label])
    if result.refusals:
        raise Refused(result.refusals)


def _collect_sql(label: str, apps: Apps, schema_editor: Any) -> None:
    """Collect, for sqlmigrate, the statements that this database requires in its present state."""
    connection, context = schema_editor.connection, current_context()
    inspection = context.inspect(connection, apps, [label])
    plan = runnable_plan(connection, inspection, context.budgets)
    schema_editor.collected_sql += plan_sql(plan, script_settings(connection, inspection.server, context.budgets))


def _revert(label: str, before: Apps, after: Apps, schema_editor: Any) -> None:
    """Drop what the models of `before` declare and those of `after` don't, then reconcile with `after`."""
    connection, context = schema_editor.connection, current_context()
    server, declared = read_declared(connection, before, [label])
    _, remaining = read_declared(connection, after, [label])
    inspection = inspect(connection, server, declared, context.budgets)
    drops = plan_rollback(inspection.differences.actual, declared, remaining)
    if schema_editor.collect_sql:
        schema_editor.collected_sql += rollback_sql(drops, script_settings(connection, server, context.budgets))
        return
    locks = LockRetry(connection, context.budgets, context.reporter)
    context.notes += Rollback(locks, context.reporter, context.allow_data_loss).run(drops)
    _reconcile(label, after, schema_editor)
