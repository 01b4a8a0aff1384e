"""Monitors a concurrent build or drop through a second connection: its progress, and the sessions for which it waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Step
from .reporter import Reporter
from .sessions import Session, blocking_sessions

#: Seconds before the monitor connects (so that a short build requires no second connection), and between its queries.
DELAY, INTERVAL = 1.0, 0.5

# A build reads blocks, then loads tuples: https://www.postgresql.org/docs/current/progress-reporting.html
_PROGRESS = """
    SELECT phase, greatest(blocks_done, tuples_done), greatest(blocks_total, tuples_total)
    FROM pg_stat_progress_create_index WHERE pid = %s
"""


@dataclass
class BuildMonitor:
    """`waits_for`: for whom the build waited when last polled; empty where it didn't wait, or couldn't be monitored."""

    step: Step
    reporter: Reporter
    waits_for: list[Session] = field(default_factory=list)

    def poll(self, second: BaseDatabaseWrapper, pid: int) -> None:
        """Report once on the statement that the session `pid` runs now."""
        sessions = blocking_sessions(second, pid)
        with second.cursor() as cursor:
            cursor.execute(_PROGRESS, [pid])
            phase, done, total = cursor.fetchone() or ("", 0, 0)
        holds_snapshot = phase == "waiting for old snapshots"
        self.waits_for = [replace(session, holds_snapshot=holds_snapshot) for session in sessions]
        if self.waits_for:
            self.reporter.waiting(self.step, self.waits_for)
        if total:
            self.reporter.progressed(self.step, done, total)


@contextmanager
def monitored_build(connection: BaseDatabaseWrapper, monitor: BuildMonitor) -> Iterator[None]:
    """Let `monitor` report, from another thread, on the statement that `connection` runs meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    done = threading.Event()
    thread = threading.Thread(target=_monitor, args=(connection, pid, monitor, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _monitor(first: BaseDatabaseWrapper, pid: int, monitor: BuildMonitor, done: threading.Event) -> None:
    if done.wait(DELAY):
        return
    second = first.copy()  # here, since a connection belongs to the thread that creates it
    # Where no second connection can be made, the build continues without reports.
    with suppress(Error):
        try:
            while not done.wait(INTERVAL):
                monitor.poll(second, pid)
        finally:
            second.close()
