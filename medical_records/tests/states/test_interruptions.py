"""A `migrate` that is killed, or whose connection is lost; the next one goes on (state 25)."""

import contextlib
import random
import time

import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.interruptions import session_ended
from clinic_project.reconciliation.tests.support.profiles import NIGHTLY
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .damages import BACKFILLED, HISTORY_DAMAGE, LARGE_DAMAGE, SMALL_DAMAGE
from .outcomes import Expectations

KILLS = 60 if NIGHTLY else 4


@pytest.mark.slow
class TestState25Killed:
    def test_25_killed_at_random_moments(self, database: Database, expected: Expectations):
        """`kill -9` again and again during the repair; then one that may finish converges."""
        database.execute(*LARGE_DAMAGE, *HISTORY_DAMAGE)
        before = fingerprints(database, BACKFILLED)
        moments = random.Random(25)  # noqa: S311 (the same moments in every run)
        for _ in range(KILLS):
            kill_during_repair(database, moments.uniform(0, 0.4))
            assert lost_or_changed(database, before, BACKFILLED) == []
        expected.converges(database, backfilled=BACKFILLED)


class TestState25LostConnection:
    @pytest.mark.parametrize("statement", [3, 8, 15, 30])
    def test_25_the_connection_is_lost(self, statement: int, database: Database, expected: Expectations):
        """The server ends the session right before a statement of the repair."""
        database.execute(*SMALL_DAMAGE)
        before = fingerprints(database, BACKFILLED)
        with contextlib.suppress(Exception), session_ended(before=statement):
            database.migrate()
        assert lost_or_changed(database, before, BACKFILLED) == []
        expected.converges(database, backfilled=BACKFILLED)


def kill_during_repair(database: Database, seconds: float) -> None:
    """Kill a `migrate`, `seconds` after it connected."""
    process = database.start("migrate")
    wait_until(lambda: process.poll() is not None or sessions(database))
    time.sleep(seconds)
    process.kill()
    process.communicate()
    wait_until(lambda: not sessions(database))


def sessions(database: Database) -> int:
    number: int = database.value(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    )
    return number
