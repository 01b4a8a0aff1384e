"""Watches a concurrent build or drop from a second connection: how far it is, and whom it waits for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Step
from .reporter import Reporter
from .sessions import blockers

#: Seconds before the first look, so that a short build costs no connection, and between looks.
FIRST_LOOK, BETWEEN_LOOKS = 1.0, 0.5


@contextmanager
def watching_build(connection: BaseDatabaseWrapper, step: Step, reporter: Reporter) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(connection, pid, step, reporter, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(first: BaseDatabaseWrapper, pid: int, step: Step, reporter: Reporter, done: threading.Event) -> None:
    if done.wait(FIRST_LOOK):
        return
    second = first.copy()  # here, since a connection belongs to the thread that makes it
    # Watching is a kindness: where no second connection is to be had, the build goes on unwatched.
    with suppress(Error):
        try:
            while not done.wait(BETWEEN_LOOKS):
                _look(second, pid, step, reporter)
        finally:
            second.close()


def _look(second: BaseDatabaseWrapper, pid: int, step: Step, reporter: Reporter) -> None:
    if in_the_way := blockers(second, pid):
        reporter.waiting(step, in_the_way)
    with second.cursor() as cursor:
        # A build scans blocks, then loads tuples: https://www.postgresql.org/docs/current/progress-reporting.html
        cursor.execute(
            "SELECT greatest(blocks_done, tuples_done), greatest(blocks_total, tuples_total)"
            " FROM pg_stat_progress_create_index WHERE pid = %s",
            [pid],
        )
        if (row := cursor.fetchone()) and row[1]:
            reporter.progressed(step, *row)
