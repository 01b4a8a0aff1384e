"""Work on several connections at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection

from clinic_project.reconciliation.tests.support.waiting import wait_until


def in_parallel(work: Callable[[int], Any], count: int) -> list[Any]:
    """Run `work(0)` to `work(count - 1)` on connections that start together; return what each returned or raised."""
    start = Barrier(count)

    def run(number: int) -> Any:
        try:
            start.wait()
            return work(number)
        except Exception as error:  # noqa: BLE001 - the test says which it expects
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def wait_until_another_waits_for_us() -> None:
    """Return once another connection waits for a lock that this one holds."""
    wait_until(_is_waited_for)


def _is_waited_for() -> bool:
    # pg_locks, since pg_stat_activity shows one transaction always the same.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])
