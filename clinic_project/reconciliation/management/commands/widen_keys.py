"""`manage.py widen_keys`: makes columns of smaller integers bigint beside the application, and those that reference them."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from ...planning.plan import Plan
from ...planning.refusals import widen_command
from ...server_requirements import require_server
from ...widening import widen, widening_plan
from ..base import ReconcilingCommand, going_on_by
from ..console import planned_text, refusals_text

_NOT_YET = "The columns are not bigint"


class Command(ReconcilingCommand):
    help = (
        "Make columns of smaller integers bigint while others use the tables, with all columns that reference them: a new"
        " column is filled in batches, and takes the old one's place in one short transaction. It comes last in the table."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("columns", nargs="+", metavar="table.column", help="as reconcile --plan prints it")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))
        parser.add_argument("--plan", action="store_true", help="Change nothing; show the steps, or what is refused.")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Raises CommandError with the texts of `migrate`, but for the command that goes on."""
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            raise CommandError(going_on_by(self.command_again(options), str(error))) from error

    def command_again(self, options: Mapping[str, Any]) -> str:
        return widen_command(options["columns"])

    def handle(self, *args: Any, **options: Any) -> None:
        labels, budgets = options["columns"], self.context.budgets
        with self.connected(options["database"]) as connection:
            if options["plan"]:
                server = require_server(connection)
                self._show(widening_plan(connection, server, labels, budgets, self.reporter))
                return
            with self.holding_migration_lock(connection):
                refused = widen(connection, require_server(connection), labels, budgets, self.reporter)
        self.reporter.write_repairs()
        if refused:
            raise CommandError(refusals_text(refused, _NOT_YET))
        self.reporter.write(f"{', '.join(labels)}: bigint, and so is what references it.", self.style.SUCCESS)

    def _show(self, plan: Plan) -> None:
        for number, step in enumerate(plan.steps, 1):
            self.stdout.write(f"{number}. {planned_text(step)}", self.style.MIGRATE_LABEL)
            self.stdout.write(f"{step.script};")
        if plan.refusals:
            raise CommandError(refusals_text(plan.refusals, _NOT_YET))
        if not plan.repairs:
            self.stdout.write("They are bigint, and so is what references them.", self.style.SUCCESS)
