"""The replica after an error: who tries it, and when."""

import time

import pytest
from django.db import OperationalError

from clinic_project.api import replica
from clinic_project.api.replica import PAUSE, reading_replica


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The only item is what time it is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_after_an_error_one_request_tries_again_and_the_others_wait_for_it(clock: list[float]):
    pause = replica._Pause()
    assert pause.is_over()
    pause.begin(OperationalError())
    assert not pause.is_over()
    clock[0] += PAUSE
    assert [pause.is_over(), pause.is_over()] == [True, False]
    clock[0] += PAUSE
    assert [pause.is_over(), pause.is_over()] == [True, False]
    pause.end()
    assert [pause.is_over(), pause.is_over()] == [True, True]


def test_the_log_says_why_it_cant_be_read(caplog: pytest.LogCaptureFixture):
    replica._Pause().begin(OperationalError("connection failed:\nFATAL:  no such role"))
    [said] = caplog.messages
    assert said == "the replica can't be read, and the primary is read instead: connection failed: FATAL: no such role"


def test_without_a_replica_a_handler_stays_as_it_is():
    def handler() -> None: ...

    assert reading_replica(handler, 1) is handler
