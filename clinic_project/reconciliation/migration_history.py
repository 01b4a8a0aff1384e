"""The migration history, django_migrations: which apps are reconciled, and which migrations were run but aren't recorded.

The migrations of a reconciled app can be run again over existing tables. Those of other apps can't: CreateModel fails where
its table exists. So if such an app has no recorded migration, and its tables are as its last migration leaves them, its
migrations are recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.core.signals import setting_changed
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState
from django.dispatch import receiver
from django.utils.module_loading import module_has_submodule

from .command_context import CommandContext
from .comparison.differences import Kind, Undeclared
from .conf import Budgets
from .operations import ReconcileSchema
from .pipeline import Inspection, inspect, read_declared
from .planning import refusals
from .planning.plan import Note, NoteCode, Refusal
from .schema.model import Schema, Server

#: An app's label and the name of one of its migrations.
MigrationKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class UnrecordedMigrations:
    """Migrations that aren't recorded, though tables or other records show that they were run.

    `consistent` are to be recorded, and `notes` say why; `refusals` name the apps whose tables contradict their migrations.
    """

    consistent: tuple[MigrationKey, ...]
    notes: tuple[Note, ...]
    refusals: tuple[Refusal, ...]


# Which apps are reconciled


@cache
def reconciled_labels() -> frozenset[str]:
    """Return the labels of the apps that have ReconcileSchema in a migration: `migrate` reconciles all their tables."""
    loader = MigrationLoader(None, load=False)  # without the graph, which takes longer to build and isn't needed
    loader.load_disk()
    return frozenset(label for (label, _), migration in loader.disk_migrations.items() if _reconciles(migration))


@receiver(setting_changed)
def _forget_labels(*, setting: str, **kwargs: Any) -> None:
    """Clear the cache when a test overrides a setting that decides which migrations there are."""
    if setting in ("INSTALLED_APPS", "MIGRATION_MODULES"):
        reconciled_labels.cache_clear()


def _reconciles(migration: Migration) -> bool:
    return any(isinstance(operation, ReconcileSchema) for operation in migration.operations)


def apps_that_only_reconcile(labels: Iterable[str], migrations: Iterable[Migration]) -> set[str]:
    """Return the `labels` of apps all of whose `migrations` do nothing but reconcile, so that one reconciliation does it."""
    with_other_operations = {
        migration.app_label
        for migration in migrations
        if not all(isinstance(operation, ReconcileSchema) for operation in migration.operations)
    }
    return set(labels) - with_other_operations


def declared_by_migrations(
    connection: BaseDatabaseWrapper, labels: Iterable[str] | None = None
) -> tuple[Server, Schema]:
    """Return the server, and what the last migrations of `labels` declare; by default, of all reconciled apps."""
    state = MigrationLoader(None).project_state()
    return read_declared(connection, state.apps, sorted(reconciled_labels() if labels is None else labels))


# Unrecorded migrations


def find_unrecorded_apps(connection: BaseDatabaseWrapper, budgets: Budgets) -> UnrecordedMigrations:
    """Return the migrations of the apps that aren't reconciled and have tables, but no recorded migration."""
    migrations: list[MigrationKey] = []
    notes, refused = [], []
    for label in _unrecorded_apps_with_tables(connection):
        inspection = _inspect_app(connection, label, budgets)
        if _is_consistent(inspection):
            own = [key for key in MigrationLoader(connection).disk_migrations if key[0] == label]
            migrations += own
            text = f"recorded its migrations ({len(own)}) as applied, since its tables exist already."
            notes.append(_recorded_note(label, label, text))
        else:
            refused.append(refusals.unrecorded_migrations(label, _contradictions(inspection)))
    return UnrecordedMigrations(tuple(migrations), tuple(notes), tuple(refused))


def _unrecorded_apps_with_tables(connection: BaseDatabaseWrapper) -> list[str]:
    recorded = {label for label, _ in MigrationRecorder(connection).applied_migrations()}
    tables = {
        model._meta.db_table: config.label
        for config in apps.get_app_configs()
        if config.label not in recorded | reconciled_labels() and module_has_submodule(config.module, "migrations")
        for model in config.get_models(include_auto_created=True)
        if model._meta.can_migrate(connection)
    }
    if not tables:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY (%s)"
            " AND relnamespace = to_regnamespace(quote_ident(current_schema()))",
            [list(tables)],
        )
        return sorted({tables[name] for (name,) in cursor.fetchall()})


def find_unrecorded_dependencies(connection: BaseDatabaseWrapper, budgets: Budgets) -> UnrecordedMigrations:
    """Return the unrecorded migrations on which recorded ones depend.

    Those of reconciled apps count as consistent: their tables are reconciled afterwards.
    """
    loader = MigrationLoader(connection)
    missing = {
        dependency
        for key in loader.applied_migrations
        if key in loader.graph.nodes
        for dependency in loader.graph.forwards_plan(key)
        if dependency not in loader.applied_migrations
    }
    consistent = [key for key in sorted(missing) if _was_run(connection, loader, key, budgets)]
    text = "recorded as applied, since recorded migrations depend on it."
    contradicted = sorted({label for label, _ in missing.difference(consistent)})
    return UnrecordedMigrations(
        tuple(consistent),
        tuple(_recorded_note(label, name, text) for label, name in consistent),
        tuple(
            refusals.unrecorded_dependencies(label, _contradictions(_inspect_app(connection, label, budgets)))
            for label in contradicted
        ),
    )


def _was_run(connection: BaseDatabaseWrapper, loader: MigrationLoader, key: MigrationKey, budgets: Budgets) -> bool:
    label, _ = key
    if label in reconciled_labels():
        return True
    later = [other for other in loader.graph.backwards_plan(key) if other[0] == label and other != key]
    return any(other in loader.applied_migrations for other in later) or _is_consistent(
        _inspect_app(connection, label, budgets)
    )


def _inspect_app(connection: BaseDatabaseWrapper, label: str, budgets: Budgets) -> Inspection:
    return inspect(connection, *declared_by_migrations(connection, [label]), budgets)


def _is_consistent(inspection: Inspection) -> bool:
    """Whether an app's tables are as its last migration leaves them."""
    return inspection.in_sync and not any(map(_contradicts_history, inspection.differences.undeclared))


def _contradicts_history(undeclared: Undeclared) -> bool:
    """Whether an undeclared object shows that other migrations made its table; what only depends on the table doesn't."""
    return bool(undeclared.warning) and not undeclared.kind.is_dependent


def _contradictions(inspection: Inspection) -> list[str]:
    """Return how an app's tables differ from what its migrations create."""
    differences = inspection.differences
    return [
        *(f"{d.table}.{d.name}: expected {d.declared_text}, found {d.actual_text}" for d in differences.items),
        *(f"{u.table}.{u.name}: {u.warning}" for u in differences.undeclared if _contradicts_history(u)),
    ]


def _recorded_note(label: str, name: str, text: str) -> Note:
    return Note(NoteCode.HISTORY_COMPLETED, label, name, text)


# Writing to the history


def record_migrations(connection: BaseDatabaseWrapper, migrations: Iterable[MigrationKey]) -> None:
    """Record `migrations` as applied.

    Raises django.db.Error where django_migrations rejects rows; repair_history_table() prevents that.
    """
    recorder = MigrationRecorder(connection)
    for label, name in migrations:
        recorder.record_applied(label, name)


def repair_history_table(connection: BaseDatabaseWrapper, context: CommandContext) -> tuple[Refusal, ...]:
    """Repair the key of django_migrations if it prevents rows from being inserted. Returns what is refused."""
    table = ModelState.from_model(MigrationRecorder.Migration)
    # The model's own registry has no apps, so it lists no models.
    state_apps = ProjectState(models={(table.app_label, table.name_lower): table}).apps
    inspection = context.inspect(connection, state_apps, [table.app_label])
    if not inspection.differences.of(table.options["db_table"], Kind.KEY_WITHOUT_GENERATOR, Kind.SEQUENCE_BEHIND):
        return ()
    with context.reporter.under("Repairing the migration history:"):
        return context.reconcile(connection, state_apps, [table.app_label]).refusals
