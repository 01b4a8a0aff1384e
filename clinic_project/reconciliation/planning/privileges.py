"""Privileges that a plan requires and the role lacks: they are refused before anything is changed."""

from collections.abc import Iterator, Sequence
from typing import TypeGuard

from ..comparison.differences import (
    Difference,
    Differences,
    Kind,
    MissingConstraint,
    MissingTable,
    WrongConstraint,
)
from ..schema.model import Constraint, Schema, Server, Table, TablePlace
from . import refusals
from .plan import Phase, Refusal, Repair

#: Differences whose repair creates or renames a relation without a concurrent build: that requires CREATE on the schema.
_CREATING_KINDS = frozenset(
    {Kind.INDEX_NAME, Kind.KEY_WITHOUT_GENERATOR, Kind.FUNCTION_MISSING, Kind.FUNCTION_DEFINITION}
)

_BACKFILL = ("SELECT", "UPDATE")


def missing_privileges(repairs: Sequence[Repair], differences: Differences, server: Server) -> tuple[Refusal, ...]:
    missing = tuple(_missing(repairs, differences, server))
    # If all of it were granted, the tables would belong to two roles.
    return (refusals.owns_nothing(server),) if missing and owns_nothing(differences, server) else missing


def missing_for_backfill(table: Table, role: str) -> Iterator[Refusal]:
    """Yield a refusal where the role lacks what a backfill requires. Even an owner may have lost it: REVOKE."""
    if not set(_BACKFILL).isdisjoint(table.missing_privileges):
        yield refusals.may_not_write(table, role, _BACKFILL, "values have to be set in its rows")


def owns_nothing(differences: Differences, server: Server) -> bool:
    """Whether this role owns none of the tables, and another one migrates."""
    return bool(server.history_owner) and not any(table.owned for table in differences.actual.tables.values())


def _missing(repairs: Sequence[Repair], differences: Differences, server: Server) -> Iterator[Refusal]:
    created = {name for repair in repairs if repair.phase is Phase.TABLES for name in repair.names}
    changed = {repair.table for repair in repairs if repair.phase is not Phase.TABLES} | created
    for name in sorted(changed):
        table = differences.actual.tables.get(name)
        if table is not None and not table.owned:
            yield refusals.not_owner(table, server.role)
        elif table is not None and _is_backfilled(name, repairs):
            yield from missing_for_backfill(table, server.role)
        if table is not None and _changes_columns(name, repairs):
            # What is altered of a column is altered in all tables that inherit it.
            yield from (refusals.not_owner_of_child(other, table, server.role) for other in table.others_descendants)
    filled = {TablePlace.of_key(name).schema for name in created | _with_new_relations(repairs, differences)}
    if not server.may_create and "" in filled:
        yield refusals.may_not_create(server)
    parents = _new_parents(differences, changed)
    used = {TablePlace.of_key(name).schema for name in changed.union(parents)}
    yield from _missing_in_other_schemas(differences.actual, used, filled, server.role)
    for parent in parents:
        if parent in differences.actual.tables and not differences.actual.tables[parent].may_reference:
            yield refusals.may_not_reference(differences.actual.tables[parent], server.role)


def _missing_in_other_schemas(actual: Schema, used: set[str], filled: set[str], role: str) -> Iterator[Refusal]:
    """Yield what the role lacks on the schemas of tables that have to be changed or referenced, and where one is created."""
    for name, schema in sorted(actual.other_schemas.items()):
        if name in used and not schema.may_use:
            yield refusals.may_not_use(name, role, "tables in it have to be changed, or foreign keys point to them")
        if name in filled and not schema.may_create:
            yield refusals.may_not_create_in(name, role)


def _is_backfilled(name: str, repairs: Sequence[Repair]) -> bool:
    return any(step.backfill is not None for repair in repairs if repair.table == name for step in repair.steps)


def _changes_columns(name: str, repairs: Sequence[Repair]) -> bool:
    return any(repair.table == name and repair.phase in (Phase.COLUMNS, Phase.NOT_NULL) for repair in repairs)


def _with_new_relations(repairs: Sequence[Repair], differences: Differences) -> set[str]:
    """Return the existing tables, and functions, in whose schemas something is created or renamed."""
    builds = {repair.table for repair in repairs for step in repair.steps if step.builds}
    return builds | {item.table for item in differences.items if item.kind in _CREATING_KINDS}


def _new_parents(differences: Differences, changed: set[str]) -> list[str]:
    """Return the names of the tables that new foreign keys point to."""
    return sorted({key.target[1] for key in _new_constraints(differences, changed) if key.target is not None})


def _new_constraints(differences: Differences, changed: set[str]) -> Iterator[Constraint]:
    for item in differences.items:
        if item.table in changed and isinstance(item, MissingTable):
            yield from item.declared.constraints
        elif item.table in changed and _adds_constraint(item):
            yield item.declared


def _adds_constraint(item: Difference) -> TypeGuard[MissingConstraint | WrongConstraint]:
    return isinstance(item, MissingConstraint) or (isinstance(item, WrongConstraint) and item.actual is None)
