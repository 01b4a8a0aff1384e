"""`manage.py migrate`, extended: alone, healing what is recorded but not there, and reading again what it has done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.checks import Tags
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader
from django.db.models.signals import post_migrate, pre_migrate

from ...command_context import Run, running
from ...conf import Budgets
from ...exceptions import Refused
from ...execution.sessions import without_timeouts
from ...migration_history import (
    HISTORY_LOST,
    expect_declared,
    only_reconciles,
    reconciling_labels,
    record_lost_apps,
    record_missing_parents,
    repair_book,
)
from ...operations import reconcile_apps
from ...pipeline import Inspection, inspect, read_declared
from ...planning.plan import Note, Refusal
from ...server_requirements import require_server
from ..console import (
    ConsoleReporter,
    alone,
    differences_text,
    errors_told,
    notes_lines,
    refusals_text,
    require_postgresql,
)


class Command(DjangoMigrate):
    help = DjangoMigrate.help + " Repairs, first, what is recorded as applied but isn't there."
    # A page that can't be imported is no reason to leave a schema broken; `check --deploy`, the next command of a deploy,
    # tells of it. To look at every page takes as long as to look at the schema.
    requires_system_checks = (Tags.models, Tags.database)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--allow-data-loss",
            action="store_true",
            help="Migrating backwards, drop what holds rows as well. Without it, such tables and columns stay.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        # From before Django's checks on: ours needn't compare the schema a second time.
        with running(Run(Budgets.from_settings(), allow_data_loss=options["allow_data_loss"])) as run:
            self.run_ = run
            return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        self.reporter = ConsoleReporter(self.stdout, self.style, options["verbosity"])
        self.run_.reporter = self.reporter
        self.inspection: Inspection | None = None
        self.taking_back = False
        with errors_told():
            require_postgresql(connection)
            with without_timeouts(connection):
                if options["plan"] or options["check_unapplied"] or options["prune"]:
                    self._look(connection, *args, **options)
                else:
                    self._migrate(connection, *args, **options)

    # Looking

    def _look(self, connection: BaseDatabaseWrapper, *args: Any, **options: Any) -> None:
        if options["plan"]:
            self._show_repairs(inspect(connection, *expect_declared(connection), self.run_.budgets))
        try:
            super().handle(*args, **options)
        except InconsistentMigrationHistory as error:
            raise CommandError(
                f"{error} Without this option, migrate records what the tables bear out, and goes on."
            ) from error

    def _show_repairs(self, inspection: Inspection) -> None:
        self.stdout.write("Planned repairs:", self.style.MIGRATE_LABEL)
        for step in inspection.plan.steps:
            self.stdout.write(f"    {step.table}: {step.reason} ({step.lock})")
        for refusal in inspection.plan.refusals:
            self.stdout.write(f"    refused: {refusal}", self.style.WARNING)
        if inspection.in_sync:
            self.stdout.write("  The schema is as declared.")

    # Migrating

    def _migrate(self, connection: BaseDatabaseWrapper, *args: Any, **options: Any) -> None:
        require_server(connection)
        with alone(connection, self.run_.budgets, self.reporter), self._around_django(options):
            try:
                if not options["fake"] and not options["fake_initial"]:
                    self._complete_history(*record_lost_apps(connection))
                self._run_django(connection, *args, **options)
            except Refused as refused:
                self.reporter.close_line()
                self.run_.refusals += refused.refusals
                self._do_what_else_is_safe(connection)
                if not self.run_.refusals:
                    # What one app alone was refused has been settled with another's: the migrations go through now.
                    self._run_django(connection, *args, **options)
        self._conclude(options)

    def _run_django(self, connection: BaseDatabaseWrapper, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except InconsistentMigrationHistory:
            self._complete_history(*record_missing_parents(connection))
            super().handle(*args, **options)

    def _complete_history(self, notes: list[Note], refusals: list[Refusal]) -> None:
        self.run_.notes += notes
        if refusals:
            raise Refused(refusals)

    @contextmanager
    def _around_django(self, options: dict[str, Any]) -> Iterator[None]:
        """Hear from Django, by its signals, the states that it works out anyway: before, to heal; after, to verify."""

        def heal(apps: Any, plan: Any, using: str, **kwargs: Any) -> None:
            pre_migrate.disconnect(heal)
            self.taking_back = any(is_backwards for _, is_backwards in plan)
            if plan:
                repair_book(connections[using])
            if not options["fake"]:
                self._heal(connections[using], apps, plan)

        def verify(apps: Any, plan: Any, using: str, **kwargs: Any) -> None:
            post_migrate.disconnect(verify)
            self._verify(connections[using], apps, plan)

        pre_migrate.connect(heal)
        post_migrate.connect(verify)
        try:
            yield
        finally:
            pre_migrate.disconnect(heal)
            post_migrate.disconnect(verify)

    def _heal(self, connection: BaseDatabaseWrapper, apps: Any, plan: Any) -> None:
        """Make true what is recorded as applied, apart from what this run changes itself.

        A pending ReconcileSchema may be half done, by a run that was killed: what is recorded is behind it already.
        """
        labels = _labels_in(apps) - _left_to_the_plan(plan)
        if not labels:
            return
        with self.reporter.under("Repairing what is recorded as applied:"):
            outcome = reconcile_apps(connection, apps, sorted(labels))
        self.run_.refusals += outcome.refusals
        self.inspection = outcome.inspection

    def _verify(self, connection: BaseDatabaseWrapper, apps: Any, plan: Any) -> None:
        if not plan and self.inspection is not None:
            return  # nothing has been changed since that was read
        server, expected = read_declared(connection, apps, sorted(_labels_in(apps)))
        self.inspection = inspect(connection, server, expected, self.run_.budgets)

    def _do_what_else_is_safe(self, connection: BaseDatabaseWrapper) -> None:
        """Reconcile the apps that a refusal kept from being migrated. They aren't recorded until it is settled."""
        loader = MigrationLoader(connection)
        pending = [m for key, m in loader.graph.nodes.items() if key not in loader.applied_migrations]
        labels = {
            label
            for label in reconciling_labels()
            if only_reconciles(migration for migration in pending if migration.app_label == label)
        }
        outcome = reconcile_apps(connection, loader.project_state().apps, sorted(labels))
        if labels == reconciling_labels() and not self.taking_back:
            # Seen together, what one app's tables wait for is known to be refused in another's.
            self.run_.refusals = [refusal for refusal in self.run_.refusals if refusal.code == HISTORY_LOST]
        self.run_.refusals += outcome.refusals

    def _conclude(self, options: dict[str, Any]) -> None:
        """Say in a line that the schema is verified, or show what isn't as declared and end with status 1."""
        if options["verbosity"] >= 1:
            for line in notes_lines(self.run_.notes):
                self.stdout.write(line, self.style.NOTICE)
        if self.run_.refusals:
            raise CommandError(refusals_text(self.run_.refusals))
        if self.inspection is None:
            return
        if self.inspection.in_sync:
            self._say(f"Schema verified: {len(self.inspection.declared.tables)} tables are as declared.")
        elif self.inspection.blocked_by_others or options["fake"]:
            self.stderr.write(f"Not as declared:\n{differences_text(self.inspection)}", self.style.WARNING)
        else:
            raise CommandError(f"The schema is not as declared:\n{differences_text(self.inspection)}")

    def _say(self, text: str) -> None:
        if self.verbosity >= 1:
            self.stdout.write(text, self.style.SUCCESS)

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Write Django's lines, and leave room for the steps between "Applying" and "OK"."""
        if action in ("apply_start", "unapply_start"):
            self.reporter.open_line()
        elif action in ("apply_success", "unapply_success") and self.reporter.close_line() and self.verbosity >= 1:
            self.stdout.write("   ", ending="")
        super().migration_progress_callback(action, migration, fake)


def _left_to_the_plan(plan: Sequence[tuple[Migration, bool]]) -> set[str]:
    """Return the labels of apps that are taken back, or brought forward by nothing but reconciling."""
    backwards = {migration.app_label for migration, is_backwards in plan if is_backwards}
    forwards = {migration.app_label for migration, is_backwards in plan if not is_backwards}
    return backwards | {label for label in forwards if only_reconciles(m for m, _ in plan if m.app_label == label)}


def _labels_in(apps: Any) -> set[str]:
    """Return the reconciling apps that have models in a state."""
    present = {model._meta.app_label for model in apps.get_models()}
    return present & reconciling_labels()
