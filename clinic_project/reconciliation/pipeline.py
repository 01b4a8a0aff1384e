"""The pipeline of four stages, each in a folder of its own, that makes the actual schema match the declared one.

1. schema      Read the declared schema (`read_declared`) and the actual one, as the same kind of value.
2. comparison  Compare the two.
3. planning    Plan what to do about each difference: repairs, refusals, notes.
4. execution   Run the plan.

`inspect` is stages 1 to 3, with the declared schema given; it changes nothing. `reconcile` inspects and runs the plan until
nothing is left to repair.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from django.apps.registry import Apps
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from .comparison import compare
from .comparison.differences import (
    ColumnDifference,
    ConstraintDifference,
    Differences,
    IndexDifference,
    Kind,
    TriggerDifference,
)
from .conf import Budgets, ignored_labels, milliseconds
from .exceptions import LockNotAvailable, ReconciliationError
from .execution.abandonment import RepairAbandoned, UnblockedRepairs, locked
from .execution.backfill import BackfillRunner
from .execution.executor import Executor
from .execution.locks import LockRetry, sleep_with_jitter
from .execution.migration_lock import MIGRATION_LOCK
from .execution.reporter import Reporter
from .execution.row_checks import find_violations, with_rows
from .execution.sessions import in_the_way, locked_relations
from .planning.blockers import Blockers
from .planning.environment_notes import unmatched_notes
from .planning.plan import Lock, Note, Plan, Refusal, Repair, Step, ViolationQuery, merged
from .planning.planner import make_plan
from .planning.refusals import statement_failed
from .planning.script import ScriptSettings
from .planning.serving import ServingProblem, serving_problems, tables_to_be_empty
from .schema.declared import declared_schema
from .schema.introspection import read_schema, with_dependents
from .schema.migrated_columns import migrated_columns
from .schema.model import Schema, Server, Table, relation_key
from .schema.python_defaults import with_python_defaults
from .schema.restored import DefinedObject, has_expression, with_restored_definitions
from .server_requirements import require_server
from .sqlstates import (
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    connection_lost,
    message,
    raised_by_triggers,
    sqlstate,
)

#: How often a plan is made and run, at most. One round is enough, unless the schema is changed meanwhile.
MAX_ROUNDS = 3

#: Seconds between two inspections, where another session is waited for.
PAUSE = 0.6


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
    def all_blocked(self) -> bool:
        """Whether all differences are blocked by what nothing here creates: tables of others, or what is ignored."""
        return not self.in_sync and not self.plan.repairs and not self.plan.refusals


@dataclass(frozen=True, slots=True)
class ReconciliationResult:
    """The last inspection of a reconciliation, and all its refusals and notes."""

    inspection: Inspection
    refusals: tuple[Refusal, ...]
    notes: tuple[Note, ...]


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause the garbage collector, which would traverse the many values of a schema for nothing."""
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
    """Return the server and the schema that the models of the apps `labels` declare on it. Raises Unsupported, Refused."""
    server = require_server(connection)
    return server, declared_schema(connection, apps, labels, server.schema or "")


@_garbage_collection_paused()
def inspect(connection: BaseDatabaseWrapper, server: Server, declared: Schema, budgets: Budgets) -> Inspection:
    """Read the actual schema, compare it with the declared one, and plan. Nothing is changed.

    Raises django.db.Error of SQLSTATE 55P03 if a table is locked against readers for longer than the lock timeout.
    """
    tables = {*declared.tables, *declared.rejected, *declared.parents()}
    index_names = [relation_key(table.name, i.name) for table in declared.tables.values() for i in table.indexes]
    functions = {key.partition("(")[0] for key in (*declared.functions, *declared.rejected_functions)}
    actual = read_schema(connection, declared.name, tables, index_names, functions, lock_timeout=budgets.lock_timeout)
    differences = _compare(connection, declared, actual).ignoring(ignored_labels())
    # Only of these does it matter what depends on them: a person may have to alter that as well.
    altered = {item.table for item in differences.items if item.kind in _ALTERING_KINDS}
    if altered:
        actual = with_dependents(connection, actual, altered, lock_timeout=budgets.lock_timeout)
        differences = replace(differences, actual=actual)
    return Inspection(server, differences.declared, differences, make_plan(differences, server))


_ALTERING_KINDS = (Kind.TABLE_UNLOGGED, Kind.COLUMN_TYPE, Kind.COLUMN_MISSING, Kind.CONSTRAINT_DEFINITION)


def _compare(connection: BaseDatabaseWrapper, declared: Schema, actual: Schema) -> Differences:
    """Compare the schemas, and where they differ, once more with what takes longer to find out, and is seldom necessary."""
    differences = compare(declared, actual)
    if reworded := _may_be_restored(differences):
        declared = with_restored_definitions(connection, declared, actual, reworded)
        differences = compare(declared, actual)
    if columns := differences.columns_without_value:
        declared = with_python_defaults(connection, declared, columns)
        differences = compare(declared, actual)
    if differences.has_renamed_columns:
        differences = compare(declared, actual, migrated_columns())
    return differences


#: Of what a definition is compared, in which there may be expressions.
_COMPARED_DEFINITIONS = (
    Kind.COLUMN_TYPE,
    Kind.COLUMN_DEFAULT,
    Kind.INDEX_MISSING,
    Kind.INDEX_DEFINITION,
    Kind.CONSTRAINT_MISSING,
    Kind.CONSTRAINT_DEFINITION,
    Kind.TRIGGER_MISSING,
    Kind.TRIGGER_DEFINITION,
)


def _may_be_restored(differences: Differences) -> dict[str, list[DefinedObject]]:
    """Return the declared objects, by table, that may differ only as they do after a dump was restored."""
    found = defaultdict(list)
    for item in differences.items:
        definitions = ColumnDifference | IndexDifference | ConstraintDifference | TriggerDifference
        if item.kind in _COMPARED_DEFINITIONS and isinstance(item, definitions) and has_expression(item.declared):
            found[item.table].append(item.declared)
    return found


def unmatched_ignores(inspection: Inspection) -> list[Note]:
    """Return a note for each entry of the setting that ignores nothing, where the inspection is of all reconciled apps."""
    return unmatched_notes(inspection.differences, ignored_labels())


def find_serving_problems(
    connection: BaseDatabaseWrapper, inspection: Inspection, inserted: Collection[str] | None = None
) -> list[ServingProblem]:
    """Return what makes an application's queries fail, or its inserts into the tables `inserted`; None means all."""
    tables = inspection.differences.actual.tables
    filled = {name for name in tables_to_be_empty(inspection.plan) if _has_rows(connection, tables[name])}
    return list(serving_problems(inspection.differences, inspection.plan, filled, inserted))


def _has_rows(connection: BaseDatabaseWrapper, table: Table) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {table.sql_name})")
        return bool(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `migrate` would refuse now. `complete` is false where looking at rows took longer than it was given.

    What triggers do to a backfill is tried with its first rows alone: they may do more to others.
    """

    refusals: tuple[Refusal, ...]
    complete: bool = True


def forecast(
    connection: BaseDatabaseWrapper, inspection: Inspection, budgets: Budgets, timeout: float | None = None
) -> Forecast:
    """Return the plan's refusals, and those for rows that would make its steps fail now. Nothing is changed.

    With a `timeout`, no more rows are looked at once a query of them has taken so many seconds.
    """
    unblocked, refusals, complete = UnblockedRepairs(inspection.plan.repairs, Blockers()), [], True
    for repair in unblocked:
        try:
            refusal = _precheck(connection, repair, budgets, timeout)
        except Error as error:
            if sqlstate(error) != QUERY_CANCELED:
                raise
            complete = False
            break
        if refusal is not None:
            unblocked.refuse(repair, refusal)
            refusals.append(refusal)
    planned = (with_rows(connection, refusal, timeout) for refusal in inspection.plan.refusals)
    found = (*planned, *map(unblocked.blockers.with_dependents, refusals))
    return Forecast(tuple(merged(found)), complete)


def _precheck(
    connection: BaseDatabaseWrapper, repair: Repair, budgets: Budgets, timeout: float | None
) -> Refusal | None:
    """Return the first refusal for rows that the repair's steps would meet: there, it would be abandoned."""
    queries = dict.fromkeys(step.violations for step in repair.steps if step.violations is not None)
    for query in queries:
        refusal = None if query.after_backfill else _query_violations(connection, query, timeout)[1]
        if refusal is not None:
            return refusal
    # Whoever is in a hurry doesn't have rows updated either, though that is rolled back.
    return _dry_run_backfills(connection, repair, budgets) if timeout is None else None


def _dry_run_backfills(connection: BaseDatabaseWrapper, repair: Repair, budgets: Budgets) -> Refusal | None:
    """Return the refusal for what triggers do to the rows of the repair's backfills, which their first batches show."""
    nulls = next((step.violations for step in repair.steps if step.violations is not None), None)
    refused = (_dry_run_backfill(connection, repair, step, budgets, nulls) for step in repair.steps)
    return next((refusal for refusal in refused if refusal is not None), None)


def _dry_run_backfill(
    connection: BaseDatabaseWrapper, repair: Repair, step: Step, budgets: Budgets, nulls: ViolationQuery | None = None
) -> Refusal | None:
    """Return the refusal for what triggers do to the rows of the step's backfill; for NULLs that they keep, with `nulls`."""
    reporter = Reporter()
    runner = BackfillRunner(connection, budgets.batch_rows, LockRetry(connection, budgets, reporter), reporter)
    try:
        return runner.dry_run(step, nulls)
    except Error as error:
        if connection_lost(error):
            raise
        if not raised_by_triggers(error):
            return None  # the plan may have yet to create what it sets, or a row is locked
        return statement_failed(step, ", ".join(repair.names), message(error), sqlstate(error), by_triggers=True)


def runnable_plan(connection: BaseDatabaseWrapper, inspection: Inspection, budgets: Budgets) -> Plan:
    """Return the plan without the steps that rows or triggers would make fail now, and with the refusals for these.

    What runs the plan without deciding about each error, as psql does, would stop there. Nothing is changed.
    """
    unblocked, repairs, refusals = UnblockedRepairs(inspection.plan.repairs, Blockers()), [], []
    for repair in unblocked:
        steps, refusal = _runnable_steps(connection, repair, budgets)
        if steps:
            repairs.append(replace(repair, steps=steps))
        if refusal is not None:
            unblocked.refuse(repair, refusal)
            refusals.append(refusal)
    refusals = list(map(unblocked.blockers.with_dependents, refusals))
    return replace(inspection.plan, repairs=tuple(repairs), refusals=(*inspection.plan.refusals, *refusals))


def _runnable_steps(
    connection: BaseDatabaseWrapper, repair: Repair, budgets: Budgets
) -> tuple[tuple[Step, ...], Refusal | None]:
    """Return the steps before the one that rows make fail, none if that one would have to be cleaned up; and why.

    What can't be known yet is to be checked right before the step: the NULLs that a backfill leaves, and the orphans of a
    table that has yet to be created.
    """
    steps: list[Step] = []
    backfilled, queried = False, set()
    for step in repair.steps:
        backfilled = backfilled or step.backfill is not None
        if (refusal := _dry_run_backfill(connection, repair, step, budgets)) is not None:
            return tuple(steps) if repair.on_failure is None else (), refusal
        if step.violations is None or step.violations in queried:
            steps.append(step)
            continue
        queried.add(step.violations)
        is_known, refusal = (False, None) if backfilled else _query_violations(connection, step.violations)
        if refusal is not None:
            return tuple(steps) if repair.on_failure is None else (), refusal
        steps.append(step if is_known else replace(step, check_first=True))
    return tuple(steps), None


def _query_violations(
    connection: BaseDatabaseWrapper, query: ViolationQuery, timeout: float | None = None
) -> tuple[bool, Refusal | None]:
    """Return whether the query could be run, and what it found."""
    try:
        return True, find_violations(connection, query, timeout)
    except Error as error:
        if connection_lost(error) or (timeout is not None and sqlstate(error) == QUERY_CANCELED):
            raise
        # The plan may have yet to create what the query reads, or this role may not read it.
        return False, None


def script_settings(connection: BaseDatabaseWrapper, server: Server, budgets: Budgets) -> ScriptSettings:
    """Return what a script for psql sets, so that it waits for as long as `migrate`."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW standard_conforming_strings")
        (conforming_strings,) = cursor.fetchone()
    lock_timeout, build_timeout = milliseconds(budgets.lock_timeout), milliseconds(budgets.build_budget)
    return ScriptSettings(server, conforming_strings, lock_timeout, build_timeout, budgets.batch_rows, MIGRATION_LOCK)


# Stage 4


def reconcile(
    connection: BaseDatabaseWrapper, server: Server, declared: Schema, budgets: Budgets, reporter: Reporter
) -> ReconciliationResult:
    """Make the actual schema match the declared one, and inspect it again to verify that it does.

    1. Inspect, once no other session prevents it.
    2. Return the result if no repair is left, apart from abandoned ones and those that they block.
    3. Run the repairs that are left, and start again. In the second round, repairs whose statements failed are retried:
       they may have required what was repaired after them.

    Raises ReconciliationError if repairs are left after the last round, or if the connection is lost, and RepairAbandoned
    where a table is locked against readers for the whole lock budget.
    """
    executor, number = Executor(connection, budgets, reporter), 0
    while True:
        try:
            inspection = _wait_and_inspect(connection, server, declared, budgets, reporter)
        except RepairAbandoned as abandoned:
            abandoned.begun = number > 0
            raise
        if number == 1:
            executor.abandoned.retry_failed_statements()
        repairs = executor.abandoned.remaining(inspection.plan)
        if not repairs:
            return _result(inspection, executor)
        if number == MAX_ROUNDS:
            raise _still_differs(repairs)
        executor.notes += inspection.plan.notes
        executor.run(replace(inspection.plan, repairs=repairs))
        number += 1


def _still_differs(repairs: Iterable[Repair]) -> ReconciliationError:
    listed = ", ".join(f"{repair.table} ({', '.join(repair.names)})" for repair in repairs)
    return ReconciliationError(
        f"The plan was run {MAX_ROUNDS} times, and the schema still differs: {listed}. Check whether something else"
        " changes the schema at the same time. manage.py reconcile --plan shows what differs now."
    )


def _result(inspection: Inspection, executor: Executor) -> ReconciliationResult:
    planned = (with_rows(executor.connection, refusal) for refusal in inspection.plan.refusals)
    refusals = (*planned, *executor.abandoned.refusals(inspection.plan))
    notes = dict.fromkeys((*executor.notes, *inspection.plan.notes))
    return ReconciliationResult(inspection, refusals, tuple(notes))


# Waiting for other sessions before an inspection


def _wait_and_inspect(
    connection: BaseDatabaseWrapper, server: Server, declared: Schema, budgets: Budgets, reporter: Reporter
) -> Inspection:
    """Inspect, once no other session locks a table against readers or builds an index concurrently.

    An index that is being built looks like an invalid one. Raises RepairAbandoned when the lock budget is used up, and
    LockNotAvailable when the build budget is.
    """
    began = time.monotonic()
    while True:
        try:
            inspection = inspect(connection, server, declared, budgets)
        except Error as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            step = _reading(connection, declared)
            sessions = in_the_way(connection, step.relations, step.lock)
            if time.monotonic() > began + budgets.lock_budget:
                raise locked(step, budgets.lock_budget, sessions) from error
            reporter.waiting(step, sessions)
            sleep_with_jitter(PAUSE)
            continue
        indexes = _indexes_being_built(inspection)
        if not indexes:
            return inspection
        if time.monotonic() > began + budgets.build_budget:
            raise LockNotAvailable(
                f"Another session is building {', '.join(indexes)} (see pg_stat_progress_create_index). Wait until that"
                " session is done, or end it, then run migrate again."
            )
        sleep_with_jitter(PAUSE)


def _reading(connection: BaseDatabaseWrapper, declared: Schema) -> Step:
    """Return the step of reading the declared tables, of those that are locked now if any are."""
    names = [table.sql_name for table in declared.tables.values()]
    tables = locked_relations(connection, names, Lock.ACCESS_SHARE)
    return Step(
        (), ", ".join(tables) or "the tables", Lock.ACCESS_SHARE, "read the schema", relations=tuple(tables or names)
    )


def _indexes_being_built(inspection: Inspection) -> list[str]:
    tables = inspection.differences.actual.tables.values()
    return [index.name for table in tables for index in table.indexes if index.building]
