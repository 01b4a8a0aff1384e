"""Gives a value to a column's NULLs, in batches with a commit each, while others change the table."""

from functools import partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..planning.plan import Backfill, Step
from .locks import LockRetry
from .reporter import Reporter

#: How many blocks a range has at first, and at most, while few of the rows in them are NULL.
FIRST_WIDTH, GREATEST_WIDTH = 32, 4096

#: The part of a batch that a block range should hold: with more, many would hold more than one, and be read twice.
ALMOST_FULL = 0.9

#: The most blocks that a table has, or one of those that inherit from it, which an UPDATE reaches as well.
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
        """Return how many rows have got a value.

        1. Read how many blocks the table has, and backfill these.
        2. Rows that others change meanwhile may move to blocks that are added: backfill those that came since.
        3. Repeat 2 until none were added, or those that were hold no such row.

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
        """Backfill the blocks from `first` up to `end`, and return how many rows have got a value.

        1. Change at most a batch of the rows in a range of blocks, and commit.
        2. Where a whole batch was found, there may be more: the next range begins where this one did, and is half as wide.
        3. Else it begins where this one ends, and is wider if there was little to do.

        So memory stays flat, no batch is longer than another, and blocks without NULLs are read fast.
        """
        width, rows = FIRST_WIDTH, 0
        while first < end:
            statement = backfill.batch(first, first + width, self.batch_rows)
            found, changed = self.locks.until_granted(step, partial(self._run_batch, statement))
            rows += changed
            # Where rows were found and none was changed, a trigger undoes it, and would again.
            if found < self.batch_rows or not changed:
                first += width
            width = next_width(width, found / self.batch_rows)
            self.reporter.progressed(step, min(first, end), end)
        return rows

    def _run_batch(self, statement: str) -> tuple[int, int]:
        """Return how many rows were found, and how many of them have a value now.

        In five messages instead of one, a tenth of a batch's time would go into these.
        """
        found, changed = self._fetch_row(self.locks.in_one_message(statement))
        return found, changed

    def _fetch_row(self, sql: str, parameters: list[Any] | None = None) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()


def next_width(width: int, fullness: float) -> int:
    """Return how many blocks the next range should have, to hold nearly a batch, after so many held that part of one."""
    if fullness >= 1:
        return max(1, width // 2)
    wider = min(2.0, ALMOST_FULL / fullness) if fullness else 2.0
    return min(max(1, round(width * wider)), GREATEST_WIDTH)
