"""`manage.py migrate_schemas`: `migrate` in every schema of the database that is this project's, with one report."""

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.checks import Tags
from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from ...schema.search_path import SchemasWithHistory, existing_schemas, schemas_with_history
from ..base import ReconcilingCommand
from ..console import REPORT_INTERVAL
from ..schema_outcome import AGAIN, SchemaOutcome, Status
from ..schemas_report import NAMED, SCHEMAS, as_json, group_texts, names_text, open_outcomes
from ..side_by_side import SideBySide

#: Schemas that are migrated at a time. Each takes a process, and a connection or two.
JOBS = 4


class Command(ReconcilingCommand):
    help = (
        "Migrate every schema of the database that holds this project, side by side: what `migrate` does with that schema"
        " alone on the search path. One that fails leaves the others. To make a new one: CREATE SCHEMA, then name it here."
    )
    requires_system_checks = (Tags.models,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("schemas", nargs="*", metavar="schema", help="Migrate these only; they may be empty.")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))
        parser.add_argument("--jobs", type=int, default=JOBS, help=f"How many at a time, {JOBS} by default.")
        parser.add_argument("--json", action="store_true", help="Print the report as JSON.")

    def command_again(self, options: Any) -> str:
        return AGAIN

    def handle(self, *args: Any, **options: Any) -> None:
        if options["jobs"] < 1:
            raise CommandError(f"--jobs: expected a number above 0, found {options['jobs']}.")
        alias, named, began = options["database"], sorted(set(options["schemas"])), time.monotonic()
        found = self._find(alias, named)
        MigrationLoader(None)  # the modules of the migrations are imported once, before processes are forked
        runner = SideBySide(alias, options["jobs"])
        outcomes = self._migrate(runner, found.ours, appearing=not named)
        seconds = time.monotonic() - began
        if options["json"]:
            report = as_json(connections[alias].settings_dict["NAME"], outcomes, found.others, seconds)
            self.stdout.write(json.dumps(report, indent=2))
        else:
            self._report(outcomes, found.others, seconds)
        if runner.stopped:
            raise KeyboardInterrupt  # the base says what that means
        if remaining := open_outcomes(outcomes):
            raise CommandError(_remaining_text(remaining, len(outcomes)))

    def _find(self, alias: str, named: Sequence[str]) -> SchemasWithHistory:
        """Return the schemas to migrate. Raises CommandError where there are none, or `named` ones don't exist."""
        with self._briefly_connected(alias) as connection:
            if named:
                missing = sorted(set(named) - existing_schemas(connection))
                found = SchemasWithHistory(tuple(named), ())
            else:
                missing, found = [], schemas_with_history(connection)
        if missing:
            raise CommandError(f'Found no schema {", ".join(missing)}. Make it first: CREATE SCHEMA "{missing[0]}".')
        if not found.ours:
            raise CommandError(
                "Found no schema that holds this project. To make one: CREATE SCHEMA, then name it: migrate_schemas NAME."
            )
        return found

    def _migrate(self, runner: SideBySide, schemas: Sequence[str], *, appearing: bool) -> list[SchemaOutcome]:
        """Migrate the schemas, and with `appearing` those that are added meanwhile."""
        outcomes: list[SchemaOutcome] = []
        told = time.monotonic()
        while schemas:
            self.reporter.write(f"Migrating {SCHEMAS.text(len(schemas))}, {runner.jobs} at a time.")
            for received in runner.run(schemas):
                if isinstance(received, SchemaOutcome):
                    outcomes.append(received)
                elif received is not None:
                    self.reporter.write(f"    {received}", self.style.WARNING)
                if runner.running() and time.monotonic() - told >= REPORT_INTERVAL:
                    told = time.monotonic()
                    self.reporter.write(_progress_text(runner, len(outcomes)))
            found, existing = self._look_again(runner.alias)
            outcomes = [_seen_again(outcome, existing) for outcome in outcomes]
            schemas = sorted(set(found) - {outcome.schema for outcome in outcomes}) if appearing else ()
        return outcomes

    def _look_again(self, alias: str) -> tuple[Sequence[str], set[str] | None]:
        """Return the schemas of this project, and all that exist; None where the server doesn't answer any more."""
        try:
            with self._briefly_connected(alias) as connection:
                return schemas_with_history(connection).ours, existing_schemas(connection)
        except (CommandError, Error):
            return (), None  # the outcomes say it

    def _report(self, outcomes: Sequence[SchemaOutcome], others: Sequence[str], seconds: float) -> None:
        for text in group_texts(outcomes):
            self.stdout.write(text)
        if others:
            self.stdout.write(
                f"Left out, since its django_migrations is another project's: {names_text(others)}.", self.style.NOTICE
            )
        self.reporter.write(f"{SCHEMAS.text(len(outcomes))} in {seconds:.0f} s.")

    @contextmanager
    def _briefly_connected(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        """Yield a connection, and close it: processes that are forked afterwards would share it."""
        try:
            with self.connected(alias) as connection:
                yield connection
        finally:
            connections[alias].close()


def _seen_again(outcome: SchemaOutcome, existing: set[str] | None) -> SchemaOutcome:
    """Return the outcome; of a schema that is dropped now, that it is."""
    return outcome if existing is None or outcome.schema in existing else SchemaOutcome(outcome.schema, Status.GONE)


def _progress_text(runner: SideBySide, ended: int) -> str:
    running = ", ".join(f"{schema} ({seconds:.0f} s)" for schema, seconds in runner.running())
    return f"    {ended} done; at work: {running}"


def _remaining_text(remaining: Sequence[SchemaOutcome], count: int) -> str:
    schemas = [outcome.schema for outcome in remaining]
    again = " ".join([AGAIN, *(map(shlex.quote, schemas) if len(schemas) <= NAMED else ())])
    return (
        f"Not as declared: {len(schemas)} of {SCHEMAS.text(count)}. Do what is told above, then run: manage.py {again}"
    )
