"""What the installed apps' migration files do, as far as it decides how their tables are treated. No database is queried."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from django.contrib.postgres.operations import CreateExtension
from django.core.signals import setting_changed
from django.db import migrations
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.dispatch import receiver


@cache
def migrated_labels() -> frozenset[str]:
    """Return the labels of the apps that have migrations."""
    return frozenset(migration.app_label for migration in _migrations())


@cache
def labels_with_reconcile_schema() -> frozenset[str]:
    """Return the labels of the apps that have ReconcileSchema in a migration, so that their migrations can be run again."""
    return frozenset(migration.app_label for migration in _migrations() if any(map(reconciles, migration.operations)))


@cache
def labels_with_own_sql() -> frozenset[str]:
    """Return the labels of the other apps that have RunSQL in a migration: it may do what no model declares."""
    labels = {
        migration.app_label
        for migration in _migrations()
        if any(isinstance(operation, migrations.RunSQL) for operation in _flat(migration.operations))
    }
    return frozenset(labels - labels_with_reconcile_schema())


@cache
def created_extensions() -> dict[tuple[str, str], list[str]]:
    """Return the names of the extensions that migrations create, by the migration's key."""
    found: dict[tuple[str, str], list[str]] = {}
    for migration in _migrations():
        for operation in _flat(migration.operations):
            if isinstance(operation, CreateExtension):
                found.setdefault((migration.app_label, migration.name), []).append(operation.name)
    return found


def reconciles(operation: Operation) -> bool:
    return getattr(operation, "reconciles", False)


def _flat(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        yield operation
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from _flat(operation.database_operations)


@cache
def _migrations() -> tuple[Migration, ...]:
    loader = MigrationLoader(None, load=False)  # without the graph, which takes longer to build and isn't needed
    loader.load_disk()
    return tuple(loader.disk_migrations.values())


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    """Clear the caches when a test overrides a setting that decides which migrations there are."""
    if setting in ("INSTALLED_APPS", "MIGRATION_MODULES"):
        for cached in (
            migrated_labels,
            labels_with_reconcile_schema,
            labels_with_own_sql,
            created_extensions,
            _migrations,
        ):
            cached.cache_clear()
