"""Processes that use the table all the time: one inserts and one updates, and each statement is timed."""

import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from ..databases import BenchmarkDatabase

#: Seconds that a writer rests between two statements.
REST = 0.002
#: Seconds for which the writers are alone, before and afterwards.
BEFORE, AFTER = 2.0, 1.0

#: `is_deleted` and `version` are left to their defaults where these are back, as programs do that rely on them.
_INSERT = """
INSERT INTO medical_records (clinic_id, patient_id, template_id, template_name, template_snapshot, values, version,
                             updated_at)
VALUES (1 + %(n)s %% 20, 1 + %(n)s %% 1000, 1 + %(n)s %% 1000, 'Template', '{}', '{"pulse": 60}', 1, now())
"""
_UPDATE = """
UPDATE medical_records SET values = values || '{"seen": true}', version = version + 1, updated_at = now()
WHERE id = 1 + %(n)s %% %(rows)s
"""
STATEMENTS = {"insert": _INSERT, "update": _UPDATE}

_spawning = multiprocessing.get_context("spawn")


@dataclass
class Latencies:
    """When each statement began (of time.monotonic()), and how long it took, in seconds; and what failed."""

    statements: list[tuple[float, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def between(self, began: float, ended: float) -> list[float]:
        """Return the latencies of the statements that were under way at some time between the two."""
        return [taken for start, taken in self.statements if start < ended and start + taken > began]


def p99(latencies: Sequence[float]) -> float:
    """Return what 99 of a hundred latencies stay below; of one alone, that one."""
    return statistics.quantiles(latencies, n=100)[98] if len(latencies) > 1 else latencies[0]


@contextmanager
def writing(database: BenchmarkDatabase, rows: int, statements: Mapping[str, str] = STATEMENTS) -> Iterator[Latencies]:
    """Keep a writer at work for each of the statements, alone at first and at the end.

    The latencies are there once it has ended.
    """
    stop, answers = _spawning.Event(), _spawning.Queue()
    writers = [
        _spawning.Process(target=_write, args=(database.url, statement, rows, stop, answers), daemon=True)
        for statement in statements.values()
    ]
    for writer in writers:
        writer.start()
    latencies = Latencies()
    try:
        time.sleep(BEFORE)
        yield latencies
        time.sleep(AFTER)
    finally:
        stop.set()
        for taken, failures in [answers.get(timeout=600) for _ in writers]:
            latencies.statements += taken
            latencies.failures += failures
        latencies.statements.sort()


def _write(url: str, statement: str, rows: int, stop: Any, answers: Any) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    statements, failures = [], []
    with connection.cursor() as cursor:
        while not stop.is_set():
            began = time.monotonic()
            try:
                cursor.execute(statement, {"n": random.randrange(rows), "rows": rows})  # noqa: S311 - no secret
            except psycopg2.Error as error:
                failures.append(str(error))
            statements.append((began, time.monotonic() - began))
            time.sleep(REST)
    connection.close()
    answers.put((statements, failures))
