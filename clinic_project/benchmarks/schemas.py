"""What it costs to keep many schemas in order, side by side with a shell's loop of `migrate`.

    python -m clinic_project.benchmarks.schemas [--schemas 100] [--jobs 2]

Makes a database of its own on the server that the project uses, with as many schemas, each migrated from empty. There is
nothing to do in them when it is measured; each figure is of one run, and of the CPU that the commands took.
"""

import argparse
import resource
import sys
import time
from collections.abc import Mapping, Sequence

from .databases import BenchmarkDatabase, temporary_database
from .output import write_line
from .processes import MIGRATE, run

MIGRATE_SCHEMAS = (sys.executable, "manage.py", "migrate_schemas")

#: How many schemas the loop takes: each costs it the same.
LOOPED = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.schemas", description=__doc__)
    parser.add_argument("--schemas", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    names = [f"group_{number:04}" for number in range(options.schemas)]
    jobs = ("--jobs", str(options.jobs))
    with temporary_database("schemas") as database:
        database.execute(*(f"CREATE SCHEMA {name}" for name in names))
        one = _in_schema(database, names[0])
        _measure("migrate makes the first", MIGRATE, one)
        _measure("migrate, nothing to do, 1 schema", MIGRATE, one)
        _measure(f"migrate_schemas makes {len(names) - 1}", (*MIGRATE_SCHEMAS, *jobs, *names[1:]), database.environment)
        _measure(f"migrate, nothing to do, 1 of {len(names)}", MIGRATE, one)
        _measure(f"migrate_schemas, {len(names)}", (*MIGRATE_SCHEMAS, *jobs), database.environment)
        looped = [_in_schema(database, name) for name in names[:LOOPED]]
        _measure(f"a loop of migrate, {len(looped)}", MIGRATE, *looped)


def _in_schema(database: BenchmarkDatabase, name: str) -> dict[str, str]:
    """Return the environment of a group of clinics: its schema alone on the search path."""
    separator = "&" if "?" in database.url else "?"
    url = f"{database.url}{separator}options=-csearch_path%3D{name}"
    return {**database.environment, "DATABASE_URL": url}


def _measure(what: str, command: Sequence[str], *environments: Mapping[str, str]) -> None:
    """Run the command in each environment, one after the other."""
    began, cpu = time.monotonic(), _cpu()
    for environment in environments:
        run(command, environment)
    write_line(f"{what:<40} {time.monotonic() - began:7.1f} s  {_cpu() - cpu:7.1f} s of CPU")


def _cpu() -> float:
    """Return the seconds of CPU of the commands that have ended; the server's aren't in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
