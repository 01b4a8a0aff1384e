"""`manage.py reconcile`: reconciles the schema as `migrate` does, or only shows what differs and what it would do."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ...command_context import current_context
from ...migration_history import declared_without_pending_operations, history_refusals
from ...pipeline import Inspection, dry_run_refusals, inspect, reconcile, runnable_plan, script_settings
from ...planning.plan import Note, Plan, Refusal
from ...planning.script import psql_script
from ..base import ReconcilingCommand
from ..console import differences_text, notes_lines, planned_text


class Command(ReconcilingCommand):
    help = "Repair the schema so that it is as declared, without applying any migration; or show what that would do."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))
        parser.add_argument("--check", action="store_true", help="Change nothing; exit with 1 if anything differs.")
        parser.add_argument("--plan", action="store_true", help="Change nothing; show the steps, and what is refused.")
        parser.add_argument("--sql", action="store_true", help="Change nothing; print the steps as SQL for psql.")
        parser.add_argument("--json", action="store_true", help="Change nothing; print differences and plan as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        with self.connected(options["database"]) as connection:
            if options["check"] or options["plan"] or options["sql"] or options["json"]:
                self._inspect(connection, options)
            else:
                self._reconcile(connection)

    def _inspect(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        inspection = inspect(connection, *declared_without_pending_operations(connection), self.context.budgets)
        if options["json"]:
            # In ASCII, whatever the encoding of the standard output is.
            self.stdout.write(json.dumps(as_json(connection, inspection), indent=2))
        elif options["sql"]:
            self._print_sql(connection, inspection)
        else:
            self._show(inspection)
            if options["plan"]:
                self._show_steps(inspection.plan, _refusals(connection, inspection))
            self._show_notes(inspection)
        if options["check"] and not inspection.in_sync:
            sys.exit(1)

    def _print_sql(self, connection: BaseDatabaseWrapper, inspection: Inspection) -> None:
        settings = script_settings(connection, inspection.server, self.context.budgets)
        for line in psql_script(runnable_plan(connection, inspection), settings):
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
            self.stdout.write(f"{number}. {planned_text(step)}", self.style.MIGRATE_LABEL)
            self.stdout.write(f"{step.script};")
        for refusal in refusals:
            self.stdout.write(f"refused: {refusal}", self.style.WARNING)

    def _reconcile(self, connection: BaseDatabaseWrapper) -> None:
        with self.holding_migration_lock(connection):
            result = reconcile(
                connection, *declared_without_pending_operations(connection), self.context.budgets, self.reporter
            )
        self.report(result.notes, result.refusals)
        if result.inspection.in_sync:
            self.report_verified(result.inspection)


def as_json(connection: BaseDatabaseWrapper, inspection: Inspection) -> dict[str, Any]:
    """Return the differences and the plan, in a stable form on which programs can rely: the engine's README lists it."""
    keys = ("code", "table", "name", "reason", "remedy", "statements")
    return {
        "database": inspection.server.database,
        "server_version": inspection.server.version,
        "differences": [
            {"table": d.table, "kind": d.kind, "name": d.name, "expected": d.declared_text, "actual": d.actual_text}
            for d in inspection.differences.items
        ],
        "steps": [
            {
                "table": step.table,
                "reason": step.reason,
                "sql": step.script,
                "lock": step.lock,
                "online": step.online,
            }
            for step in inspection.plan.steps
        ],
        "refusals": [
            {**{key: getattr(refusal, key) for key in keys}, "blocked": _blocked(refusal)}
            for refusal in _refusals(connection, inspection)
        ],
        "notes": [{**asdict(note), "blocked": _blocked(note)} for note in inspection.plan.notes],
    }


def _refusals(connection: BaseDatabaseWrapper, inspection: Inspection) -> tuple[Refusal, ...]:
    """Return what `migrate` would refuse now."""
    return (*history_refusals(connection, current_context().budgets), *dry_run_refusals(connection, inspection))


def _blocked(cause: Refusal | Note) -> list[dict[str, str]]:
    return [reference._asdict() for reference in cause.blocked]
