"""Several `migrate` at once, as processes (state 24)."""

import contextlib
import re

import pytest

from clinic_project.reconciliation.tests.support.databases import Database, Outcome
from clinic_project.reconciliation.tests.support.profiles import NIGHTLY
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .damages import HISTORY_DAMAGE, LARGE_DAMAGE
from .outcomes import Expectations
from .sessions import waiting_for_migrate

PROCESSES = 16 if NIGHTLY else 4


#: A line about a step that was done.
_REPAIR = re.compile(r": (build|create) .* \([\d.]+ m?s")


@pytest.mark.slow
class TestState24ConcurrentRuns:
    @pytest.mark.parametrize("broken", [False, True], ids=["empty", "broken"])
    def test_24_all_succeed_and_one_does_the_work(
        self, broken: bool, empty_database: Database, database: Database, expected: Expectations
    ):
        target = database if broken else empty_database
        if broken:
            database.execute(*LARGE_DAMAGE, *HISTORY_DAMAGE)
        outcomes = at_once(target, PROCESSES)
        assert [outcome.status for outcome in outcomes] == [0] * PROCESSES, [o.errors for o in outcomes if o.status]
        assert sum(bool(_REPAIR.search(outcome.output)) for outcome in outcomes) == 1
        expected.converges(target)

    def test_24_none_waits_for_a_concurrent_build_that_waits_for_it(self, database: Database, expected: Expectations):
        """An old transaction delays the first one's index build. The others wait without a snapshot, and don't delay it."""
        database.execute(*LARGE_DAMAGE, *HISTORY_DAMAGE)
        with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
            cursor.execute("BEGIN; UPDATE medical_records SET version = version WHERE id = 1")
            processes = [database.start("migrate") for _ in range(3)]
            wait_until(lambda: waiting_for_migrate(database) == 2)
            cursor.execute("ROLLBACK")
            printed = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], printed
        expected.converges(database)


def at_once(database: Database, number: int) -> list[Outcome]:
    processes = [database.start("migrate") for _ in range(number)]
    printed = [process.communicate(timeout=300) for process in processes]
    return [Outcome(process.returncode, *texts) for process, texts in zip(processes, printed, strict=True)]
