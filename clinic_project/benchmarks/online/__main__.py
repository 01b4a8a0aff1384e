"""What a repair of a large table costs those who write to it: ours, Django's own operations, and by hand in psql.

    python -m clinic_project.benchmarks.online [--rows 2000000] [--runs 3] [--scale] [--plots FOLDER]

Makes databases of its own on the server that the project uses, and drops them. In the first, `medical_records` lacks six
indexes, a foreign key and two defaults, has a third one frozen, and NULLs in a tenth of the rows of `is_deleted`. Each
contender repairs a copy of it while one process inserts and one updates all the time; afterwards the schema must be as
declared. They take turns, and medians over the runs are printed.
"""

import argparse
import importlib.util
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..databases import temporary_database, without_checkpoints
from ..output import write_line
from ..processes import run
from .contenders import CONTENDERS, Round, contend
from .many_tables import KINDS
from .start import starting_database

OURS, _, BY_HAND = CONTENDERS

#: How many rows, besides --rows, and tables the second plot has.
ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
TABLES = (3, 10, 30, 100, 300, 1000)

#: The fewest rows whose repair tells more than the time that Python takes to begin.
ENOUGH_ROWS = 100

Rounds = dict[str, list[Round]]


def main() -> None:
    options = _arguments()
    if options.plots and importlib.util.find_spec("matplotlib") is None:
        sys.exit("matplotlib isn't installed, and draws the plots: pip install matplotlib, or leave --plots out")
    rounds = _rounds(options.rows, options.runs)
    _report(rounds)
    if options.plots:
        from .plots import draw_latencies

        draw_latencies(
            {name: _typical(ones) for name, ones in rounds.items()}, options.rows, options.plots / "online.png"
        )
    if options.scale:
        _scale(rounds, options.rows, options.plots)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.online", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", action="store_true", help="and time against rows (to 10,000,000: 10 GB) and tables")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw online.png, and online_scale.png, there")
    options = parser.parse_args()
    if options.rows < ENOUGH_ROWS:
        parser.error(f"--rows must be at least {ENOUGH_ROWS}")
    return options


def _rounds(rows: int, runs: int) -> Rounds:
    names = list(CONTENDERS)
    rounds: Rounds = {name: [] for name in names}
    with without_checkpoints(), starting_database(rows) as start:
        for number in range(runs):
            for name in names[number % 3 :] + names[: number % 3]:
                one = contend(name, start, rows)
                rounds[name].append(one)
                write_line(
                    f"run {number + 1}, {name}: {one.finished.seconds:.1f} s, longest stall {one.stall * 1000:.0f} ms"
                )
                for failure in dict.fromkeys(one.latencies.failures):
                    write_line(f"  a writer failed: {failure}")
    return rounds


def _typical(rounds: Sequence[Round]) -> Round:
    """Return the one whose time is the median."""
    return sorted(rounds, key=lambda one: one.finished.seconds)[len(rounds) // 2]


def _report(rounds: Rounds) -> None:
    write_line(f"\n{'medians':<22}{'total':>10}{'longest stall':>16}{'p99':>10}{'peak memory':>14}")
    for name, ones in rounds.items():
        total, stall = _median(ones, lambda one: one.finished.seconds), _median(ones, lambda one: one.stall)
        p99, peak = _median(ones, lambda one: one.p99), _median(ones, lambda one: one.finished.peak)
        write_line(f"{name:<22}{total:>8.1f} s{stall * 1000:>13.1f} ms{p99 * 1000:>7.1f} ms{peak:>11.1f} MB")
    idle = [one for ones in rounds.values() for one in ones]
    seconds, peak = (
        _median(idle, lambda one: one.nothing_left.seconds),
        _median(idle, lambda one: one.nothing_left.peak),
    )
    write_line(f"{'migrate, nothing to do':<22}{seconds:>8.1f} s{'':>26}{peak:>11.1f} MB")
    _report_ratios(rounds, peak)


def _report_ratios(rounds: Rounds, idle_peak: float) -> None:
    ours = rounds[OURS]
    for name, theirs in rounds.items():
        if name == OURS:
            continue
        pairs = list(zip(ours, theirs, strict=True))
        total = statistics.median(a.finished.seconds / b.finished.seconds for a, b in pairs)
        stall = statistics.median(a.stall / b.stall for a, b in pairs)
        write_line(f"{OURS} / {name}: total {total:.2f}, longest stall {stall:.2f}")
    more = _median(ours, lambda one: one.finished.peak) - idle_peak
    write_line(f"{OURS}: {more:+.1f} MB against one with nothing to do")


def _median(rounds: Sequence[Round], figure: Callable[[Round], float]) -> float:
    return statistics.median(figure(one) for one in rounds)


def _scale(measured: Rounds, rows_measured: int, folder: Path | None) -> None:
    by_rows: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for rows in sorted({*ROWS, rows_measured}):
        rounds = measured if rows == rows_measured else _rounds(rows, runs=1)
        for name, ones in rounds.items():
            by_rows[name].append((rows, _median(ones, lambda one: one.finished.seconds)))
    by_tables = {f"{kind} tables": [(count, _check_tables(count, kind)) for count in TABLES] for kind in KINDS}
    write_line("\nmedians of three checks")
    for name, points in by_tables.items():
        write_line("\n".join(f"{count:>6} {name}: {seconds:.2f} s" for count, seconds in points))
    if folder:
        from .plots import draw_scale

        draw_scale(by_rows, by_tables, folder / "online_scale.png")


def _check_tables(count: int, kind: str) -> float:
    command = (sys.executable, "-m", "clinic_project.benchmarks.online.many_tables", str(count), kind)
    with temporary_database("tables") as database:
        return float(run(command, database.environment).output)


if __name__ == "__main__":
    main()
