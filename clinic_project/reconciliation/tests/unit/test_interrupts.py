"""Ctrl-C where a command has only begun to look for it."""

import signal
import threading
from typing import Any

import pytest
from django.db import connection

from clinic_project.reconciliation.management.interrupts import Interrupts

from ..support.waiting import SECONDS


def test_it_leaves_no_thread_and_no_error(monkeypatch: pytest.MonkeyPatch):
    start, threads, errors = threading.Thread.start, list[threading.Thread](), list[Any]()

    def start_and_press(thread: threading.Thread) -> None:
        start(thread)
        threads.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start_and_press)
    monkeypatch.setattr(threading, "excepthook", errors.append)
    before = signal.set_wakeup_fd(-1)
    with pytest.raises(KeyboardInterrupt), Interrupts().cancelling(connection):
        pass
    assert signal.set_wakeup_fd(before) == -1
    threads[0].join(SECONDS)
    assert not threads[0].is_alive()
    assert errors == []
