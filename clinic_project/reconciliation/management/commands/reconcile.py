"""`manage.py reconcile`: reconciles the schema as `migrate` does, or only shows what differs and what it would do."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ...exceptions import ReconciliationError, Refused
from ...execution.abandonment import RepairAbandoned
from ...migration_history import declared_without_pending_operations, forecast_migrate
from ...pipeline import (
    Forecast,
    Inspection,
    inspect,
    reconcile,
    runnable_plan,
    script_settings,
    unmatched_ignores,
)
from ...planning import refusals
from ...planning.plan import Note, Plan, Refusal
from ...planning.script import psql_script
from ...sqlstates import connection_lost, message_with_sqlstate
from ..base import ReconcilingCommand
from ..console import AS_DECLARED, differences_text, forecast_lines, in_sync_text, notes_lines, planned_text
from ..django_statements import DjangoStatements
from ..schemas_report import refusal_as_json


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
        django, budgets = DjangoStatements(connection, self.context), self.context.budgets
        try:
            inspection = django.run(
                lambda: inspect(connection, *declared_without_pending_operations(connection), budgets)
            )
            # Others may lock tables meanwhile.
            expected = Forecast(())
            if options["plan"] or options["json"]:
                expected = django.run(lambda: forecast_migrate(connection, inspection, budgets))
        except (ReconciliationError, RepairAbandoned, Error) as error:
            if options["json"] and not (isinstance(error, Error) and connection_lost(error)):
                self._print_json(error_as_json(connection, error))
            raise
        if options["json"]:
            self._print_json(as_json(inspection, expected))
        elif options["sql"]:
            django.run(lambda: self._print_sql(connection, inspection))
        else:
            self._show(inspection)
            if options["plan"]:
                self._show_steps(inspection.plan, expected)
            self._show_notes(inspection)
        if options["check"] and not inspection.in_sync:
            sys.exit(1)

    def _print_json(self, report: dict[str, Any]) -> None:
        # In ASCII, whatever the encoding of the standard output is.
        self.stdout.write(json.dumps(report, indent=2))

    def _print_sql(self, connection: BaseDatabaseWrapper, inspection: Inspection) -> None:
        settings = script_settings(connection, inspection.server, self.context.budgets)
        plan = runnable_plan(connection, inspection, self.context.budgets)
        for line in psql_script(plan, settings):
            self.stdout.write(line)

    def _show(self, inspection: Inspection) -> None:
        if inspection.in_sync:
            style = self.style.SUCCESS if inspection.declared.tables else self.style.WARNING
            self.stdout.write(in_sync_text(inspection, AS_DECLARED), style)
        else:
            self.stdout.write(differences_text(inspection))

    def _show_notes(self, inspection: Inspection) -> None:
        for line in notes_lines((*inspection.plan.notes, *unmatched_ignores(inspection))):
            self.stdout.write(line, self.style.NOTICE)

    def _show_steps(self, plan: Plan, expected: Forecast) -> None:
        for number, step in enumerate(plan.steps, 1):
            self.stdout.write(f"{number}. {planned_text(step)}", self.style.MIGRATE_LABEL)
            self.stdout.write(f"{step.script};")
        for line in forecast_lines(expected.refusals):
            self.stdout.write(line, self.style.WARNING)

    def _reconcile(self, connection: BaseDatabaseWrapper) -> None:
        with self.holding_migration_lock(connection):
            django = DjangoStatements(connection, self.context)
            server, declared = django.run(lambda: declared_without_pending_operations(connection))
            result = reconcile(connection, server, declared, self.context.budgets, self.reporter)
        self.report(result.notes, result.refusals)
        if result.inspection.in_sync:
            self.report_verified(result.inspection)
        self.warn(result.notes)
        self.warn_of_unmatched_ignores(result.inspection)


def as_json(inspection: Inspection, expected: Forecast) -> dict[str, Any]:
    """Return the differences and the plan, in a stable form on which programs can rely: the engine's README lists it."""
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
        "refusals": [refusal_as_json(refusal) for refusal in expected.refusals],
        "notes": [
            {**asdict(note), "blocked": _blocked(note)}
            for note in (*inspection.plan.notes, *unmatched_ignores(inspection))
        ],
    }


def error_as_json(
    connection: BaseDatabaseWrapper, error: ReconciliationError | RepairAbandoned | Error
) -> dict[str, Any]:
    """Return the same form where the schema can't be compared: what prevents that is a refusal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('server_version')")
        database, version = cursor.fetchone()
    if isinstance(error, Refused):
        found = error.refusals
    elif isinstance(error, RepairAbandoned):
        found = (error.refusal,)
    else:
        text = str(error) if isinstance(error, ReconciliationError) else message_with_sqlstate(error)
        found = (refusals.not_comparable(database, text),)
    return {
        "database": database,
        "server_version": version,
        "differences": [],
        "steps": [],
        "refusals": [refusal_as_json(refusal) for refusal in found],
        "notes": [],
    }


def _blocked(cause: Refusal | Note) -> list[dict[str, str]]:
    return [reference._asdict() for reference in cause.blocked]
