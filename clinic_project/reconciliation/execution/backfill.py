"""Sets a column to a value where it is NULL, in batches with a commit each, while other sessions change the table."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..drivers import last_row
from ..planning import refusals
from ..planning.plan import ROW_CHANGES, Backfill, Refusal, Step, ViolationQuery
from .abandonment import RepairAbandoned
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

        Raises RepairAbandoned where a batch doesn't get its locks within the budget, or a trigger changes other columns.
        """
        return sum(self._run_part(step, part) for part in backfill.parts)

    def _run_part(self, step: Step, backfill: Backfill) -> int:
        first, rows = 0, 0
        while True:
            end = self._block_count(backfill)
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
            run = self._run_checked_batch if backfill.triggers else self._run_batch
            found, changed = self.locks.until_granted(step, partial(run, step, backfill, first, first + width))
            rows += changed
            # If rows were found and none was changed, a trigger prevents it, and would again.
            if found < self.batch_rows or not changed:
                first += width
            width = next_width(width, found / self.batch_rows)
            self.reporter.progressed(step, min(first, end), end)
        return rows

    def _run_batch(self, step: Step, backfill: Backfill, first: int, end: int) -> tuple[int, int]:
        """Return how many rows were found, and how many of them have a value now.

        All statements are sent in one message: five messages would take a tenth of a batch's time.
        """
        statement = backfill.batch(first, end, self.batch_rows)
        found, changed = self._fetch_row(self.locks.in_one_message(statement))
        return found, changed

    def _run_checked_batch(self, step: Step, backfill: Backfill, first: int, end: int) -> tuple[int, int]:
        """Run a batch whose UPDATE fires triggers, and return the same. Raises RepairAbandoned if they do more to the rows.

        1. Lock the rows, so that only triggers change them meanwhile.
        2. Change them, and compare each before and after: that shows what triggers do before a row is changed.
        3. Fire the deferred triggers, and look for rows that were changed again: that shows what others do afterwards.
        4. Ask the server's counters whether more rows were changed: that shows what triggers do to other rows and tables.

        The remedy is about all of them: to disable only those of 2 would leave what those of 3 do to a person.
        """
        with self.locks.transaction() as cursor:
            return self._check_batch(cursor, step, backfill, first, end)

    def _check_batch(self, cursor: Any, step: Step, backfill: Backfill, first: int, end: int) -> tuple[int, int]:
        found, ctids = _fetch(cursor, backfill.locked_batch(first, end, self.batch_rows))
        if not found:
            return 0, 0
        (changes_before,) = _fetch(cursor, ROW_CHANGES)
        cursor.execute("SAVEPOINT reconcile_batch")
        filled, changed, old_ctids, new_ctids, differing = _fetch(cursor, backfill.checked_update(ctids))
        columns = _not_generated(cursor, backfill, differing)
        again = None
        if changed:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            again = _fetch(cursor, backfill.changed_again(old_ctids, new_ctids))
        (tables,) = _fetch(cursor, backfill.changed_elsewhere(changes_before, changed if again is None else None))
        if tables:
            raise RepairAbandoned(refusals.trigger_changes_other_rows(step, tables))
        if columns or again is not None:
            cursor.execute("ROLLBACK TO SAVEPOINT reconcile_batch")
            changing = [t for t in backfill.triggers if (columns if t.before else again)]
            columns = columns if again is None else self._changed_afterwards(cursor, backfill, *again)
            raise RepairAbandoned(refusals.trigger_changes_rows(step, columns, changing, backfill))
        return found, filled

    def _changed_afterwards(self, cursor: Any, backfill: Backfill, ctid: str) -> list[str]:
        """Return the columns that triggers change in the row at `ctid` after an UPDATE: none without a key to find it by."""
        if not backfill.key:
            return []
        (before,) = _fetch(cursor, backfill.row_before(ctid))
        cursor.execute(backfill.update_row(ctid))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(backfill.changed_columns(), {"before": before})
        return _not_generated(cursor, backfill, cursor.fetchone()[0])

    def dry_run(self, step: Step, nulls: ViolationQuery | None) -> Refusal | None:
        """Return the refusal of the step's first batch, if triggers do more to its rows, or keep them NULL.

        The batch is rolled back in any case. `nulls` is the query whose refusal is for rows that stay NULL.
        """
        for part in step.backfill.parts if step.backfill is not None else ():
            if not part.triggers:
                continue
            end = self._block_count(part)
            try:
                with self.locks.transaction() as cursor:
                    found, filled = self._check_batch(cursor, step, part, 0, end)
                    transaction.set_rollback(True, using=self.connection.alias)
            except RepairAbandoned as abandoned:
                return abandoned.refusal
            if filled < found and nulls is not None:
                return nulls.refusal_for(found - filled, "in the first batch")
        return None

    def _block_count(self, backfill: Backfill) -> int:
        """Return how many blocks the table has. Where none are here, its rows tell: an extension may keep them elsewhere."""
        (count,) = self._fetch_row(_BLOCKS, [backfill.table])
        return count or self._fetch_row(backfill.end_of_rows)[0]

    def _fetch_row(self, sql: str, parameters: list[Any] | None = None) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return last_row(cursor)


def _fetch(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()


def _not_generated(cursor: Any, backfill: Backfill, columns: list[str] | None) -> list[str]:
    if not columns:
        return []
    (generated,) = _fetch(cursor, backfill.generated_columns)
    return [name for name in columns if name not in generated]


def next_width(width: int, fullness: float) -> int:
    """Return how many blocks the next range should have, to hold nearly a batch of rows to change.

    `width` is how many blocks the last range had, `fullness` the part of a batch that it held.
    """
    if fullness >= 1:
        return max(1, width // 2)
    wider = min(2.0, TARGET_FULLNESS / fullness) if fullness else 2.0
    return min(max(1, round(width * wider)), MAX_WIDTH)
