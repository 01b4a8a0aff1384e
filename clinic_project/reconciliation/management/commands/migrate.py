"""`manage.py migrate`, extended: one runs at a time, repairs what is recorded as applied, and verifies the schema."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.checks import Tags
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.exceptions import InconsistentMigrationHistory

from ...migration_history import declared_without_pending_operations, forecast_migrate
from ...pipeline import Forecast, Inspection, inspect
from ..base import ReconcilingCommand
from ..console import AS_DECLARED, forecast_lines, in_sync_text, planned_text
from ..django_statements import DjangoStatements
from ..migrate_run import MigrateRun


class Command(ReconcilingCommand, DjangoMigrate):
    help = DjangoMigrate.help + " First repairs what is recorded as applied but isn't there."
    # Not the checks of URLs: a view that can't be imported is no reason to leave a schema broken, and importing all views
    # takes as long as comparing the schema. `check --deploy`, the next command of a deployment, reports such a view.
    requires_system_checks = (Tags.models, Tags.database)

    #: Of this run; Django tells the command, and nothing else, which migration it begins.
    django: DjangoStatements

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--allow-data-loss",
            action="store_true",
            help="When migrating backwards, also drop tables and columns that hold data. They are kept otherwise.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        if connections[options["database"]].vendor != "postgresql":
            return DjangoMigrate().execute(*args, **options)
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        django_migrate = partial(super().handle, *args, **options)
        with self.connected(options["database"]) as connection:
            self.django = DjangoStatements(connection, self.context)
            if options["plan"]:
                inspection = self.django.run(partial(self._inspect, connection))
                forecast = partial(forecast_migrate, connection, inspection, self.context.budgets)
                self._show_repairs(inspection, self.django.run(forecast))
            if options["plan"] or options["check_unapplied"] or options["prune"]:
                self.django.run(partial(_run_unreconciled, django_migrate))
            else:
                MigrateRun(
                    self,
                    connection,
                    django_migrate,
                    self.django,
                    fake=options["fake"],
                    fake_initial=options["fake_initial"],
                    partial=options["app_label"] is not None,
                ).run()

    def _inspect(self, connection: BaseDatabaseWrapper) -> Inspection:
        return inspect(connection, *declared_without_pending_operations(connection), self.context.budgets)

    def _show_repairs(self, inspection: Inspection, expected: Forecast) -> None:
        self.stdout.write("Planned repairs:", self.style.MIGRATE_LABEL)
        for step in inspection.plan.steps:
            self.stdout.write(f"    {planned_text(step)}")
        for line in forecast_lines(expected.refusals):
            self.stdout.write(f"    {line}", self.style.WARNING)
        if inspection.in_sync:
            self.stdout.write(f"  {in_sync_text(inspection, AS_DECLARED)}")

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Write Django's lines, so that the steps can be written between "Applying" and "OK"."""
        # Django's is 0 where it runs again after it waited for a lock.
        self.verbosity = self.reporter.verbosity
        if action in ("apply_start", "unapply_start"):
            self.reporter.open_line()
            self.django.began(migration)
        elif action in ("apply_success", "unapply_success"):
            self.django.ended(migration)
            if self.reporter.close_line() and self.verbosity >= 1:
                self.stdout.write("   ", ending="")
        super().migration_progress_callback(action, migration, fake)


def _run_unreconciled(django_migrate: Callable[[], object]) -> None:
    """Run Django's own command where it only shows, or prunes, the migration history. Raises CommandError."""
    try:
        django_migrate()
    except InconsistentMigrationHistory as error:
        raise CommandError(
            f"{error} Without this option, migrate records the migrations whose tables exist, and continues."
        ) from error
