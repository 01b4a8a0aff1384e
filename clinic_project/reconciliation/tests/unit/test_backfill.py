"""How many blocks a backfill reads at a time."""

import pytest

from ...execution.backfill import MAX_WIDTH, next_width


@pytest.mark.parametrize(
    ("width", "fullness", "following"),
    [
        pytest.param(32, 0, 64, id="nothing found: twice as many"),
        pytest.param(32, 0.3, 64, id="little found: never more than twice as many"),
        pytest.param(100, 0.6, 150, id="half a batch found: as many as hold nine tenths of one"),
        pytest.param(100, 0.95, 95, id="almost a batch found: some fewer"),
        pytest.param(100, 1, 50, id="a whole batch found, and perhaps not all: half as many"),
        pytest.param(1, 1, 1, id="a block holds more than a batch"),
        pytest.param(1, 0.99, 1, id="a block holds a batch"),
        pytest.param(MAX_WIDTH, 0, MAX_WIDTH, id="there is a limit"),
    ],
)
def test_the_next_block_range_holds_nearly_a_batch(width: int, fullness: float, following: int):
    assert next_width(width, fullness) == following
