"""The pipeline, end to end: what is declared, what is there, what differs, what to do; and doing it."""

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
from .exceptions import LockNotAvailable, ReconciliationError, Unsupported
from .execution.executor import Executor, ask
from .execution.reporter import Reporter
from .execution.sessions import holders
from .planning.blockers import Undone
from .planning.plan import Guard, Note, Plan, Refusal, Repair
from .planning.planner import make_plan
from .schema.declared import expected_schema
from .schema.introspection import Server, read_schema, read_server
from .schema.model import Schema
from .sqlstates import LOCK_NOT_AVAILABLE, connection_lost, sqlstate

#: The oldest supported release, as server_version_num.
OLDEST = 140000

#: How often a plan is made and run. One round does it; another is for what changed meanwhile.
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at a database found."""

    server: Server
    expected: Schema
    differences: Differences
    plan: Plan

    @property
    def in_sync(self) -> bool:
        return not self.differences

    @property
    def waiting(self) -> bool:
        """Whether all that differs waits for tables that others must make."""
        return not self.in_sync and not self.plan.repairs and not self.plan.refusals


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reconciliation ended: the last look, and what came up on the way."""

    inspection: Inspection
    refusals: tuple[Refusal, ...]
    notes: tuple[Note, ...]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking through the many values of a schema, none of which is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_collector_paused()
def expect(connection: BaseDatabaseWrapper, apps: Apps, labels: Iterable[str]) -> tuple[Server, Schema]:
    """Return the server and the schema that the models of the apps `labels` declare on it. Raises Unsupported."""
    server = require_server(connection)
    return server, expected_schema(connection, apps, labels, server.schema or "")


@_collector_paused()
def inspect(connection: BaseDatabaseWrapper, server: Server, expected: Schema, budgets: Budgets) -> Inspection:
    """Compare the real schema with the `expected` one, and plan. Nothing is changed."""
    wanted_names = [index.name for table in expected.tables.values() for index in table.indexes]
    tables = {*expected.tables, *expected.parents()}
    actual = read_schema(connection, expected.name, tables, wanted_names, lock_timeout=budgets.lock_timeout)
    differences = compare(expected, actual)
    return Inspection(server, expected, differences, make_plan(differences, server))


def foresee(connection: BaseDatabaseWrapper, inspection: Inspection) -> tuple[Refusal, ...]:
    """Return the plan's refusals, and those that the rows would give cause for if it were run now."""
    undone, foreseen = Undone(), []
    for repair in inspection.plan.repairs:
        if undone.holds_up(repair):
            continue
        guards = dict.fromkeys(step.guard for step in repair.steps if step.guard is not None)
        for refusal in filter(None, (_ask_ahead(connection, guard) for guard in guards)):
            undone.lack(refusal, repair.gives)
            foreseen.append(refusal)
    return (*inspection.plan.refusals, *map(undone.told, foreseen))


def _ask_ahead(connection: BaseDatabaseWrapper, guard: Guard) -> Refusal | None:
    try:
        return ask(connection, guard)
    except Error as error:
        if connection_lost(error):
            raise
        # What it is about may be made by the plan itself, or be readable to others only.
        return None


def reconcile(
    connection: BaseDatabaseWrapper, server: Server, expected: Schema, budgets: Budgets, reporter: Reporter
) -> Outcome:
    """Bring the real schema to the `expected` one, and read it again to see that it is.

    Raises ReconciliationError if differences remain for which there is no refusal, or if the connection is lost.
    """
    executor = Executor(connection, budgets, reporter)
    for number in range(MOST_ROUNDS):
        inspection = _inspect_when_free(connection, server, expected, executor)
        if number == 1:
            executor.forget_failures()
        todo = _still_to_do(inspection.plan, executor)
        if not todo:
            return _outcome(inspection, executor)
        executor.notes += inspection.plan.notes
        executor.run(replace(inspection.plan, repairs=todo))
    inspection = _inspect_when_free(connection, server, expected, executor)
    if left := _still_to_do(inspection.plan, executor):
        listed = ", ".join(f"{repair.table} ({', '.join(repair.names)})" for repair in left)
        raise ReconciliationError(
            f"After {MOST_ROUNDS} repairs there is still something to repair: {listed}. Is something else changing the"
            " schema at the same time? manage.py reconcile --plan shows what differs now."
        )
    return _outcome(inspection, executor)


def _still_to_do(plan: Plan, executor: Executor) -> tuple[Repair, ...]:
    return _sorted_out(plan, executor)[0]


def _sorted_out(plan: Plan, executor: Executor) -> tuple[tuple[Repair, ...], Undone]:
    """Return the repairs that can still be tried, and what waits for those that were given up."""
    undone = executor.undone()
    left = [repair for repair in plan.repairs if not executor.has_given_up(repair)]
    return tuple(repair for repair in left if not undone.holds_up(repair)), undone


def _outcome(inspection: Inspection, executor: Executor) -> Outcome:
    _, undone = _sorted_out(inspection.plan, executor)
    refusals = (*inspection.plan.refusals, *map(undone.told, executor.refusals))
    notes = dict.fromkeys((*executor.notes, *inspection.plan.notes))
    return Outcome(inspection, refusals, tuple(notes))


def _inspect_when_free(
    connection: BaseDatabaseWrapper, server: Server, expected: Schema, executor: Executor
) -> Inspection:
    """Inspect, once nobody keeps a table locked against readers, nor is building an index concurrently.

    Until it is done, such an index looks like a broken one.
    """
    locked_until = time.monotonic() + executor.budgets.lock_budget
    built_until = time.monotonic() + executor.budgets.build_budget
    while True:
        try:
            inspection = inspect(connection, server, expected, executor.budgets)
        except Error as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            _wait(locked_until, _locked_out(connection, expected))
            continue
        building = _building(inspection)
        if not building:
            return inspection
        _wait(built_until, f"Another session is building {', '.join(building)}, says pg_stat_progress_create_index.")


def _wait(deadline: float, why: str) -> None:
    if time.monotonic() > deadline:
        raise LockNotAvailable(f"{why} Let it end, or end it, then run migrate again.")
    time.sleep(random.uniform(0.3, 0.6))  # noqa: S311


def _locked_out(connection: BaseDatabaseWrapper, expected: Schema) -> str:
    names = [table.sql_name for table in expected.tables.values()]
    sessions = [str(session) for session in holders(connection, names)]
    return f"Tables are locked against reading, perhaps by one of: {'; '.join(sessions) or 'nobody any more'}."


def _building(inspection: Inspection) -> list[str]:
    tables = inspection.differences.actual.tables.values()
    return [index.name for table in tables for index in table.indexes if index.building]


def require_server(connection: BaseDatabaseWrapper) -> Server:
    """Return the server. Raises Unsupported where it, or this role on it, can't carry a reconciliation."""
    server = read_server(connection)
    _require(server)
    return server


def _require(server: Server) -> None:
    if server.version_number < OLDEST:
        raise Unsupported(f"Expected PostgreSQL 14 or later, found {server.version}. Upgrade the server.")
    if server.in_recovery:
        raise Unsupported(
            f"Expected a primary server, found a read-only standby ({server.database}). Run this on its primary."
        )
    if server.read_only:
        raise Unsupported(
            f"Expected to be allowed to write, found read-only transactions for {server.role}. Turn them off:"
            " ALTER ROLE … SET default_transaction_read_only = off (or for the database)."
        )
    if server.schema is None or server.schema.startswith("pg_"):  # the system's own, or one of temporary tables
        raise Unsupported(
            f"Expected a schema to create tables in, found {server.schema or 'none'} first on the search path"
            f" ({server.search_path}). Create one, or set search_path."
        )
    if not server.may_create_temporary:
        raise Unsupported(
            f"Expected the privilege TEMPORARY on the database {server.database}, which {server.role} lacks: temporary"
            f" tables tell what the models mean. GRANT TEMPORARY ON DATABASE {server.database} TO {server.role}."
        )
