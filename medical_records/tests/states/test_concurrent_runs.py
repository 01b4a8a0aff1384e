"""Several `migrate` at once, as processes (state 24)."""

import contextlib
import re

import pytest

from clinic_project.reconciliation.execution.migration_lock import MIGRATION_LOCK
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

    def test_24_what_another_is_about_to_drop_is_no_reason_to_refuse(self, empty_database: Database):
        """Django's second migration of content types drops a column that the first one made, and that is NOT NULL."""
        assert empty_database.migrate().status == 0
        empty_database.execute(
            "ALTER TABLE django_content_type ADD name varchar(100) NOT NULL DEFAULT ''",
            "ALTER TABLE django_content_type ALTER name DROP DEFAULT",
            "DELETE FROM auth_permission",
            "DELETE FROM django_content_type",
        )
        with contextlib.closing(empty_database.connect()) as other, other.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK}, 'public'::regnamespace::oid::int)")
            process = empty_database.start("migrate")
            wait_until(lambda: waiting_for_migrate(empty_database) == 1)
            cursor.execute("ALTER TABLE django_content_type DROP name")
        printed = process.communicate(timeout=120)
        assert process.returncode == 0, printed


def at_once(database: Database, number: int) -> list[Outcome]:
    processes = [database.start("migrate") for _ in range(number)]
    printed = [process.communicate(timeout=300) for process in processes]
    return [Outcome(process.returncode, *texts) for process, texts in zip(processes, printed, strict=True)]
