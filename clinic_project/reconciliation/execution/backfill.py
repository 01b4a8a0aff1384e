"""Sets a column to a value where it is NULL, in batches with a commit each, while other sessions change the table."""

from functools import partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Backfill, Step
from .locks import LockRetry
from .reporter import Reporter

#: How many blocks a block range has at first, and at most.
INITIAL_WIDTH, MAX_WIDTH = 32, 4096

#: The part of a batch that a block range should hold: if it were more, many would hold more than one, and be read twice.
TARGET_FULLNESS = 0.9

#: How many blocks the table has, or the largest of those that inherit from it, whose rows an UPDATE changes as well.
_BLOCKS = """
    WITH RECURSIVE family (oid) AS (
        SELECT %s::regclass::oid UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = oid
    )
    SELECT coalesce(max(pg_relation_size(oid)), 0) / current_setting('block_size')::int FROM family
"""


class BackfillRunner:
    def __init__(self, connection: BaseDatabaseWrapper, batch_rows: int, locks: LockRetry, reporter: Reporter) -> None:
        self.connection = connection
        self.batch_rows = batch_rows
        self.locks = locks
        self.reporter = reporter

    def run(self, step: Step, backfill: Backfill) -> int:
        """Run the backfill, and return how many rows were changed.

        1. Read how many blocks the table has, and backfill these.
        2. Rows that other sessions change meanwhile may move to new blocks: backfill the blocks that were added since.
        3. Repeat 2 until no blocks were added, or nothing was changed in those that were.

        Raises RepairAbandoned where a batch doesn't get its locks within the budget.
        """
        first, rows = 0, 0
        while True:
            (end,) = self._fetch_row(_BLOCKS, [backfill.table])
            changed = self._run_blocks(step, backfill, first, end)
            rows += changed
            if end == first or (first > 0 and not changed):
                return rows
            first = end

    def _run_blocks(self, step: Step, backfill: Backfill, first: int, end: int) -> int:
        """Backfill the blocks from `first` up to, not including, `end`. Return how many rows were changed.

        1. Change at most a batch of the rows in a block range, and commit.
        2. If a whole batch was found, there may be more: the next range begins at the same block, and is half as wide.
        3. Else it begins where this one ends, and is wider if few rows were found.

        So memory use is constant, all batches take about the same time, and blocks without NULLs are read fast.
        """
        width, rows = INITIAL_WIDTH, 0
        while first < end:
            statement = backfill.batch(first, first + width, self.batch_rows)
            found, changed = self.locks.until_granted(step, partial(self._run_batch, statement))
            rows += changed
            # If rows were found and none was changed, a trigger prevents it, and would again.
            if found < self.batch_rows or not changed:
                first += width
            width = next_width(width, found / self.batch_rows)
            self.reporter.progressed(step, min(first, end), end)
        return rows

    def _run_batch(self, statement: str) -> tuple[int, int]:
        """Return how many rows were found, and how many of them have a value now.

        All statements are sent in one message: five messages would take a tenth of a batch's time.
        """
        found, changed = self._fetch_row(self.locks.in_one_message(statement))
        return found, changed

    def _fetch_row(self, sql: str, parameters: list[Any] | None = None) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()


def next_width(width: int, fullness: float) -> int:
    """Return how many blocks the next range should have, to hold nearly a batch of rows to change.

    `width` is how many blocks the last range had, `fullness` the part of a batch that it held.
    """
    if fullness >= 1:
        return max(1, width // 2)
    wider = min(2.0, TARGET_FULLNESS / fullness) if fullness else 2.0
    return min(max(1, round(width * wider)), MAX_WIDTH)
