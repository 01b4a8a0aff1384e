"""`manage.py purge_trash`: see `medical_records.purge`."""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime

from clinic_project.audit.destruction import DestructionImpossible, destruction_errors
from clinic_project.audit.transactions import changes_by
from medical_records.photos.ownership import FolderOfOthers, require_own_folders
from medical_records.purge import Kept, Purge, Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

DAYS = 30
#: A century: beyond, PostgreSQL's and Python's dates would run out.
_MAX_DAYS = 36_500
SECONDS_BETWEEN_LINES = 10


class Command(BaseCommand):
    help = (
        "Remove for good what has been in the trash, or pending, for 30 days and needn't be kept any longer, and files "
        "that nothing has referred to for a day longer. Run it daily."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="only count what would be removed, and what is kept until when"
        )
        parser.add_argument(
            "--days", type=_days, default=DAYS, help="how long things stay in the trash (default: %(default)s)"
        )

    @changes_by(via="command", command="purge_trash")
    def handle(self, **options: Any) -> None:
        try:
            require_own_folders(claimed=not options["dry_run"])
            with destruction_errors():
                self._purge(Purge(options["days"]), options)
        except (DestructionImpossible, FolderOfOthers) as error:
            raise CommandError(str(error)) from error

    def _purge(self, purge: Purge, options: dict[str, Any]) -> None:
        if options["dry_run"]:
            self._report("Would remove", purge.count_removable())
            self._report_kept(purge.kept())
            return
        with self._progress(options["verbosity"]) as shown:
            for step in purge.steps():
                for _ in shown(step):
                    pass
        if options["verbosity"] > 0:
            self._report("Removed", purge.removed)

    def _report(self, verb: str, counts: Counter[str]) -> None:
        rows = ", ".join(f"{name}: {counts[name]}" for name in ("records", "photos", "templates"))
        self.stdout.write(f"{verb} {rows}, files without a photo: {counts['files']}.")

    def _report_kept(self, kept: dict[str, Kept]) -> None:
        """Say how many are kept, until which year; nothing where none is."""
        if not kept:
            return
        rows = "; ".join(f"{name}: {_by_year(each.by_year)}" for name, each in kept.items())
        first = min(each.first for each in kept.values() if each.first)
        self.stdout.write(f"Has to keep {rows}. The first of them until {localtime(first):%Y-%m-%d}.")

    @contextmanager
    def _progress(self, verbosity: int) -> Iterator[Callable[[Step], Iterator[int]]]:
        """Give a function that runs a step and shows how far it is: by a bar on a terminal, else by lines."""
        if verbosity == 0:
            yield lambda step: step.run()
        elif not self.stdout.isatty():
            yield self._with_lines
        else:
            with bars() as progress:
                yield lambda step: with_bar(progress, step)

    def _with_lines(self, step: Step) -> Iterator[int]:
        total, passed, shown = step.total(), 0, time.monotonic()
        for more in step.run():
            passed += more
            if time.monotonic() - shown > SECONDS_BETWEEN_LINES:
                self.stdout.write(f"{step.name}: {passed} of {total}")
                shown = time.monotonic()
            yield more


def _by_year(numbers: Counter[int]) -> str:
    years = ", ".join(f"{numbers[year]} until {year}" for year in sorted(numbers))
    return f"{numbers.total()} ({years})"


def bars(console: "Console | None" = None) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:<21}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def with_bar(progress: "Progress", step: Step) -> Iterator[int]:
    task = progress.add_task(step.name, total=step.total())
    for passed in step.run():
        progress.advance(task, passed)
        yield passed


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_DAYS):
        raise argparse.ArgumentTypeError(f"expected a whole number of days from 0 to {_MAX_DAYS}, not {text!r}")
    return int(text)
