"""Drops what a migration declared, without losing a row: what holds data is kept, with a note."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import Error

from ..exceptions import Refused
from ..planning import refusals
from ..planning.plan import Note, NoteCode
from ..planning.rollback import Drop
from ..sqlstates import DEPENDENT_OBJECTS_STILL_EXIST, connection_lost, message, sqlstate
from .abandonment import RepairAbandoned
from .locks import LockRetry
from .reporter import Reporter


@dataclass(frozen=True)
class Rollback:
    """Runs drops. With `allow_data_loss`, what holds data is dropped as well."""

    locks: LockRetry
    reporter: Reporter
    allow_data_loss: bool

    def run(self, drops: Iterable[Drop]) -> list[Note]:
        """Return a note for each object that is kept. Raises Refused where a drop fails, or doesn't get its locks."""
        try:
            notes = [self._run(drop) for drop in drops]
        except RepairAbandoned as abandoned:
            raise Refused([abandoned.refusal]) from abandoned
        return [note for note in notes if note is not None]

    def _run(self, drop: Drop) -> Note | None:
        """Drop one object. Return a note if it is kept."""
        began = time.monotonic()
        try:
            dropped = self.locks.until_granted(drop.step, lambda: self._drop(drop))
        except Error as error:
            # CASCADE would drop what depends on it, which may be somebody else's.
            if sqlstate(error) == DEPENDENT_OBJECTS_STILL_EXIST:
                return _kept(drop, message(error))
            if connection_lost(error):
                raise
            raise RepairAbandoned(
                refusals.statement_failed(drop.step, drop.name, message(error), sqlstate(error))
            ) from error
        if not dropped:
            why = "it is append-only and holds" if drop.always_kept else "it holds"
            how = "" if drop.always_kept else " (--allow-data-loss would drop it)"
            return _kept(drop, f"{why} {drop.data}{how}")
        self.reporter.finished(drop.step, time.monotonic() - began, None)
        return None

    def _drop(self, drop: Drop) -> bool:
        """Drop one object, unless it holds data. Return whether it was dropped."""
        lock, statement = drop.step.statements
        with self.locks.transaction(*drop.step.relations) as cursor:
            cursor.execute(lock)
            if drop.holds_data and (drop.always_kept or not self.allow_data_loss):
                # Without row security, PostgreSQL raises an error where policies would hide rows from this role.
                cursor.execute("SELECT set_config('row_security', 'off', true)")
                cursor.execute(drop.holds_data)
                if cursor.fetchone()[0]:
                    return False
            cursor.execute(statement)
        return True


def _kept(drop: Drop, why: str) -> Note:
    return Note(
        NoteCode.KEPT, drop.step.table, drop.name, f"kept, since {why}. Migrating forwards reconciles it again."
    )
