"""Projects that are made of model states alone, without migrations: created by Django, inspected and reconciled."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.apps.registry import Apps
from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.state import ModelState, ProjectState

from ...conf import Budgets
from ...execution.reporter import Reporter
from ...pipeline import Inspection, ReconciliationResult, inspect, read_declared, reconcile
from .databases import Database, default_connection_to

LABEL = "shop"

Fields = Sequence[tuple[str, models.Field]]


def project(**declared: Fields | tuple[Fields, Mapping[str, Any]]) -> Apps:
    """Return the state's apps with these models: each is its fields beside an id, or a pair of these and its options."""
    state = ProjectState()
    for name, of_model in declared.items():
        fields, options = of_model if isinstance(of_model, tuple) else (of_model, {})
        key: list[tuple[str, models.Field]] = (
            [] if any(field.primary_key for _, field in fields) else [("id", models.BigAutoField(primary_key=True))]
        )
        state.add_model(ModelState(LABEL, name, [*key, *fields], options=dict(options)))
    return state.apps


def create(database: Database, apps: Apps) -> None:
    """Create the tables as Django does."""
    with default_connection_to(database), connection.schema_editor() as editor:
        for model in apps.get_models():
            editor.create_model(model)


def inspected(database: Database, apps: Apps) -> Inspection:
    with default_connection_to(database):
        return inspected_by(connection, apps)


def inspected_by(connection: BaseDatabaseWrapper, apps: Apps) -> Inspection:
    return inspect(connection, *read_declared(connection, apps, [LABEL]), Budgets.from_settings())


def found(database: Database, apps: Apps) -> list[tuple[str, str, str, str]]:
    """Return what differs: each kind, name, declared and actual text."""
    items = inspected(database, apps).differences.items
    return [(str(item.kind), item.name, item.declared_text, item.actual_text) for item in items]


def reconciled(database: Database, apps: Apps) -> ReconciliationResult:
    with default_connection_to(database):
        server, declared = read_declared(connection, apps, [LABEL])
        return reconcile(connection, server, declared, Budgets.from_settings(), Reporter())
