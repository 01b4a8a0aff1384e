"""`manage.py verify_history`: see `clinic_project.audit.verification`."""

import argparse
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from clinic_project.audit.management.database_errors import database_errors
from clinic_project.audit.models import HistorySeal
from clinic_project.audit.sealing import newest_seal
from clinic_project.audit.verification import verify_destructions, verify_rows, verify_seals

#: Findings that are printed one by one.
SHOWN = 100


class Command(BaseCommand):
    help = (
        "Find what was changed in the history since it was sealed, and what was changed in recorded rows while no "
        "trigger stood."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="the database (default: %(default)s)")
        parser.add_argument(
            "--head", action="store_true", help="print the hash of the last seal, to be kept elsewhere, and end"
        )
        parser.add_argument(
            "--expect", metavar="HASH", help="the hash of a seal, as --head printed it: it has to be there"
        )

    @database_errors()
    def handle(self, **options: Any) -> None:
        using = options["database"]
        if options["head"]:
            self._print_head(using)
            return
        findings = [
            *verify_seals(options["expect"], using),
            *verify_destructions(using),
            *verify_rows(using),
        ]
        for finding in islice(findings, SHOWN):
            self.stdout.write(str(finding))
        if findings:
            more = f" The first {SHOWN} are above." if len(findings) > SHOWN else ""
            raise CommandError(f"The history isn't whole: {len(findings)} found.{more}")
        seals = HistorySeal.objects.using(using).count()
        if not seals:
            self.stdout.write(
                "Every recorded row is as its history says. Nothing is sealed: run manage.py seal_history."
            )
            return
        held = "1 seal holds" if seals == 1 else f"{seals} seals hold"
        self.stdout.write(f"Verified: {held}, and every recorded row is as its history says.")

    def _print_head(self, using: str) -> None:
        seal = newest_seal(using)
        if seal is None:
            raise CommandError("There is no seal yet. Run manage.py seal_history first.")
        self.stdout.write(bytes(seal.seal_hash).hex())
