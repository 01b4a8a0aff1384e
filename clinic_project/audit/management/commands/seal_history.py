"""`manage.py seal_history`: see `clinic_project.audit.sealing`."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from clinic_project.audit.management.database_errors import database_errors
from clinic_project.audit.sealing import seal_history

WAIT = 10.0


class Command(BaseCommand):
    help = (
        "Seal the changes that were recorded since the last seal, so that verify_history finds a later change of them. "
        "Run it hourly."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="the database (default: %(default)s)")
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT,
            help="seconds to wait for transactions that still run (default: %(default)g)",
        )

    @database_errors()
    def handle(self, **options: Any) -> None:
        sealed = seal_history(options["wait"], options["database"])
        if options["verbosity"] < 1:
            return
        if sealed.is_new and sealed.seal:
            number = sealed.seal.entry_count
            entries = "1 entry" if number == 1 else f"{number} entries"
            self.stdout.write(f"Sealed {entries}. The hash of the seal is {bytes(sealed.seal.seal_hash).hex()}.")
        elif not sealed.waits_for:
            self.stdout.write("Nothing was recorded since the last seal.")
        if sealed.waits_for:
            self.stdout.write(
                f"Up to {sealed.waits_for} entries wait for transactions that still run. Run this again when these "
                "have ended."
            )
