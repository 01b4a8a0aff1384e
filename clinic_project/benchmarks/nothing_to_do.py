"""What `migrate` costs where there is nothing to do, side by side with Django's own.

    python -m clinic_project.benchmarks.nothing_to_do [--runs 15]

Makes a database of its own on the server that the project uses. The two take turns, so that whatever else the machine
does slows both; medians are printed, and of the ratio the median over the pairs. Then, what a check of the schema takes
inside of a process.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Any

from .databases import BenchmarkDatabase, temporary_database
from .output import write_line
from .processes import MIGRATE, run

PLAIN = (sys.executable, "-m", "clinic_project.benchmarks.plain_migrate")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.nothing_to_do", description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with temporary_database("nothing") as database:
        run(MIGRATE, database.environment)
        _compare_commands(database, options.runs)
        _time_checks(database, options.runs)


def _compare_commands(database: BenchmarkDatabase, runs: int) -> None:
    pairs = []
    for number in range(runs):
        order = (MIGRATE, PLAIN) if number % 2 else (PLAIN, MIGRATE)
        finished = {command: run(command, database.environment) for command in order}
        pairs.append((finished[MIGRATE], finished[PLAIN]))
    for name, side in (("migrate, ours", 0), ("migrate, Django's", 1)):
        seconds = statistics.median(pair[side].seconds for pair in pairs)
        peak = statistics.median(pair[side].peak for pair in pairs)
        write_line(f"{name:<20} {seconds * 1000:6.0f} ms  {peak:6.1f} MB")
    ratio = statistics.median(ours.seconds / plain.seconds for ours, plain in pairs)
    write_line(f"{'ratio of the two':<20} {ratio:6.2f}     (median of {runs} pairs)")


def _time_checks(database: BenchmarkDatabase, runs: int) -> None:
    os.environ.update(database.environment, DJANGO_SETTINGS_MODULE="clinic_project.settings")
    import django

    django.setup()
    from django.db import DEFAULT_DB_ALIAS, connections
    from django.test.utils import CaptureQueriesContext

    from clinic_project.reconciliation.conf import Budgets
    from clinic_project.reconciliation.migration_history import declared_by_migrations
    from clinic_project.reconciliation.pipeline import inspect

    connection, budgets = connections[DEFAULT_DB_ALIAS], Budgets.from_settings()
    with CaptureQueriesContext(connection) as queries:
        server, declared = declared_by_migrations(connection)
        inspect(connection, server, declared, budgets)
    whole = _median_milliseconds(runs, lambda: inspect(connection, *declared_by_migrations(connection), budgets))
    again = _median_milliseconds(runs, lambda: inspect(connection, server, declared, budgets))
    connection.close()
    write_line(f"check in a process   {whole:6.0f} ms  ({len(declared.tables)} tables, {len(queries)} queries)")
    write_line(f"the same, again      {again:6.0f} ms  (what is declared is known)")


def _median_milliseconds(runs: int, work: Any) -> float:
    times = []
    for _ in range(runs):
        began = time.monotonic()
        work()
        times.append(time.monotonic() - began)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
