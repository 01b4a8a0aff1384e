"""Waiting for what another process, thread or session does."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Found = TypeVar("Found")

#: Long enough for a busy machine with one processor: only a test that fails waits for so long.
SECONDS = 60


def wait_until(find: Callable[[], Found | None], seconds: float = SECONDS) -> Found:
    """Return what `find` returns, once that is true. The test fails when so many seconds have passed."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited for {seconds} s, and it is still {found!r}")
        time.sleep(0.05)
    return found
