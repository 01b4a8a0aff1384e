"""The base of the commands that reconcile: what they require of a connection, the migration lock, and their reports."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..command_context import CommandContext, running
from ..conf import Budgets
from ..exceptions import ConnectionLost, ReconciliationError, Refused
from ..execution.abandonment import RepairAbandoned
from ..execution.migration_lock import migration_lock
from ..execution.pooling import require_own_session
from ..execution.sessions import session_settings, without_timeouts
from ..migration_history import require_valid_setting
from ..pipeline import Inspection, unmatched_ignores
from ..planning.plan import Note, Refusal, merged
from ..schema.introspection import read_server
from ..schema.model import identifier
from ..server_requirements import require_postgresql
from ..sqlstates import connection_lost, message, message_with_sqlstate
from .console import VERIFIED, ConsoleReporter, in_sync_text, notes_lines, refusals_text
from .interrupts import Interrupts

#: By which other sessions know the commands.
APPLICATION_NAME = "manage.py migrate"

#: The exit status of what Ctrl-C ended: 128 and the number of SIGINT.
INTERRUPTED = 130


class RefusedError(CommandError):
    """Ends a command with what a person has to decide."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(merged(refusals))
        super().__init__(refusals_text(self.refusals))


class UnreachableError(CommandError):
    """Ends a command whose connection to the database couldn't be made, or was lost."""


class NotConnectedError(UnreachableError):
    """Ends a command whose connection couldn't be made: nothing was done."""


class ReconcilingCommand(BaseCommand):
    """A command that reconciles. `reporter` writes what it does, `context` is what the migrations that it runs get."""

    reporter: ConsoleReporter
    interrupts: Interrupts
    context: CommandContext

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.reporter = self.new_reporter(options)
        self.interrupts = Interrupts()
        self.context = CommandContext(
            Budgets.from_settings(), self.reporter, allow_data_loss=options.get("allow_data_loss", False)
        )
        with command_errors():
            require_valid_setting()
        # Around Django's checks as well, so that `check_schema` doesn't compare the schema a second time.
        try:
            with running(self.context):
                return super().execute(*args, **options)
        except (KeyboardInterrupt, Exception) as error:
            if not isinstance(error, KeyboardInterrupt) and not self.interrupts.received:
                raise
            self.reporter.break_off()
            if self.stderr.isatty():
                self.stderr.write("")  # after the ^C
            self.stderr.write(f"Interrupted. What is done stays; run {self.command_again(options)} again.")
            sys.exit(INTERRUPTED)

    def new_reporter(self, options: Mapping[str, Any]) -> ConsoleReporter:
        return ConsoleReporter(self, options["verbosity"], on_stderr=bool(options.get("json") or options.get("sql")))

    def command_again(self, options: Mapping[str, Any]) -> str:
        """Return the command that goes on where this one was interrupted."""
        return "migrate"

    @contextmanager
    def connected(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        """Yield a connection on which a reconciliation can run. Raises CommandError for the errors that stop it."""
        connection = connections[alias]
        with command_errors():
            _require_postgresql(connection)
            with (
                self.interrupts.cancelling(connection),
                without_timeouts(connection),
                # Dates as psycopg2 sets them by itself: psycopg 3 reads no others.
                session_settings(connection, datestyle="ISO", application_name=APPLICATION_NAME),
                _project_schema_first(connection),
            ):
                yield connection

    @contextmanager
    def holding_migration_lock(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Hold the migration lock. Raises CommandError if another session holds it for the whole budget."""
        budget = self.context.budgets.migration_budget
        try:
            with migration_lock(connection, budget, self.reporter.waiting_for_migrate):
                yield
        except TimeoutError as error:
            raise CommandError(
                f"Expected to begin within {budget:g} s, found that another migrate is still running: {error}. Wait until it"
                " ends, or end it, then run migrate again."
            ) from error

    def report(self, notes: Iterable[Note], refusals: Iterable[Refusal]) -> None:
        """Print how much was repaired, and the notes, but for warnings.

        Raises CommandError if anything was refused, after the warnings.
        """
        self.reporter.write_repairs()
        notes, refused = list(notes), list(refusals)
        for line in notes_lines(note for note in notes if not note.is_warning):
            self.reporter.write(line, self.style.NOTICE)
        if refused:
            self.warn(notes)
            raise RefusedError(refused)

    def warn(self, notes: Iterable[Note]) -> None:
        """Print the warnings among the notes."""
        for line in notes_lines(note for note in notes if note.is_warning):
            self.stderr.write(f"Warning: {line.strip()}", self.style.WARNING)

    def warn_of_unmatched_ignores(self, inspection: Inspection) -> None:
        """Print what is ignored and doesn't differ; not where a test runner makes a database, in which nothing does."""
        if self.reporter.verbosity >= 1:
            self.warn(unmatched_ignores(inspection))

    def report_verified(self, inspection: Inspection) -> None:
        style = self.style.SUCCESS if inspection.declared.tables else self.style.WARNING
        self.reporter.write(in_sync_text(inspection, VERIFIED), style)


def _require_postgresql(connection: BaseDatabaseWrapper) -> None:
    """Raise CommandError unless the connection is to PostgreSQL, in no transaction, and in a session of its own."""
    require_postgresql(connection)
    if connection.in_atomic_block:
        raise CommandError("Expected no open transaction, found one. Each step is committed on its own: end it first.")
    try:
        connection.ensure_connection()
        require_own_session(connection)
    except OperationalError as error:
        raise NotConnectedError(
            f"Can't connect to the database {connection.settings_dict['NAME']} ({message(error)}). Check"
            f' the setting DATABASES["{connection.alias}"], that the server is running, and that it has connections left.'
        ) from error


@contextmanager
def _project_schema_first(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Put the project's schema first on the search path, so that Django's own operations create there, too."""
    server = read_server(connection)
    if server.schema is None or server.system_schema or not server.may_use:
        yield  # what has to be done first is told by require_server()
        return
    with session_settings(connection, search_path=f"{identifier(server.schema)}, {server.search_path}"):
        yield


def going_on_by(command: str, text: str) -> str:
    """Return a text of `migrate` as it is where another command goes on."""
    return text.replace("un migrate again", f"un {command} again")


@contextmanager
def command_errors() -> Iterator[None]:
    """Raise CommandError, which ends a command without a traceback, for errors of the reconciliation or the database."""
    try:
        yield
    except Refused as refused:
        raise RefusedError(refused.refusals) from refused
    except ConnectionLost as error:
        raise UnreachableError(str(error)) from error
    except (ReconciliationError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error
    except RepairAbandoned as abandoned:
        raise RefusedError([replace(abandoned.refusal, fatal=not abandoned.begun)]) from abandoned
    except Error as error:
        raise _command_error(error) from error


def _command_error(error: Error) -> CommandError:
    """Say what to do about a database error that isn't one of a repair's steps, which would have been refused."""
    if connection_lost(error):
        return UnreachableError(
            f"The connection to the database was lost ({message(error)}). No data is lost. Run the command again: it"
            " continues from the schema that it finds."
        )
    return CommandError(
        f"PostgreSQL reported an error: {message_with_sqlstate(error)}. No data is lost. Resolve the error, then run the"
        " command again: it continues from the schema that it finds. --traceback shows where the error occurred."
    )
