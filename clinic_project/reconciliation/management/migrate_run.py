"""What `migrate` does: it completes the migration history, repairs, runs Django's own migrate, and verifies the schema."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.apps.registry import Apps
from django.core.management.base import CommandError
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader
from django.db.models.signals import post_migrate, pre_migrate

from ..comparison.differences import FunctionDifference
from ..django_access import access_refusals
from ..exceptions import Refused
from ..execution.abandonment import RepairAbandoned
from ..extensions import restore_extensions
from ..migration_history import (
    UnrecordedMigrations,
    apps_that_only_reconcile,
    creation_refusals,
    declared_without_pending_operations,
    find_unrecorded_apps,
    find_unrecorded_dependencies,
    reconciled_labels,
    record_migrations,
    repair_history_table,
)
from ..pipeline import Inspection, ReconciliationResult, inspect, read_declared
from ..planning import refusals
from ..planning.plan import Refusal, RefusalCode
from ..schema.model import Schema, Server
from ..server_requirements import require_server
from ..sqlstates import connection_lost, failed_at, message, sqlstate
from .base import ReconcilingCommand
from .console import differences_text
from .django_statements import DjangoStatements

#: Migrations in the order in which they run, each with whether it runs backwards.
MigrationPlan = Sequence[tuple[Migration, bool]]

#: Django's handlers of post_migrate add the content types and permissions that are missing.
_FILLED_BY_DJANGO = ("django_content_type", "auth_permission")
#: How far Django got.
_HISTORY_READ, _MIGRATED = "history read", "migrated"


@dataclass
class MigrateRun:
    """One run of `migrate`. All its refusals, those of the migrations too, are collected and reported at its end."""

    command: ReconcilingCommand
    connection: BaseDatabaseWrapper
    django_migrate: Callable[..., object]
    django: DjangoStatements
    fake: bool
    fake_initial: bool
    #: Whether it migrates one app only.
    partial: bool
    refusals: list[Refusal] = field(default_factory=list)
    #: Those of the history, of extensions and of Django's own operations, which no inspection of the schema finds again.
    refused_first: list[Refusal] = field(default_factory=list)
    #: The latest inspection.
    inspection: Inspection | None = None
    #: Whether any migration runs backwards.
    unapplies: bool = False

    def run(self) -> None:
        """Migrate. Raises CommandError if the schema isn't as declared at the end."""
        require_server(self.connection)
        with self.command.holding_migration_lock(self.connection), self._connected_to_signals():
            # Not before: another run may be between two migrations of Django's, one of which drops a column.
            if refused := access_refusals(self.connection):
                raise Refused(refused)
            try:
                self._migrate()
            except RepairAbandoned as abandoned:
                begun = abandoned.begun or self.django.has_reached(_HISTORY_READ)
                self.refusals.append(replace(abandoned.refusal, fatal=not begun))
            except Error as error:
                if connection_lost(error):
                    raise
                self.command.reporter.break_off()
                self.refusals.append(self._refusal(error))
                self.report()  # with the error as its context, for --traceback
        self.report()

    def _refusal(self, error: Error) -> Refusal:
        """Return the refusal for what Django's own statements failed at: its migrations, or its handlers of post_migrate."""
        what = f"apply {self.django.migration}" if self.django.migration else "read and write its own tables"
        return refusals.django_failed(what, message(error), sqlstate(error), failed_at(error))

    def _migrate(self) -> None:
        try:
            self.django.run(self.repair_what_django_requires, self.refusals.clear)
            self.run_django()
        except Refused as refused:
            if self.django.run(partial(self.reconcile_refused_apps, refused)):
                # Reconciled together with other apps, it could be repaired: the migrations succeed now.
                self.run_django()

    # The steps

    def repair_what_django_requires(self) -> None:
        """Repair the migration history's own table, create lost extensions again, and complete the history."""
        self.refusals += repair_history_table(self.connection, self.command.context)
        if not self.fake:
            self.refusals += restore_extensions(self.connection, self.command.reporter)
        self.complete_history()
        self.refused_first = list(self.refusals)

    def complete_history(self) -> None:
        if not self.fake and not self.fake_initial:
            self._record(
                find_unrecorded_apps(self.connection, MigrationLoader(self.connection), self.command.context.budgets)
            )

    def run_django(self) -> None:
        refusals = list(self.refusals)

        def begin_again() -> None:
            # What was refused is found again, unless it could be repaired meanwhile.
            self.refusals[:] = refusals
            self._connect_to_signals()

        self.django.run(self._run_django, begin_again)

    def _run_django(self) -> None:
        # Django's headings are written once.
        migrate = (
            partial(self.django_migrate, verbosity=0) if self.django.has_reached(_HISTORY_READ) else self.django_migrate
        )
        try:
            migrate()
        except InconsistentMigrationHistory:
            self._record(
                find_unrecorded_dependencies(
                    self.connection, MigrationLoader(self.connection), self.command.context.budgets
                )
            )
            self.complete_history()  # now the later migrations of these apps can be recognised
            migrate()

    def repair_recorded(self, apps: Apps, plan: MigrationPlan) -> None:
        """Repair the tables of the migrations that are recorded as applied, but for apps that this run reconciles anyway.

        A killed run may have half applied a pending ReconcileSchema: then the tables of its app are ahead of the history.
        """
        labels = _labels_in(apps) - _handled_by_plan(plan)
        if not labels:
            return
        with self.command.reporter.under("Repairing what is recorded as applied:"):
            server, declared = read_declared(self.connection, apps, sorted(labels))
            if plan:
                declared = self._without_replaced_functions(server, declared)
            result = self.command.context.reconcile_with(self.connection, (server, declared))
        # A pending migration may create what a function requires: what is left of that is found again at the end.
        self.refusals += (r for r in result.refusals if not plan or r.code is not RefusalCode.FUNCTION_REJECTED)
        self.inspection = result.inspection
        if _orphans_may_get_wrong_parents(result):
            raise Refused(result.refusals)

    def _without_replaced_functions(self, server: Server, declared: Schema) -> Schema:
        """Leave the functions as they are that exist: what they do now may require what pending migrations create."""
        if not declared.functions:
            return declared
        items = inspect(self.connection, server, declared, self.command.context.budgets).differences.items
        replaced = {item.name for item in items if isinstance(item, FunctionDifference) and item.can_be_called}
        kept = {key: function for key, function in declared.functions.items() if key not in replaced}
        return replace(declared, functions=kept)

    def verify(self, apps: Apps, plan: MigrationPlan) -> None:
        if not plan and self.inspection is not None:
            return  # nothing has been changed since that inspection
        labels = sorted(_labels_in(apps))
        self.inspection = self.command.context.inspect(self.connection, apps, labels)
        if self.inspection.in_sync or self.fake or self.refusals:
            return
        with self.command.reporter.under("Repairing what the migrations left:"):
            result = self.command.context.reconcile(self.connection, apps, labels)
        self.refusals += result.refusals
        self.inspection = result.inspection

    def reconcile_refused_apps(self, refused: Refused) -> bool:
        """Do what is safe for the apps that a refusal prevented from being migrated. Their migrations aren't recorded.

        Return whether nothing prevents that any more.
        """
        self.command.reporter.close_line()
        self.refusals += refused.refusals
        result = self.command.context.reconcile_with(
            self.connection, declared_without_pending_operations(self.connection)
        )
        if not self.unapplies:
            # This result has all refusals of the schema, with what each blocks in other apps as well.
            of_history = [refusal for refusal in self.refusals if refusal.code is RefusalCode.HISTORY_LOST]
            self.refusals = list(dict.fromkeys((*self.refused_first, *of_history)))
        self.refusals += result.refusals
        return all(refusal.code is RefusalCode.EXTENSION_MISSING for refusal in self.refusals)

    def report(self) -> None:
        """Print that the schema is verified. Raises CommandError where it is not as declared.

        With --fake, or where all differences are blocked by what nothing here creates, that is only a warning.
        """
        self.command.report(self.command.context.notes, self.refusals)
        if self.inspection is not None:
            self._report_inspection(self.inspection)
        self.command.warn(self.command.context.notes)
        if self.inspection is not None and not self.partial:
            self.command.warn_of_unmatched_ignores(self.inspection)

    def _report_inspection(self, inspection: Inspection) -> None:
        if inspection.in_sync:
            self.command.report_verified(inspection)
        elif inspection.all_blocked or self.fake:
            text = f"Not as declared:\n{differences_text(inspection)}"
            self.command.stderr.write(text, self.command.style.WARNING)
        else:
            raise CommandError(f"The schema is not as declared:\n{differences_text(inspection)}")

    # Django's signals

    @contextmanager
    def _connected_to_signals(self) -> Iterator[None]:
        """Get the project states before and after the migrations from Django's signals, which have them anyway."""
        self._connect_to_signals()
        try:
            yield
        finally:
            pre_migrate.disconnect(self._before_migrations)
            post_migrate.disconnect(self._after_migrations)

    def _connect_to_signals(self) -> None:
        pre_migrate.connect(self._before_migrations)
        post_migrate.connect(self._after_migrations)

    # Django sends each signal once for each app: the first time is enough.

    def _before_migrations(self, *, apps: Apps, plan: MigrationPlan, **kwargs: Any) -> None:
        pre_migrate.disconnect(self._before_migrations)
        self.django.reached(_HISTORY_READ)
        self.unapplies = any(is_backwards for _, is_backwards in plan)
        if self.fake:
            return
        applied = [migration for migration, is_backwards in plan if not is_backwards]
        if not self.fake_initial and (refused := creation_refusals(self.connection, applied)):
            self.refused_first += refused
            raise Refused(refused)
        self.repair_recorded(apps, plan)

    def _after_migrations(self, *, apps: Apps, plan: MigrationPlan, **kwargs: Any) -> None:
        post_migrate.disconnect(self._after_migrations)
        self.django.reached(_MIGRATED)
        self.verify(apps, plan)

    def _record(self, unrecorded: UnrecordedMigrations) -> None:
        """Record the consistent migrations as applied. Raises Refused if the tables of any app contradict its migrations."""
        record_migrations(self.connection, unrecorded.consistent)
        self.command.context.notes += unrecorded.notes
        if unrecorded.refusals:
            raise Refused(unrecorded.refusals)


def _orphans_may_get_wrong_parents(result: ReconciliationResult) -> bool:
    """Whether rows point to missing rows of tables to which Django adds rows afterwards, perhaps with just those keys."""
    tables = result.inspection.declared.tables
    orphans = [refusal for refusal in result.refusals if refusal.code is RefusalCode.ORPHAN_ROWS]
    constraints = [tables[refusal.table].constraint(refusal.name) for refusal in orphans]
    return any(
        constraint is not None and constraint.target is not None and constraint.target[1] in _FILLED_BY_DJANGO
        for constraint in constraints
    )


def _handled_by_plan(plan: MigrationPlan) -> set[str]:
    """Return the labels of the apps that the plan migrates backwards, or forwards by nothing but ReconcileSchema."""
    backwards = {migration.app_label for migration, is_backwards in plan if is_backwards}
    forwards = {migration.app_label for migration, is_backwards in plan if not is_backwards}
    return backwards | apps_that_only_reconcile(forwards, [migration for migration, _ in plan])


def _labels_in(apps: Apps) -> set[str]:
    """Return the labels of the reconciled apps that have models in `apps`."""
    present = {model._meta.app_label for model in apps.get_models()}
    return present & reconciled_labels()
