"""Migrations → the columns that they have declared at any time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.backends.utils import truncate_name
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from .model import MAX_NAME_LENGTH, TablePlace, truncated


def migrated_columns() -> Mapping[str, frozenset[str]]:
    """Return the columns that the migrations on disk ever declared, by table; those that later ones removed, too.

    A table that was renamed has the columns that were declared under its former name as well.
    """
    columns: dict[tuple[str, str], set[str]] = defaultdict(set)
    models: dict[str, set[tuple[str, str]]] = defaultdict(set)
    state = ProjectState()
    for migration in _in_order(MigrationLoader(None)):
        state = migration.mutate_state(state, preserve=False)
        for key, model in state.models.items():
            if key[0] == migration.app_label:
                columns[key].update(_columns(model))
                models[_table(model)].add(key)
    return {table: frozenset().union(*(columns[key] for key in keys)) for table, keys in models.items()}


def _in_order(loader: MigrationLoader) -> Iterator[Migration]:
    done = set()
    for leaf in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(leaf):
            if key not in done:
                done.add(key)
                yield loader.graph.nodes[key]


def _table(model: ModelState) -> str:
    name = model.options.get("db_table") or truncate_name(f"{model.app_label}_{model.name_lower}", MAX_NAME_LENGTH)
    return TablePlace.of(name).key


def _columns(model: ModelState) -> Iterator[str]:
    fields: dict[str, Any] = dict(model.fields)
    for name, field in fields.items():
        if not field.many_to_many:
            bound = field.clone()
            bound.set_attributes_from_name(name)
            if bound.column is not None:
                yield truncated(bound.column)
