"""The migration history, django_migrations: which apps are reconciled, and which migrations it has lost.

A reconciled app's migrations can be run again over the tables that are there. Others can't: a CreateModel fails where its
table exists. So an app without any recorded migration is recorded if its tables are as its last migration leaves them.
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
class MissingMigrations:
    """Migrations that were run, as the tables show, and aren't recorded.

    `notes` say why each of `consistent` is to be recorded; `refusals` name the apps whose tables contradict it.
    """

    consistent: tuple[MigrationKey, ...]
    notes: tuple[Note, ...]
    refusals: tuple[Refusal, ...]


# Which apps are reconciled


@cache
def reconciled_labels() -> frozenset[str]:
    """Return the labels of the apps that have ReconcileSchema in a migration: their tables are kept as declared."""
    loader = MigrationLoader(None, load=False)  # their graph takes longer to build, and says nothing more about this
    loader.load_disk()
    return frozenset(label for (label, _), migration in loader.disk_migrations.items() if _reconciles(migration))


@receiver(setting_changed)
def _forget_labels(*, setting: str, **kwargs: Any) -> None:
    """Look again where settings are overridden, as tests do, that say which migrations there are."""
    if setting in ("INSTALLED_APPS", "MIGRATION_MODULES"):
        reconciled_labels.cache_clear()


def _reconciles(migration: Migration) -> bool:
    return any(isinstance(operation, ReconcileSchema) for operation in migration.operations)


def that_only_reconcile(labels: Iterable[str], migrations: Iterable[Migration]) -> set[str]:
    """Return those of `labels` whose `migrations`, if they have any, do nothing else: they can be run again, and at once."""
    others = {
        migration.app_label
        for migration in migrations
        if not all(isinstance(operation, ReconcileSchema) for operation in migration.operations)
    }
    return set(labels) - others


def declared_by_migrations(
    connection: BaseDatabaseWrapper, labels: Iterable[str] | None = None
) -> tuple[Server, Schema]:
    """Return the server, and what the last migrations of `labels` declare; by default, of all reconciled apps."""
    state = MigrationLoader(None).project_state()
    return read_declared(connection, state.apps, sorted(reconciled_labels() if labels is None else labels))


# What has been lost


def missing_apps(connection: BaseDatabaseWrapper, budgets: Budgets) -> MissingMigrations:
    """Return the migrations of the apps that aren't reconciled, and have tables but no recorded migration."""
    migrations: list[MigrationKey] = []
    notes, refused = [], []
    for label in _unrecorded_apps_with_tables(connection):
        inspection = _inspect_app(connection, label, budgets)
        if _is_consistent(inspection):
            own = [key for key in MigrationLoader(connection).disk_migrations if key[0] == label]
            migrations += own
            text = f"recorded its migrations ({len(own)}), since its tables were there already."
            notes.append(_recorded(label, label, text))
        else:
            refused.append(refusals.unrecorded_migrations(label, _contradictions(inspection)))
    return MissingMigrations(tuple(migrations), tuple(notes), tuple(refused))


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


def missing_dependencies(connection: BaseDatabaseWrapper, budgets: Budgets) -> MissingMigrations:
    """Return the migrations that others, which are recorded, depend on.

    Those of reconciled apps count as consistent: what they declare is made true afterwards.
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
    text = "recorded, since recorded migrations depend on it."
    others = sorted({label for label, _ in missing.difference(consistent)})
    return MissingMigrations(
        tuple(consistent),
        tuple(_recorded(label, name, text) for label, name in consistent),
        tuple(
            refusals.unrecorded_dependencies(label, _contradictions(_inspect_app(connection, label, budgets)))
            for label in others
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
    """Whether an app's tables are what its last migration leaves."""
    return inspection.in_sync and not any(_breaks(undeclared) for undeclared in inspection.differences.undeclared)


def _breaks(undeclared: Undeclared) -> bool:
    """Whether an undeclared object makes its table another than the migrations make; what only depends on it doesn't."""
    return bool(undeclared.warning) and not undeclared.kind.is_dependent


def _contradictions(inspection: Inspection) -> list[str]:
    """Say in what an app's tables differ from what its migrations make."""
    differences = inspection.differences
    return [
        *(f"{d.table}.{d.name}: expected {d.declared_text}, found {d.actual_text}" for d in differences.items),
        *(f"{u.table}.{u.name}: {u.warning}" for u in differences.undeclared if _breaks(u)),
    ]


def _recorded(label: str, name: str, text: str) -> Note:
    return Note(NoteCode.HISTORY_COMPLETED, label, name, text)


# Writing to it


def record(connection: BaseDatabaseWrapper, migrations: Iterable[MigrationKey]) -> None:
    """Record `migrations` as applied. Raises django.db.Error where the table takes no rows; repair_table() prevents that."""
    recorder = MigrationRecorder(connection)
    for label, name in migrations:
        recorder.record_applied(label, name)


def repair_table(connection: BaseDatabaseWrapper, context: CommandContext) -> tuple[Refusal, ...]:
    """Repair the key of django_migrations where it keeps rows from being added. Returns what is refused."""
    table = ModelState.from_model(MigrationRecorder.Migration)
    # The model's own registry lists no models: it has no apps.
    state_apps = ProjectState(models={(table.app_label, table.name_lower): table}).apps
    inspection = context.inspect(connection, state_apps, [table.app_label])
    if not inspection.differences.of(table.options["db_table"], Kind.KEY_WITHOUT_GENERATOR, Kind.SEQUENCE_BEHIND):
        return ()
    with context.reporter.under("Repairing the migration history:"):
        return context.reconcile(connection, state_apps, [table.app_label]).refusals
