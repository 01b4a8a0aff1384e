"""Hangs up on a server that doesn't answer, though its machine does: one that stands still, on a disk that does, say.

libpq waits for it without end: to the kernel, the connection is alive. A thread of the process looks after all of them.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

from django.db.backends.base.base import BaseDatabaseWrapper

_deadlines: dict[BaseDatabaseWrapper, float] = {}
_lock = Lock()
_watching: Thread | None = None


@contextmanager
def hung_up_after(seconds: float, connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Cut `connection` if the block isn't done by then, within a second: what waits for it there raises OperationalError."""
    _deadlines[connection] = time.monotonic() + seconds
    _start_watching()
    try:
        yield
    finally:
        _deadlines.pop(connection, None)


def _start_watching() -> None:
    """Start the thread, which isn't there either once the process has been forked."""
    global _watching  # noqa: PLW0603 - one for the process
    if _watching is None or not _watching.is_alive():
        with _lock:
            if _watching is None or not _watching.is_alive():
                _watching = Thread(target=_watch, name="stalled connections", daemon=True)
                _watching.start()


def _watch() -> None:
    while True:
        time.sleep(1)
        now = time.monotonic()
        for connection, deadline in list(_deadlines.items()):
            if now > deadline and _deadlines.pop(connection, None) is not None:
                _cut(connection)


def _cut(connection: BaseDatabaseWrapper) -> None:
    with suppress(Exception):  # it has just been closed
        descriptor = os.dup(connection.connection.fileno())
        with socket.socket(fileno=descriptor) as ours:
            ours.shutdown(socket.SHUT_RDWR)
