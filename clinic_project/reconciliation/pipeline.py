"""The pipeline: its four stages, each in a folder of its own, from what the models declare to a schema that is so.

1. schema      What is declared, and what is actually there, are read as the same kind of value (`read_declared`).
2. comparison  The two are compared.
3. planning    What differs is planned for: repairs, refusals, notes (`inspect` is 1 to 3, and changes nothing).
4. execution   The plan is run, and the schema inspected again, until nothing is left to repair (`reconcile`).
"""

import gc
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from django.apps.registry import Apps
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from .comparison import compare
from .comparison.differences import Differences
from .conf import Budgets
from .exceptions import LockNotAvailable, ReconciliationError
from .execution.abandonment import UnblockedRepairs
from .execution.executor import Executor
from .execution.reporter import Reporter
from .execution.row_checks import find_violations
from .execution.sessions import lock_holders
from .planning.blockers import Blockers
from .planning.plan import Note, Plan, Refusal, Repair, ViolationQuery
from .planning.planner import make_plan
from .schema.declared import declared_schema
from .schema.introspection import read_schema
from .schema.model import Schema, Server
from .server_requirements import require_server
from .sqlstates import LOCK_NOT_AVAILABLE, connection_lost, sqlstate

#: How often a plan is made and run. One round does it; another is for what changed meanwhile.
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Inspection:
    """What differs between the declared and the actual schema, and the plan to repair it."""

    server: Server
    declared: Schema
    differences: Differences
    plan: Plan

    @property
    def in_sync(self) -> bool:
        return not self.differences

    @property
    def blocked_by_others(self) -> bool:
        """Whether all that differs is blocked by tables that others must create."""
        return not self.in_sync and not self.plan.repairs and not self.plan.refusals


@dataclass(frozen=True, slots=True)
class ReconciliationResult:
    """The last inspection, and what came up on the way."""

    inspection: Inspection
    refusals: tuple[Refusal, ...]
    notes: tuple[Note, ...]


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Keep the garbage collector from traversing the many values of a schema, none of which is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# Stages 1 to 3: nothing is changed


@_garbage_collection_paused()
def read_declared(connection: BaseDatabaseWrapper, apps: Apps, labels: Iterable[str]) -> tuple[Server, Schema]:
    """Return the server and the schema that the models of the apps `labels` declare on it. Raises Unsupported."""
    server = require_server(connection)
    return server, declared_schema(connection, apps, labels, server.schema or "")


@_garbage_collection_paused()
def inspect(connection: BaseDatabaseWrapper, server: Server, declared: Schema, budgets: Budgets) -> Inspection:
    """Read the actual schema, compare it with the declared one, and plan. Nothing is changed.

    Raises django.db.Error of SQLSTATE 55P03 if a table is locked against readers for longer than the lock timeout.
    """
    tables = {*declared.tables, *declared.parents()}
    index_names = [index.name for table in declared.tables.values() for index in table.indexes]
    actual = read_schema(connection, declared.name, tables, index_names, lock_timeout=budgets.lock_timeout)
    differences = compare(declared, actual)
    return Inspection(server, declared, differences, make_plan(differences, server))


def dry_run_refusals(connection: BaseDatabaseWrapper, inspection: Inspection) -> tuple[Refusal, ...]:
    """Return the plan's refusals, and those that it would meet in the rows if it were run now. Nothing is changed."""
    unblocked, refusals = UnblockedRepairs(inspection.plan.repairs, Blockers()), []
    for repair in unblocked:
        for refusal in _precheck(connection, repair):
            unblocked.refuse(repair, refusal)
            refusals.append(refusal)
    return (*inspection.plan.refusals, *map(unblocked.blockers.with_dependents, refusals))


def _precheck(connection: BaseDatabaseWrapper, repair: Repair) -> list[Refusal]:
    """Return the refusals for rows that violate what the repair's steps require."""
    queries = dict.fromkeys(step.violations for step in repair.steps if step.violations is not None)
    refusals = [_find_violations_if_possible(connection, query) for query in queries]
    return [refusal for refusal in refusals if refusal is not None]


def _find_violations_if_possible(connection: BaseDatabaseWrapper, query: ViolationQuery) -> Refusal | None:
    try:
        return find_violations(connection, query)
    except Error as error:
        if connection_lost(error):
            raise
        # What it reads may only be made by the plan, or this role may not read it.
        return None


# Stage 4


def reconcile(
    connection: BaseDatabaseWrapper, server: Server, declared: Schema, budgets: Budgets, reporter: Reporter
) -> ReconciliationResult:
    """Make the actual schema be the declared one, and inspect it again to see that it is.

    1. Inspect, once no other session prevents it.
    2. Where nothing is left to repair, but what was abandoned and what that blocks, this is the result.
    3. Run the repairs that are left, and start again. In the second round those whose statements failed are tried once
       more: what was repaired after them may have been what they required.

    Raises ReconciliationError if repairs are left after the last round, or if the connection is lost.
    """
    executor = Executor(connection, budgets, reporter)
    for number in range(MOST_ROUNDS):
        inspection = _wait_and_inspect(connection, server, declared, budgets)
        if number == 1:
            executor.abandoned.retry_failed_statements()
        repairs = executor.abandoned.remaining(inspection.plan)
        if not repairs:
            return _result(inspection, executor)
        executor.notes += inspection.plan.notes
        executor.run(replace(inspection.plan, repairs=repairs))
    inspection = _wait_and_inspect(connection, server, declared, budgets)
    if repairs := executor.abandoned.remaining(inspection.plan):
        listed = ", ".join(f"{repair.table} ({', '.join(repair.names)})" for repair in repairs)
        raise ReconciliationError(
            f"The plan was run {MOST_ROUNDS} times, and the schema still differs: {listed}. Is something else changing the"
            " schema at the same time? manage.py reconcile --plan shows what differs now."
        )
    return _result(inspection, executor)


def _result(inspection: Inspection, executor: Executor) -> ReconciliationResult:
    refusals = (*inspection.plan.refusals, *executor.abandoned.refusals(inspection.plan))
    notes = dict.fromkeys((*executor.notes, *inspection.plan.notes))
    return ReconciliationResult(inspection, refusals, tuple(notes))


# Other sessions may have to end something before the schema can be inspected


def _wait_and_inspect(
    connection: BaseDatabaseWrapper, server: Server, declared: Schema, budgets: Budgets
) -> Inspection:
    """Inspect, once no session locks a table against readers, nor builds an index concurrently.

    Until it is built, such an index looks like an invalid one. Raises LockNotAvailable when the budget for the one or the
    other is used up.
    """
    began = time.monotonic()
    while True:
        try:
            inspection = inspect(connection, server, declared, budgets)
        except Error as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            _pause(began + budgets.lock_budget, _locked_against_readers(connection, declared))
            continue
        indexes = _indexes_being_built(inspection)
        if not indexes:
            return inspection
        found = f"Another session is building {', '.join(indexes)} (see pg_stat_progress_create_index)."
        _pause(began + budgets.build_budget, found)


def _pause(deadline: float, found: str) -> None:
    if time.monotonic() > deadline:
        raise LockNotAvailable(f"{found} Wait until that ends, or end it, then run migrate again.")
    time.sleep(random.uniform(0.3, 0.6))  # noqa: S311


def _locked_against_readers(connection: BaseDatabaseWrapper, declared: Schema) -> str:
    names = [table.sql_name for table in declared.tables.values()]
    holders = "; ".join(str(session) for session in lock_holders(connection, names)) or "none"
    return f"Tables are locked against readers. Sessions that hold locks on them now: {holders}."


def _indexes_being_built(inspection: Inspection) -> list[str]:
    tables = inspection.differences.actual.tables.values()
    return [index.name for table in tables for index in table.indexes if index.building]
