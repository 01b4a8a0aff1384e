"""Schemas migrated side by side: each in a process of its own, which is forked from this one.

A process each, since Django's signals, its content types and the connection's settings are those of a process; forked, since
it takes as long to load Django as to find that a schema is as declared.
"""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

from .console import REPORT_INTERVAL
from .schema_outcome import SchemaOutcome, Status, migrate_schema

#: Seconds for which schemas without a connection are tried again, from the last one that had one.
CONNECTION_BUDGET = 10.0
#: Seconds before that, where nothing else runs.
_PAUSE = 0.5

_FORKING = multiprocessing.get_context("fork")
_STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class _Run:
    schema: str
    process: ForkProcess
    began: float

    def received(self, receiver: Connection) -> SchemaOutcome | str:
        """Return what the process sent, once it did or has ended: its outcome, or a line that says what it waits for."""
        try:
            sent: SchemaOutcome | str = receiver.recv()
        except EOFError:
            self.process.join()
            error = f"Its process ended without a word, with the exit status {self.process.exitcode}."
            sent = SchemaOutcome(self.schema, Status.FAILED, error=error)
        if isinstance(sent, str):
            return f"{self.schema}: {sent}"
        receiver.close()
        self.process.join()
        return replace(sent, seconds=round(time.monotonic() - self.began, 3))


@dataclass
class SideBySide:
    """Migrates schemas of the database `alias`, at most `jobs` at a time. After Ctrl-C, it begins no other.

    Where a connection fails, the server may have no connection left: the schema is migrated after the others, and
    `jobs` becomes the number of those that have one.
    """

    alias: str
    jobs: int
    stopped: bool = False
    _connected: float = field(default_factory=time.monotonic)
    _running: dict[Connection, _Run] = field(default_factory=dict)

    def run(self, schemas: Sequence[str]) -> Iterator[SchemaOutcome | str | None]:
        """Yield the outcome of each as it ends, lines of what they wait for, and None after REPORT_INTERVAL without any."""
        queue = deque(schemas)
        with self._stopping():
            while queue or self._running:
                if self.stopped:
                    yield from (SchemaOutcome(schema, Status.NOT_BEGUN) for schema in queue)
                    queue.clear()
                while queue and len(self._running) < self.jobs:
                    self._begin(queue.popleft())
                ready = wait(list(self._running), REPORT_INTERVAL)
                for receiver in [receiver for receiver in self._running if receiver in ready]:
                    received = self._running[receiver].received(receiver)
                    yield self._ended(receiver, received, queue) if isinstance(received, SchemaOutcome) else received
                if not ready:
                    yield None

    def running(self) -> list[tuple[str, float]]:
        """Return the schemas that are being migrated, each with the seconds for which it has been."""
        return [(run.schema, time.monotonic() - run.began) for run in self._running.values()]

    def _ended(self, receiver: Connection, outcome: SchemaOutcome, queue: deque[str]) -> SchemaOutcome | str | None:
        """Return the outcome, unless the schema is put into the queue again; or a line that says so."""
        del self._running[receiver]
        if not self._is_tried_again(outcome):
            return outcome
        queue.append(outcome.schema)
        return self._fewer_at_a_time(outcome.schema)

    def _is_tried_again(self, outcome: SchemaOutcome) -> bool:
        if outcome.connected:
            self._connected = time.monotonic()
            return False
        return not self.stopped and time.monotonic() - self._connected < CONNECTION_BUDGET

    def _fewer_at_a_time(self, schema: str) -> str | None:
        """Leave the connections to those that have one. Return a line that says so, the first time."""
        fewer = max(len(self._running), 1)
        if not self._running:
            time.sleep(_PAUSE)
        if fewer >= self.jobs:
            return None
        self.jobs = fewer
        return f"{schema}: no connection; it is tried again after the others, {fewer} at a time"

    def _begin(self, schema: str) -> None:
        receiver, sender = _FORKING.Pipe(duplex=False)
        process = _FORKING.Process(target=_migrate, args=(sender, self.alias, schema))
        with _held_back():  # until the process has handlers of its own
            process.start()
            self._running[receiver] = _Run(schema, process, time.monotonic())
        sender.close()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._stop) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, *_: Any) -> None:
        """Interrupt each `migrate` as Ctrl-C does. The terminal's own reaches this process alone."""
        self.stopped = True
        for run in self._running.values():
            if run.process.is_alive() and run.process.pid is not None:
                os.kill(run.process.pid, signal.SIGINT)


@contextmanager
def _held_back() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _migrate(sender: Connection, alias: str, schema: str) -> None:
    """What the process does."""
    os.setpgid(0, 0)  # out of reach of the terminal
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        outcome = migrate_schema(alias, schema, sender.send)
    except KeyboardInterrupt:  # before `migrate` began to look for it, or after it ended
        outcome = SchemaOutcome(schema, Status.INTERRUPTED)
    sender.send(outcome)
