"""Writes what a reconciliation does to a terminal, a line a step; in a terminal, long steps show how far they are."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.management.color import Style

from .engine import Inspection
from .plan import Note, Refusal, Step
from .report import Reporter
from .sessions import Session

#: Seconds between two lines about the same wait.
BETWEEN_WAITING_LINES = 10.0


class ConsoleReporter(Reporter):
    """Writes below whatever line stands open. `heading` is written before the first step, if there is one."""

    def __init__(self, stdout: OutputWrapper, style: Style, verbosity: int) -> None:
        self.stdout = stdout
        self.style = style
        self.verbosity = verbosity
        self.heading = ""
        self.line_open = False
        self.lines = 0
        self._said_at: dict[int, float] = {}
        self._bar: Any = None

    def write(self, text: str, style: Any = None) -> None:
        if self.verbosity < 1:
            return
        if self.line_open:
            self.stdout.write("")
            self.line_open = False
        if self.heading:
            self.stdout.write(self.style.MIGRATE_HEADING(self.heading))
            self.heading = ""
        self.stdout.write(text, style)
        self.lines += 1

    def progressed(self, step: Step, done: int, total: int) -> None:
        if self.verbosity < 1 or not self.stdout.isatty():
            return
        if self._bar is None:
            self._bar = _progress_bar(step.reason, total)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def waiting(self, step: Step, sessions: Sequence[Session]) -> None:
        for session in sessions:
            if time.monotonic() - self._said_at.get(session.pid, -BETWEEN_WAITING_LINES) >= BETWEEN_WAITING_LINES:
                self._said_at[session.pid] = time.monotonic()
                self.write(f"    waiting, to {step.reason}, for {session}", self.style.WARNING)

    def failed(self, step: Step) -> None:
        self._end_progress()

    def finished(self, step: Step, seconds: float, rows: int | None) -> None:
        self._end_progress()
        changed = "" if rows is None else f", {rows:,} rows"
        self.write(f"    {step.table}: {step.reason} ({_duration(seconds)}{changed})")

    def given_up(self, refusal: Refusal) -> None:
        self.write(f"    {refusal.table}.{refusal.name}: refused, see below", self.style.WARNING)

    def _end_progress(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _progress_bar(description: str, total: int) -> Any:
    from rich.progress import Progress

    bar = Progress(transient=True)
    bar.add_task(description, total=total)
    bar.start()
    return bar


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def refusals_text(refusals: Iterable[Refusal]) -> str:
    """Return refusals for a person to act on: what, and below it what to do."""
    unique = dict.fromkeys(refusals)
    lines = [f"The schema is not as declared: {len(unique)} found that a person must decide. The rest has been done."]
    for refusal in unique:
        where = refusal.table if refusal.name == refusal.table else f"{refusal.table}.{refusal.name}"
        lines += [f"  {where} [{refusal.code}]", f"    {refusal.reason}", f"    To do: {refusal.remedy}"]
    return "\n".join(lines)


def differences_text(inspection: Inspection) -> str:
    """Return a table of what differs: object, expected, found."""
    rows = [("object", "expected", "found")]
    rows += [(f"{item.table}.{item.name}", item.expected, item.actual) for item in inspection.differences.items]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


def notes_lines(notes: Iterable[Note]) -> list[str]:
    return [f"  {note}" for note in dict.fromkeys(notes)]
