"""Writes what a reconciliation does to a terminal, a line a step; in a terminal, long steps show how far they are."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

from django.core.management.base import CommandError, OutputWrapper
from django.core.management.color import Style
from django.db import Error, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import Budgets
from ..exceptions import ReconciliationError
from ..execution.migration_lock import migration_lock
from ..execution.pooling import require_own_session
from ..execution.reporter import Reporter
from ..execution.sessions import Session
from ..pipeline import Inspection
from ..planning.plan import Note, Refusal, Step, merged, waiting_text, where
from ..sqlstates import connection_lost, message, sqlstate

#: Seconds between two lines about the same wait, or the same step's progress.
BETWEEN_LINES = 10.0


class ConsoleReporter(Reporter):
    """Writes below whatever line stands open."""

    def __init__(self, stdout: OutputWrapper, style: Style, verbosity: int) -> None:
        self.stdout = stdout
        self.style = style
        self.verbosity = verbosity
        self._line_open = False
        self._said_at: dict[int, float] = {}
        self._progress_said_at = 0.0
        self._given_up: set[Refusal] = set()
        self._bar: Any = None

    def write(self, text: str, style: Any = None) -> None:
        if self.verbosity < 1:
            return
        self._end_line()
        self.stdout.write(text, style)

    def _end_line(self) -> None:
        if self._line_open:
            self.stdout.write("")
            self._line_open = False
        if self.heading:
            self.stdout.write(self.style.MIGRATE_HEADING(self.heading))
            self.heading = ""

    def open_line(self) -> None:
        """Know that a line has been begun, which has to be ended before anything else is written."""
        self._line_open = True

    def close_line(self) -> bool:
        """Know that the line is ended elsewhere, and return whether anything was written below it meanwhile."""
        was_open, self._line_open = self._line_open, False
        return not was_open

    def started(self, step: Step) -> None:
        self._progress_said_at = time.monotonic()
        if step.scans and self.verbosity >= 1 and self.stdout.isatty():
            self._end_line()
            self._bar = _progress_bar(step, self.stdout)

    def progressed(self, step: Step, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif time.monotonic() - self._progress_said_at >= BETWEEN_LINES and total:
            self._progress_said_at = time.monotonic()
            self.write(f"    {step.table}: {step.reason}: {done / total:.0%}")

    def waiting(self, step: Step, sessions: Sequence[Session]) -> None:
        for session in sessions:
            if time.monotonic() - self._said_at.get(session.pid, -BETWEEN_LINES) >= BETWEEN_LINES:
                self._said_at[session.pid] = time.monotonic()
                self.write(f"    waiting, to {step.reason}, for {session}", self.style.WARNING)

    def failed(self, step: Step) -> None:
        self._end_progress()

    def finished(self, step: Step, seconds: float, rows: int | None) -> None:
        self._end_progress()
        if rows == 0:
            return  # a fill that found nothing to do
        changed = "" if rows is None else f", {rows:,} rows"
        self.write(f"    {step.table}: {step.reason} ({_duration(seconds)}{changed})")

    def abandoned(self, refusal: Refusal) -> None:
        if refusal in self._given_up:
            return  # it was tried once more
        self._given_up.add(refusal)
        self.write(f"    {refusal.table}.{refusal.name}: refused, see below", self.style.WARNING)

    def _end_progress(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _progress_bar(step: Step, stdout: OutputWrapper) -> Any:
    """Start a bar that shows the time as well: of a validation, nothing else is known."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("    {task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(file=cast("TextIO", stdout)), transient=True)
    bar.add_task(f"{step.table}: {step.reason}", total=None)
    bar.start()
    return bar


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def refusals_text(refusals: Iterable[Refusal]) -> str:
    """Return refusals for a person to act on: what, and below it what to do."""
    unique = merged(refusals)
    count = "one thing needs" if len(unique) == 1 else f"{len(unique)} things need"
    begun = not any(refusal.fatal for refusal in unique)
    then = ". What was safe has been done." if begun else " before repairs can begin."
    lines = [f"The schema is not as declared: {count} a person's decision{then}"]
    for refusal in unique:
        place = where((refusal.table, refusal.name))
        lines += [f"  {place} [{refusal.code}]", f"    {refusal.reason}", f"    To do: {refusal.remedy}"]
        if refusal.waiting:
            lines.append(f"    {waiting_text(refusal.waiting)}")
    return "\n".join(lines)


def differences_text(inspection: Inspection) -> str:
    """Return a table of what differs: object, expected, found."""
    rows = [("object", "expected", "found")]
    rows += [(f"{item.table}.{item.name}", item.expected, item.actual) for item in inspection.differences.items]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


def notes_lines(notes: Iterable[Note]) -> list[str]:
    return [f"  {note}" for note in dict.fromkeys(notes)]


def require_postgresql(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor != "postgresql":
        raise CommandError(f"Expected a PostgreSQL database, found {connection.vendor} ({connection.alias}).")
    if connection.in_atomic_block:
        raise CommandError("Expected to be outside of any transaction: each step is committed on its own.")
    try:
        connection.ensure_connection()
        require_own_session(connection)
    except OperationalError as error:
        raise CommandError(
            f"Can't connect to the database {connection.settings_dict['NAME']} ({message(error)}). Look at DATABASE_URL, and"
            " whether the server runs and has connections left."
        ) from error


@contextmanager
def errors_told() -> Iterator[None]:
    """End a command with a message, and no traceback, where a person or the server has to see to something."""
    try:
        yield
    except ReconciliationError as error:
        raise CommandError(str(error)) from error
    except Error as error:
        raise CommandError(_database_error_text(error)) from error


def _database_error_text(error: Error) -> str:
    """Say what a database error outside of any repair, which would have made a refusal of it, means to who must act."""
    if connection_lost(error):
        return (
            f"The database stopped answering ({message(error)}). Nothing is lost; run it again: it starts from what is"
            " there."
        )
    code = f" (SQLSTATE {sqlstate(error)})" if sqlstate(error) else ""
    return (
        f"PostgreSQL said no: {message(error)}{code}. Nothing is lost. Settle what it says, then run it again: it starts"
        " from what is there. With --traceback it shows where that was."
    )


@contextmanager
def alone(connection: BaseDatabaseWrapper, budgets: Budgets, reporter: ConsoleReporter) -> Iterator[None]:
    """Hold the migration lock, and say who holds it meanwhile. Raises CommandError when the budget for that is used up."""

    def waiting(session: Session) -> None:
        reporter.write(f"Waiting for another migrate to end: {session}", reporter.style.WARNING)

    try:
        with migration_lock(connection, budgets.migration_budget, waiting):
            yield
    except TimeoutError as error:
        raise CommandError(
            f"Another migrate has been running for longer than {budgets.migration_budget:g} s. Let it end, or end it,"
            " then run migrate again."
        ) from error
