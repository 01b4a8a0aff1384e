"""How long a step waits for its locks, and how long it pauses between two attempts."""

from itertools import islice

import pytest

from ...execution.locks import attempt_lock_timeout, backoff


def test_pauses_double_up_to_five_seconds():
    assert list(islice(backoff(), 8)) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


@pytest.mark.parametrize(
    ("pause", "longest", "lock_timeout"),
    [
        pytest.param(0.1, 0.5, 0.05, id="at first, as long as a writer takes"),
        pytest.param(3.2, 0.5, 0.32, id="then a tenth of the pause"),
        pytest.param(5.0, 0.3, 0.3, id="but no longer than the setting"),
        pytest.param(0.1, 0.02, 0.02, id="at first no longer than the setting, either"),
    ],
)
def test_an_attempt_waits_for_a_small_part_of_the_pause(pause: float, longest: float, lock_timeout: float):
    assert attempt_lock_timeout(pause, longest) == pytest.approx(lock_timeout)
