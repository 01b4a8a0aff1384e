"""What the commands write: a line for each step, with the progress of long ones, and texts of differences and refusals."""

import time
from collections.abc import Iterable, Sequence
from textwrap import indent
from typing import Any

from django.core.management.base import BaseCommand, OutputWrapper

from ..execution.reporter import Reporter
from ..execution.sessions import Session
from ..migration_history import reconciled_labels
from ..pipeline import Inspection
from ..planning.plan import CountPhrase, Note, Refusal, Repair, Step, blocked_text, merged
from .progress_bar import ProgressBar, can_be_drawn

_TABLES = CountPhrase("table", "tables")
_IGNORED = CountPhrase("difference that RECONCILIATION ignores", "differences that RECONCILIATION ignores")

#: What says that nothing differs: after a run, and where nothing is changed.
VERIFIED = "Schema verified: {tables} {are} as declared{apart}."
AS_DECLARED = "The schema is as declared: {tables}{apart}."

#: Seconds between two lines about the same session, or about the progress of the same step.
REPORT_INTERVAL = 10.0


class ConsoleReporter(Reporter):
    """Writes lines of their own to the standard output of a command; nothing where the verbosity is 0.

    With `on_stderr`, it writes to the standard error: the standard output is for programs then.
    """

    def __init__(self, command: BaseCommand, verbosity: int, on_stderr: bool = False) -> None:
        # The command, not its stdout and style, which are replaced when it starts (call_command(stdout=…), --no-color).
        self.command = command
        self.verbosity = verbosity
        self.on_stderr = on_stderr
        self._line_open = False
        self._waits_reported: dict[int, float] = {}
        self._progress_reported = 0.0
        self._refused: set[Refusal] = set()
        self._bar: ProgressBar | None = None
        self._repairs, self._repair_seconds = 0, 0.0

    @property
    def _stream(self) -> OutputWrapper:
        return self.command.stderr if self.on_stderr else self.command.stdout

    def write(self, text: str, style: Any = None) -> None:
        if self.verbosity < 1:
            return
        if self._bar is not None:
            self._bar.write_above(style(text) if style is not None else text)
            return
        self._end_line()
        self._stream.write(text, style)

    def _end_line(self) -> None:
        if self._line_open:
            self._stream.write("")
            self._line_open = False
        if self.heading:
            self._stream.write(self.command.style.MIGRATE_HEADING(self.heading))
            self.heading = ""

    def open_line(self) -> None:
        """Record that a line was begun elsewhere, which has to be ended before anything is written."""
        self._line_open = True

    def close_line(self) -> bool:
        """Record that the line is ended elsewhere. Returns whether anything was written below it meanwhile."""
        was_open, self._line_open = self._line_open, False
        return not was_open

    def started(self, step: Step) -> None:
        self._progress_reported = time.monotonic()
        if self.verbosity >= 2:
            self.write(indent(f"{step.script};", "      "))
        if step.scans and self.verbosity >= 1 and can_be_drawn(self._stream):
            self._end_line()
            self._bar = ProgressBar(self._stream, f"    {step_text(step)}")
            self._bar.start()

    def progressed(self, step: Step, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(done, total)
        elif time.monotonic() - self._progress_reported >= REPORT_INTERVAL and total:
            self._progress_reported = time.monotonic()
            self.write(f"    {step_text(step)}: {done / total:.0%}")

    def waiting(self, step: Step, sessions: Sequence[Session]) -> None:
        for session in sessions:
            if time.monotonic() - self._waits_reported.get(session.pid, -REPORT_INTERVAL) >= REPORT_INTERVAL:
                self._waits_reported[session.pid] = time.monotonic()
                self.write_waiting(f"    {step_text(step)}: waiting for {session}")

    def waiting_for_migrate(self, session: Session) -> None:
        self.write_waiting(f"Waiting for another migrate to end: {session}")

    def write_waiting(self, text: str) -> None:
        self.write(text, self.command.style.WARNING)

    def failed(self, step: Step) -> None:
        self._end_progress()

    def break_off(self) -> None:
        """End the bar, which hides the terminal's cursor, and the line that was begun."""
        self._end_progress()
        self.heading = ""
        if self.verbosity >= 1:
            self._end_line()

    def finished(self, step: Step, seconds: float, rows: int | None) -> None:
        self._end_progress()
        if rows == 0:
            return  # a backfill that found nothing to do
        changed = "" if rows is None else f", {rows:,} rows"
        self.write(f"    {step_text(step)} ({_duration(seconds)}{changed})")

    def repaired(self, repair: Repair, seconds: float) -> None:
        self._repairs += 1
        self._repair_seconds += seconds

    def write_repairs(self) -> None:
        """Write how many repairs were made, if any were, and how long they took together."""
        if self._repairs:
            count = "1 repair" if self._repairs == 1 else f"{self._repairs:,} repairs"
            self.write(f"{count} in {_duration(self._repair_seconds)}.")

    def abandoned(self, refusal: Refusal) -> None:
        if refusal in self._refused:
            return  # it was retried
        self._refused.add(refusal)
        self.write(f"    {refusal.subject.label}: refused, see below", self.command.style.WARNING)

    def _end_progress(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def step_text(step: Step) -> str:
    return f"{step.table}: {step.reason}"


def planned_text(step: Step) -> str:
    return f"{step_text(step)} ({step.lock})"


def refusals_text(refusals: Iterable[Refusal], found: str = "The schema is not as declared") -> str:
    """Return refusals for a person to act on: the object, what is wrong with it, and what to do. `found` is their sum."""
    unique = merged(refusals)
    count = "one thing needs" if len(unique) == 1 else f"{len(unique)} things need"
    nothing_done = any(refusal.fatal for refusal in unique)
    end = " before repairs can begin." if nothing_done else ". What was safe has been done."
    lines = [f"{found}: {count} a person's decision{end}"]
    for refusal in unique:
        label = refusal.subject.label
        lines += [f"  {label} [{refusal.code}]", f"    {refusal.reason}", f"    To do: {refusal.remedy}"]
        if refusal.blocked:
            lines.append(f"    {blocked_text(refusal.blocked)}")
    return "\n".join(lines)


def forecast_lines(refusals: Iterable[Refusal]) -> list[str]:
    """Return a line for each refusal that `migrate` would end with."""
    return [f"refused: [{refusal.code}] {refusal}" for refusal in merged(refusals)]


def differences_text(inspection: Inspection) -> str:
    """Return what differs, three lines each: object, declared, actual. A table would be wider than a terminal."""
    return "\n".join(
        f"  {item.subject.label}\n    declared  {item.declared_text}\n    actual    {item.actual_text}"
        for item in inspection.differences.items
    )


def in_sync_text(inspection: Inspection, template: str) -> str:
    """Return VERIFIED or AS_DECLARED, filled in; where no table was compared, why."""
    tables, ignored = len(inspection.declared.tables), len(inspection.differences.ignored)
    if not tables:
        return _nothing_compared()
    apart = f", apart from {_IGNORED.text(ignored)}" if ignored else ""
    return template.format(tables=_TABLES.text(tables), are="is" if tables == 1 else "are", apart=apart)


def _nothing_compared() -> str:
    if labels := reconciled_labels():
        return f"No table was compared: the reconciled apps declare none in this database: {', '.join(sorted(labels))}."
    return (
        "No table was compared, and none is kept as declared: no app is opted in. Name apps in the setting"
        ' RECONCILIATION = {"apps": [...]}, or all of them by "*", then look with manage.py reconcile --plan.'
    )


def notes_lines(notes: Iterable[Note]) -> list[str]:
    return [f"  {note}" for note in dict.fromkeys(notes)]
