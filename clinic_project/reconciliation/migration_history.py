"""Django's own book of what was applied, read against the database, and completed where it lost rows.

The apps that reconcile need no care: their migrations can be run again over what is there. Others' can't: a CreateModel of
a table that exists fails. So an unrecorded app whose tables are all as its last migration leaves them is recorded.
"""

from collections.abc import Iterable
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

from .command_context import current_run
from .comparison.differences import Extra, Kind
from .operations import ReconcileSchema, reconcile_apps
from .pipeline import Inspection, inspect, read_declared
from .planning.plan import Note, Refusal
from .schema.introspection import Server
from .schema.model import Schema

Node = tuple[str, str]

#: The refusal's code where an app's tables don't bear out what its migrations should have made.
HISTORY_LOST = "history-lost"


@cache
def reconciling_labels() -> frozenset[str]:
    """Return the labels of the apps that have ReconcileSchema in a migration: their tables are kept as declared."""
    loader = MigrationLoader(None, load=False)  # their graph takes longer to build, and says nothing more about this
    loader.load_disk()
    return frozenset(label for (label, _), migration in loader.disk_migrations.items() if _reconciles(migration))


@receiver(setting_changed)
def _forget_labels(*, setting: str, **kwargs: Any) -> None:
    """Look again where settings are overridden, as tests do, that say which migrations there are."""
    if setting in ("INSTALLED_APPS", "MIGRATION_MODULES"):
        reconciling_labels.cache_clear()


def _reconciles(migration: Migration) -> bool:
    return any(isinstance(operation, ReconcileSchema) for operation in migration.operations)


def only_reconciles(migrations: Iterable[Migration]) -> bool:
    """Whether the migrations can be run at any time, again and in one go."""
    return all(isinstance(operation, ReconcileSchema) for migration in migrations for operation in migration.operations)


def expect_declared(connection: BaseDatabaseWrapper, labels: Iterable[str] | None = None) -> tuple[Server, Schema]:
    """Return the server, and what the last migrations of `labels` declare; by default, those of the reconciling apps."""
    state = MigrationLoader(None).project_state()
    return read_declared(connection, state.apps, sorted(reconciling_labels() if labels is None else labels))


def repair_book(connection: BaseDatabaseWrapper) -> None:
    """Bring the book's own table to what Django makes, where rows can't be added to it for want of a key."""
    book = ModelState.from_model(MigrationRecorder.Migration)
    # The model's own registry lists no models: it has no apps.
    apps = ProjectState(models={(book.app_label, book.name_lower): book}).apps
    run = current_run()
    inspection = inspect(connection, *read_declared(connection, apps, [book.app_label]), run.budgets)
    if not inspection.differences.of(book.options["db_table"], Kind.KEY_WITHOUT_GENERATOR, Kind.SEQUENCE_BEHIND):
        return
    with run.reporter.under("Repairing the record of migrations:"):
        run.refusals += reconcile_apps(connection, apps, [book.app_label]).refusals


def record_lost_apps(connection: BaseDatabaseWrapper) -> tuple[list[Note], list[Refusal]]:
    """Record the migrations of other apps whose rows are all lost while their tables are as declared.

    Returns a note for each app that was recorded, and a refusal for each whose tables are there but otherwise.
    """
    notes, refusals = [], []
    for label in _unrecorded_apps_with_tables(connection):
        inspection = _inspect_app(connection, label)
        if _is_whole(inspection):
            count = _record(
                connection, [node for node in MigrationLoader(connection).disk_migrations if node[0] == label]
            )
            text = f"its tables were there, none of its migrations recorded; recorded {count}."
            notes.append(Note("history-completed", label, label, text))
        else:
            refusals.append(_unlike_its_history(label, inspection))
    return notes, refusals


def _inspect_app(connection: BaseDatabaseWrapper, label: str) -> Inspection:
    return inspect(connection, *expect_declared(connection, [label]), current_run().budgets)


def _is_whole(inspection: Inspection) -> bool:
    return inspection.in_sync and not any(_spoils(extra) for extra in inspection.differences.extras)


def _spoils(extra: Extra) -> bool:
    """Whether a table isn't what its migrations make of it for this; what only hangs on it leaves it what it is."""
    return bool(extra.warning) and extra.kind not in ("rule", "child")


def _unlike_its_history(label: str, inspection: Inspection) -> Refusal:
    what = "none of its migrations are recorded, tables of it are there, and differ from what they make"
    remedy = f"Bring them to the state of one of its migrations and record that: manage.py migrate {label} NAME --fake."
    return _history_lost(label, what, inspection, remedy)


def _history_lost(label: str, what: str, inspection: Inspection, remedy: str) -> Refusal:
    differences = inspection.differences
    found = [f"{d.table}.{d.name}: expected {d.expected}, found {d.actual}" for d in differences.items]
    found += [f"{e.table}.{e.name}: {e.warning}" for e in differences.extras if _spoils(e)]
    return Refusal(HISTORY_LOST, label, label, f"{what} ({'; '.join(found)}).", remedy)


def _unrecorded_apps_with_tables(connection: BaseDatabaseWrapper) -> list[str]:
    recorded = {label for label, _ in MigrationRecorder(connection).applied_migrations()}
    tables = {
        model._meta.db_table: config.label
        for config in apps.get_app_configs()
        if config.label not in recorded | reconciling_labels() and module_has_submodule(config.module, "migrations")
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


def record_missing_parents(connection: BaseDatabaseWrapper) -> tuple[list[Note], list[Refusal]]:
    """Record the migrations without which others couldn't have been recorded, as far as their tables bear it out.

    Reconciling apps' are simply recorded: what they claim is made true afterwards. Returns a note for each that was
    recorded, and a refusal for each app whose tables say otherwise.
    """
    loader = MigrationLoader(connection)
    missing = {
        parent
        for key in loader.applied_migrations
        if key in loader.graph.nodes
        for parent in loader.graph.forwards_plan(key)
        if parent not in loader.applied_migrations
    }
    borne_out = [node for node in sorted(missing) if _is_borne_out(connection, loader, node)]
    _record(connection, borne_out)
    text = "others that are recorded rest on it, and its tables are there; recorded."
    others = sorted({label for label, _ in missing.difference(borne_out)})
    return (
        [Note("history-completed", label, name, text) for label, name in borne_out],
        [_not_borne_out(connection, label) for label in others],
    )


def _not_borne_out(connection: BaseDatabaseWrapper, label: str) -> Refusal:
    what = "migrations that are recorded rest on its own, which aren't, and its tables differ from what these make"
    remedy = "Restore its tables, from a backup perhaps, then run migrate again, which records them."
    return _history_lost(label, what, _inspect_app(connection, label), remedy)


def _is_borne_out(connection: BaseDatabaseWrapper, loader: MigrationLoader, node: Node) -> bool:
    label, _ = node
    if label in reconciling_labels():
        return True
    later = [other for other in loader.graph.backwards_plan(node) if other[0] == label and other != node]
    return any(other in loader.applied_migrations for other in later) or _is_whole(_inspect_app(connection, label))


def _record(connection: BaseDatabaseWrapper, nodes: Iterable[Node]) -> int:
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    repair_book(connection)
    count = 0
    for label, name in nodes:
        recorder.record_applied(label, name)
        count += 1
    return count
