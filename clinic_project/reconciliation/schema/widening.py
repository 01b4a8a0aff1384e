"""The database → Widening: columns that are to become bigint, those that reference them, and what all of these have."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import ReconciliationError
from . import catalog
from .introspection import catalog_rows, namespace_of, read_schema, rolled_back, set_up_reading, with_dependents
from .model import MAX_INTEGERS, Obstacle, Schema, Server, TablePlace, Widening

_Row = dict[str, Any]


def read_widenings(
    connection: BaseDatabaseWrapper, server: Server, labels: Sequence[str], lock_timeout: float
) -> list[Widening]:
    """Return the tables of the columns `labels`, as reports print these, and of all that reference them by foreign keys.

    Raises ReconciliationError where a label is no column's, or that of one that isn't an integer, and django.db.Error of
    SQLSTATE 55P03 if a table is locked against readers for longer than `lock_timeout` seconds.
    """
    schema = server.schema or ""
    found = _rows(connection, catalog.WIDENED_COLUMNS.replace("{namespace}", namespace_of(schema)), labels)
    _require_integers(labels, found)
    keys = {TablePlace("" if row["here"] else row["schema"], row["relation"]).key: row["table_oid"] for row in found}
    actual = read_schema(connection, schema, keys, keys, lock_timeout=lock_timeout)
    actual = with_dependents(connection, actual, keys, lock_timeout=lock_timeout)
    widened = [row for row in found if row["type"] in MAX_INTEGERS and row["type"] != "bigint"]
    facts = _rows(
        connection, catalog.WIDENING_FACTS, [row["table_oid"] for row in widened], [row["name"] for row in widened]
    )
    return [_widening(actual, key, [row for row in facts if row["table_oid"] == oid]) for key, oid in keys.items()]


def _rows(connection: BaseDatabaseWrapper, sql: str, *lists: Iterable[Any]) -> list[_Row]:
    with rolled_back(connection) as cursor:
        set_up_reading(cursor)
        return catalog_rows(cursor, sql, *lists)


def _require_integers(labels: Sequence[str], found: Iterable[_Row]) -> None:
    types = {row["label"]: row["type"] for row in found}
    for label in labels:
        if label not in types:
            raise ReconciliationError(
                f"Expected a column's name with its table's before it, as reconcile --plan prints it (table.column), found"
                f" {label}, and no such column."
            )
        if types[label] not in MAX_INTEGERS:
            raise ReconciliationError(f"{label}: expected a column of an integer type, found {types[label]}.")


def _widening(actual: Schema, key: str, facts: Sequence[Mapping[str, Any]]) -> Widening:
    obstacles = [json.loads(text) for row in facts for text in row["obstacles"]]
    return Widening(
        actual.tables[key],
        tuple(row["name"] for row in facts),
        tuple(dict.fromkeys(Obstacle(*each) for each in obstacles)),
        tuple(dict.fromkeys(statement for row in facts for statement in row["restore"])),
        {row["name"]: row["options"] for row in facts if row["options"] is not None},
    )
