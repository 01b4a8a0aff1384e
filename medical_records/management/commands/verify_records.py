"""`manage.py verify_records`: see `medical_records.verification`."""

import argparse
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinic_project.audit.management.database_errors import database_errors
from medical_records.photos.storage import StorageUnavailable
from medical_records.verification import Finding, Verification


class Command(BaseCommand):
    help = (
        "Find the signed records that aren't what was signed, and their photos whose files aren't. Ends with status 1 if"
        " there are any."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--no-files", action="store_true", help="don't read the photos' files, which takes most of the time"
        )

    @database_errors()
    def handle(self, **options: Any) -> None:
        verification = Verification()
        try:
            found = self._print(_findings(verification, with_files=not options["no_files"]))
        except StorageUnavailable as error:
            raise CommandError(
                "The storage of the photos can't be read. Run this again once it can, or with --no-files."
            ) from error
        counts = verification.counts
        of_others = (
            f" {counts['others']} photos of another system: only whether a file is there." if counts["others"] else ""
        )
        compared = f"Signatures: {counts['signatures']}, photos' files: {counts['files']}.{of_others}"
        if found:
            raise CommandError(f"Not everything is what was signed: {found} found. {compared}")
        self.stdout.write(f"Verified: everything is what was signed. {compared}")

    def _print(self, findings: Iterator[Finding]) -> int:
        """Print findings as they are made, and return how many they were."""
        printed = 0
        for finding in findings:
            self.stdout.write(str(finding))
            printed += 1
        return printed


def _findings(verification: Verification, *, with_files: bool) -> Iterator[Finding]:
    return chain(verification.signatures(), verification.files() if with_files else ())
