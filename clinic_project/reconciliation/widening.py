"""Columns of smaller integers become bigint beside the application, with all columns that reference them.

As `pipeline.reconcile`: read, plan, run, and again from what is there then. What is declared isn't asked: a model may
declare these columns bigint before or afterwards, since larger integers than declared are as good.
"""

from collections.abc import Sequence
from dataclasses import replace

from django.db.backends.base.base import BaseDatabaseWrapper

from .conf import Budgets
from .exceptions import ReconciliationError
from .execution.executor import Executor
from .execution.locks import LockRetry
from .execution.reporter import Reporter
from .planning.plan import Lock, Plan, Refusal, Step
from .planning.refusals import widen_command
from .planning.widening import plan_widening
from .schema.model import Server, Widening
from .schema.widening import read_widenings


def widening_plan(
    connection: BaseDatabaseWrapper, server: Server, labels: Sequence[str], budgets: Budgets, reporter: Reporter
) -> Plan:
    """Return what is to be done, or refused, for the columns `labels` to be bigint. Nothing is changed."""
    reading = Step((), ", ".join(labels), Lock.ACCESS_SHARE, "read what is on the columns")
    locks = LockRetry(connection, budgets, reporter)

    def read() -> list[Widening]:
        return read_widenings(connection, server, labels, budgets.lock_timeout)

    return plan_widening(locks.until_granted(reading, read), server, widen_command(labels))


def widen(
    connection: BaseDatabaseWrapper, server: Server, labels: Sequence[str], budgets: Budgets, reporter: Reporter
) -> list[Refusal]:
    """Make the columns `labels` bigint, and return what is refused instead.

    1. Plan. Return the refusals, if there are any.
    2. Run the first repair, and start again: what the next one has to take over may have changed meanwhile.

    Raises ReconciliationError where a repair is left that was run, or if the connection is lost.
    """
    executor, done = Executor(connection, budgets, reporter), None
    while True:
        plan = widening_plan(connection, server, labels, budgets, reporter)
        refused = [*plan.refusals, *executor.abandoned.refusals(plan)]
        if refused or not plan.repairs:
            return refused
        first = plan.repairs[0]
        if first == done:
            raise ReconciliationError(
                f"{first.table}: {', '.join(first.names)} became bigint, and isn't. Check whether something else changes the"
                f" schema at the same time, then run {widen_command(labels)} again."
            )
        executor.run(replace(plan, repairs=(first,)))
        done = first
