"""Ctrl-C while PostgreSQL works: the driver waits for the answer, and Python raises KeyboardInterrupt only after it."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper


class Interrupts:
    """`received`: whether Ctrl-C was pressed. Then errors only say that statements were cancelled."""

    received = False

    @contextmanager
    def cancelling(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Let each Ctrl-C meanwhile cancel the statement that `connection` runs.

        The signal handler of C writes a byte while the main thread waits for the server; another thread reads it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are received by the main thread alone
            return
        reader, writer = socket.socketpair()
        with reader, writer:
            writer.setblocking(False)
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            thread = threading.Thread(target=self._cancel, args=(reader, connection), daemon=True)
            try:
                thread.start()
                yield
            finally:
                signal.set_wakeup_fd(before)
                writer.shutdown(socket.SHUT_RDWR)
                if thread.is_alive():  # not where Ctrl-C came as it started
                    thread.join()

    def _cancel(self, reader: socket.socket, connection: BaseDatabaseWrapper) -> None:
        with suppress(OSError):  # closed, where Ctrl-C came as this began
            while numbers := reader.recv(1):
                if numbers[0] == signal.SIGINT:
                    self.received = True
                    # It may be closed meanwhile.
                    with suppress(Error, AttributeError), connection.wrap_database_errors:
                        connection.connection.cancel()
