"""`manage.py reconcile`: what `migrate` does to the schema, by itself; or only what differs, and what it would do."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ...command_context import Run, running
from ...conf import Budgets
from ...execution.sessions import without_timeouts
from ...migration_history import expect_declared
from ...operations import script
from ...pipeline import Inspection, dry_run_refusals, inspect, reconcile
from ...planning.plan import Note, Plan, Refusal
from ..console import (
    ConsoleReporter,
    alone,
    differences_text,
    errors_told,
    notes_lines,
    refusals_text,
    require_postgresql,
)


class Command(BaseCommand):
    help = "Bring the schema to its declaration, without recording any migration; or say what that would take."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))
        parser.add_argument("--check", action="store_true", help="Change nothing; exit with 1 if anything differs.")
        parser.add_argument("--plan", action="store_true", help="Change nothing; show the steps.")
        parser.add_argument("--sql", action="store_true", help="Change nothing; print the steps as SQL for psql.")
        parser.add_argument("--json", action="store_true", help="Change nothing; print all that is known as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with errors_told():
            require_postgresql(connection)
            reporter = ConsoleReporter(self.stdout, self.style, options["verbosity"])
            with running(Run(Budgets.from_settings(), reporter)) as run, without_timeouts(connection):
                if options["check"] or options["plan"] or options["sql"] or options["json"]:
                    self._look(connection, run.budgets, options)
                else:
                    self._repair(connection, run.budgets, reporter)

    def _look(self, connection: BaseDatabaseWrapper, budgets: Budgets, options: dict[str, Any]) -> None:
        inspection = inspect(connection, *expect_declared(connection), budgets)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(connection, inspection), indent=2, ensure_ascii=False))
        elif options["sql"]:
            self._print_sql(inspection.plan)
        else:
            self._show(inspection)
            if options["plan"]:
                self._show_steps(inspection.plan, dry_run_refusals(connection, inspection))
            self._show_notes(inspection)
        if options["check"] and not inspection.in_sync:
            sys.exit(1)

    def _print_sql(self, plan: Plan) -> None:
        for line in script(plan):
            self.stdout.write(line)

    def _show(self, inspection: Inspection) -> None:
        if inspection.in_sync:
            count = len(inspection.declared.tables)
            self.stdout.write(f"The schema is as declared: {count} tables.", self.style.SUCCESS)
        else:
            self.stdout.write(differences_text(inspection))

    def _show_notes(self, inspection: Inspection) -> None:
        for line in notes_lines(inspection.plan.notes):
            self.stdout.write(line, self.style.NOTICE)

    def _show_steps(self, plan: Plan, refusals: tuple[Refusal, ...]) -> None:
        for number, step in enumerate(plan.steps, 1):
            self.stdout.write(f"{number}. {step.table}: {step.reason} ({step.lock})", self.style.MIGRATE_LABEL)
            self.stdout.write(f"{step.script};")
        for refusal in refusals:
            self.stdout.write(f"refused: {refusal}", self.style.WARNING)

    def _repair(self, connection: BaseDatabaseWrapper, budgets: Budgets, reporter: ConsoleReporter) -> None:
        with alone(connection, budgets, reporter):
            outcome = reconcile(connection, *expect_declared(connection), budgets, reporter)
        if reporter.verbosity >= 1:
            for line in notes_lines(outcome.notes):
                self.stdout.write(line, self.style.NOTICE)
        if outcome.refusals:
            raise CommandError(refusals_text(outcome.refusals))
        if reporter.verbosity >= 1 and outcome.inspection.in_sync:
            count = len(outcome.inspection.declared.tables)
            self.stdout.write(f"Schema verified: {count} tables are as declared.", self.style.SUCCESS)


def as_json(connection: BaseDatabaseWrapper, inspection: Inspection) -> dict[str, Any]:
    """Return what is known, in the form that programs may rely on."""
    parts = ("code", "table", "name", "reason", "remedy")
    return {
        "database": inspection.server.database,
        "server_version": inspection.server.version,
        "differences": [
            {"table": d.table, "kind": d.kind, "name": d.name, "expected": d.expected, "actual": d.actual}
            for d in inspection.differences.items
        ],
        "steps": [
            {"sql": step.script, "lock": step.lock, "online": step.online, "reason": step.reason}
            for step in inspection.plan.steps
        ],
        "refusals": [
            {**{part: getattr(refusal, part) for part in parts}, "waiting": _waiting(refusal)}
            for refusal in dry_run_refusals(connection, inspection)
        ],
        "notes": [{**asdict(note), "waiting": _waiting(note)} for note in inspection.plan.notes],
    }


def _waiting(root: Refusal | Note) -> list[dict[str, str]]:
    return [{"table": table, "name": name} for table, name in root.waiting]
