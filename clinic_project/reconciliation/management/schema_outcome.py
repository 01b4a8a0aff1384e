"""`migrate` in one of several schemas, in this process, with what it did as a value in place of what it prints."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connections

from ..planning.plan import Refusal, Step
from ..schema.model import identifier
from .base import INTERRUPTED, NotConnectedError, RefusedError, UnreachableError, going_on_by
from .commands.migrate import Command as Migrate
from .console import ConsoleReporter, step_text

#: What goes on where a person did what is told.
AGAIN = "migrate_schemas"


class Status(StrEnum):
    """How it ended: `UNREACHABLE` where the connection failed, `GONE` where the schema was dropped meanwhile, `NOT_BEGUN`
    where Ctrl-C came before its turn."""

    VERIFIED = "verified"
    REFUSED = "refused"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    NOT_BEGUN = "not-begun"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class SchemaOutcome:
    """What `migrate` did in a schema: the migrations that it applied, its steps but for those of these migrations, and what
    it ended with. `error` and `warnings` are what it wrote to the standard error; `refusals` are in `error`, too.
    `connected` is whether a connection could be made."""

    schema: str
    status: Status
    applied: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    error: str = ""
    warnings: str = ""
    seconds: float = 0
    connected: bool = True


class _CollectingReporter(ConsoleReporter):
    """Keeps the steps' texts, passes to `tell` what it waits for, and writes nothing."""

    def __init__(self, command: Migrate, tell: Callable[[str], None]) -> None:
        super().__init__(command, verbosity=0)
        self.tell = tell
        self.steps: list[str] = []
        self._in_migration = False

    def open_line(self) -> None:
        super().open_line()
        self._in_migration = True

    def close_line(self) -> bool:
        self._in_migration = False
        return super().close_line()

    def write_waiting(self, text: str) -> None:
        self.tell(text.strip())

    def finished(self, step: Step, seconds: float, rows: int | None) -> None:
        super().finished(step, seconds, rows)
        if rows != 0 and not self._in_migration:
            self.steps.append(step_text(step))


class _CollectingMigrate(Migrate):
    """`applied` are the names of the migrations that were applied."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.written, self.errors = io.StringIO(), io.StringIO()
        super().__init__(stdout=self.written, stderr=self.errors, no_color=True)
        self.applied: list[str] = []
        self.collected = _CollectingReporter(self, tell)

    def new_reporter(self, options: Mapping[str, Any]) -> ConsoleReporter:
        return self.collected

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_success":
            self.applied.append(str(migration))


def migrate_schema(alias: str, schema: str, tell: Callable[[str], None]) -> SchemaOutcome:
    """Run `migrate` with `schema` alone on the search path of the connection `alias`, which is closed.

    `tell` is called with what it waits for.
    """
    options = connections[alias].settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -csearch_path={_in_options(identifier(schema))}".lstrip()
    command = _CollectingMigrate(tell)
    try:
        status, refusals, error = _status(command, alias)
    except NotConnectedError as failed:
        return SchemaOutcome(schema, Status.UNREACHABLE, error=going_on_by(AGAIN, str(failed)), connected=False)
    return SchemaOutcome(
        schema,
        status,
        tuple(command.applied),
        tuple(command.collected.steps),
        tuple(map(_going_on, refusals)),
        going_on_by(AGAIN, error),
        "" if status is Status.INTERRUPTED else going_on_by(AGAIN, command.errors.getvalue().strip()),
    )


def _going_on(refusal: Refusal) -> Refusal:
    reason, remedy = (going_on_by(AGAIN, text) for text in (refusal.reason, refusal.remedy))
    return replace(refusal, reason=reason, remedy=remedy)


def _status(command: Migrate, alias: str) -> tuple[Status, tuple[Refusal, ...], str]:
    try:
        call_command(command, database=alias, verbosity=0, interactive=False)
    except RefusedError as error:
        return Status.REFUSED, error.refusals, str(error)
    except NotConnectedError:
        raise
    except UnreachableError as error:
        return Status.UNREACHABLE, (), str(error)
    except CommandError as error:
        return Status.FAILED, (), str(error)
    except SystemExit as end:
        return Status.INTERRUPTED if end.code == INTERRUPTED else Status.FAILED, (), ""
    return Status.VERIFIED, (), ""


def _in_options(value: str) -> str:
    """Return a value as libpq's parameter `options` has it: a backslash before each space and backslash."""
    return re.sub(r"([\\\s])", r"\\\1", value)
