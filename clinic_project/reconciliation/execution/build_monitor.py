"""Monitors a concurrent build or drop through a second connection: its progress, and the sessions for which it waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Step
from .reporter import Reporter
from .sessions import blocking_sessions

#: Seconds before the monitor connects (so that a short build requires no second connection), and between its queries.
DELAY, INTERVAL = 1.0, 0.5


@contextmanager
def monitored_build(connection: BaseDatabaseWrapper, step: Step, reporter: Reporter) -> Iterator[None]:
    """Report, from another thread, on the statement that `connection` runs meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    done = threading.Event()
    thread = threading.Thread(target=_monitor, args=(connection, pid, step, reporter, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _monitor(first: BaseDatabaseWrapper, pid: int, step: Step, reporter: Reporter, done: threading.Event) -> None:
    if done.wait(DELAY):
        return
    second = first.copy()  # here, since a connection belongs to the thread that creates it
    # Where no second connection can be made, the build continues without reports.
    with suppress(Error):
        try:
            while not done.wait(INTERVAL):
                _report(second, pid, step, reporter)
        finally:
            second.close()


def _report(second: BaseDatabaseWrapper, pid: int, step: Step, reporter: Reporter) -> None:
    if sessions := blocking_sessions(second, pid):
        reporter.waiting(step, sessions)
    with second.cursor() as cursor:
        # A build reads blocks, then loads tuples: https://www.postgresql.org/docs/current/progress-reporting.html
        cursor.execute(
            "SELECT greatest(blocks_done, tuples_done), greatest(blocks_total, tuples_total)"
            " FROM pg_stat_progress_create_index WHERE pid = %s",
            [pid],
        )
        if (row := cursor.fetchone()) and row[1]:
            reporter.progressed(step, *row)
