"""Draws what was measured, for the README."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from .contenders import Round
from .writers import AFTER, BEFORE

COLOURS = ("#0b6e4f", "#c0392b", "#2c5f9e")

#: Of all statements that began in so many seconds, the slowest is drawn.
BIN = 0.1

Points = Sequence[tuple[float, float]]


def draw_latencies(rounds: Mapping[str, Round], rows: int, path: Path) -> None:
    """Draw how long the writers' statements took, over time, a strip a contender."""
    figure, strips = _figure(len(rounds), 1, (9, 6.5), sharex=True, sharey=True)
    figure.suptitle(f"How long statements of others take while {rows:,} rows are repaired")
    for strip, colour, (name, one) in zip(strips, COLOURS, rounds.items(), strict=True):
        began, seconds = one.finished.began, one.finished.seconds
        points = _slowest(one, began)
        strip.vlines([x for x, _ in points], 0.1, [y for _, y in points], color=colour, linewidth=1)
        strip.axvspan(0, seconds, color=colour, alpha=0.08, linewidth=0)
        strip.set_title(f"{name}: {seconds:.1f} s, longest {one.stall * 1000:,.0f} ms", loc="left", fontsize=10)
        strip.set_yscale("log")
        strip.set_ylabel("ms")
        strip.grid(axis="y", alpha=0.3)
    strips[-1].set_xlabel("seconds since it began")
    _save(figure, path)


def _slowest(one: Round, began: float) -> list[tuple[float, float]]:
    wanted = [
        (start - began, taken * 1000)
        for start, taken in one.latencies.statements
        if -BEFORE < start - began < one.finished.seconds + AFTER
    ]
    return [max(group, key=lambda point: point[1]) for _, group in groupby(wanted, key=lambda point: point[0] // BIN)]


def draw_scale(by_rows: Mapping[str, Points], by_tables: Mapping[str, Points], path: Path) -> None:
    """Draw the time of a repair against rows, and that of a check against tables."""
    figure, (left, right) = _figure(1, 2, (9, 3.8))
    for axes, lines, title, unit in (
        (left, by_rows, "Repairing a table", "rows"),
        (right, by_tables, "Checking, with nothing to do", "tables"),
    ):
        for colour, (name, points) in zip(COLOURS[: len(lines)], lines.items(), strict=True):
            axes.plot([x for x, _ in points], [y for _, y in points], "o-", color=colour, label=name)
        axes.legend(fontsize=8)
        axes.set(title=title, xlabel=unit, ylabel="seconds", xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    _save(figure, path)


def _figure(rows: int, columns: int, size: tuple[float, float], **shared: Any) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=size, layout="constrained", **shared)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=90)
