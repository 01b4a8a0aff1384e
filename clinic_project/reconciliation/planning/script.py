"""A plan as SQL: a script for psql, and the statements that sqlmigrate prints."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..schema.model import Server, identifier, literal
from .plan import Plan, Repair, Step, ViolationQuery
from .rollback import Drop

#: The first release with the parameter transaction_timeout, as server_version_num.
_TRANSACTION_TIMEOUT = 170000


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What a script sets so that it runs as `migrate` does. The timeouts are in the form of PostgreSQL's settings.

    `conforming_strings` is standard_conforming_strings where the definitions were read: PostgreSQL prints literals by it.
    """

    server: Server
    conforming_strings: str
    lock_timeout: str
    build_timeout: str
    batch_rows: int
    migration_lock: int


def psql_script(plan: Plan, settings: ScriptSettings) -> list[str]:
    """Return the lines of a script for psql that runs the plan's steps, with its refusals as comments."""
    return [*_explanation(), *_PSQL, *_settings(settings), *_lock(settings), *_repairs(plan, settings)]


def plan_sql(plan: Plan, settings: ScriptSettings) -> list[str]:
    """Return its statements without psql's own commands, so without checks; nothing where there is nothing to do."""
    statements = list(_repairs(plan, settings, checks=False))
    return [*_explanation(), *_settings(settings), *statements] if statements else []


def rollback_sql(drops: Iterable[Drop], settings: ScriptSettings) -> list[str]:
    """Return the statements that drop what holds no data."""
    statements = [line for drop in drops for line in (_step_comment(drop.step), *_transaction(drop.statements))]
    return [*_settings(settings), *statements] if statements else []


def _comment(text: str) -> str:
    """Return a comment of one line: a line break in a name would end it, and what follows would be run."""
    return "-- " + re.sub(r"[\r\n]+", " ", text)


# The beginning


def _explanation() -> Iterator[str]:
    yield _comment("This is for the database as it was when it was printed.")
    yield _comment(
        "After an error, what is committed stays, and some statements would fail a second time: run migrate, or print anew."
    )
    yield _comment(
        "Only migrate tries again where a lock isn't granted in time, looks right before a step for rows that make it fail,"
        " backfills again what was written meanwhile, drops what a failed build leaves, and verifies the schema at the end."
    )
    yield _comment(
        "While an autovacuum works on a table, this fails by the lock timeout. Only migrate waits until that gives way."
    )


#: A line of ~/.psqlrc may have set otherwise.
_PSQL = (r"\set ON_ERROR_STOP on", r"\set AUTOCOMMIT on", r"\set ON_ERROR_ROLLBACK off")


def _settings(settings: ScriptSettings) -> Iterator[str]:
    """Yield the settings that `migrate` has, too."""
    yield _comment(
        f"A transaction waits for a lock for {settings.lock_timeout} at most, a concurrent build for old transactions for"
        f" {settings.build_timeout}."
    )
    for name, value in _parameters(settings):
        yield f"SET {name} = {value};"
    # With SET, an empty search path would be a syntax error.
    yield f"SELECT pg_catalog.set_config('search_path', {literal(settings.server.search_path)}, false);"


def _parameters(settings: ScriptSettings) -> Iterator[tuple[str, str]]:
    yield "client_encoding", "'UTF8'"
    yield "standard_conforming_strings", settings.conforming_strings
    yield "default_transaction_isolation", "'read committed'"
    yield "lock_timeout", literal(settings.lock_timeout)
    yield "statement_timeout", "0"
    yield "idle_in_transaction_session_timeout", "0"
    yield "idle_session_timeout", "0"
    if settings.server.version_number >= _TRANSACTION_TIMEOUT:
        yield "transaction_timeout", "0"


def _lock(settings: ScriptSettings) -> Iterator[str]:
    """Yield psql's commands that take the migration lock, or stop. A DO block would need PL/pgSQL to be there."""
    schema = f"{literal(identifier(settings.server.schema or ''))}::regnamespace::oid::int"
    yield _comment("One session migrates at a time. The lock is released when this session ends.")
    yield rf"SELECT pg_catalog.pg_try_advisory_lock({settings.migration_lock}, {schema}) AS locked \gset"
    yield r"\if :locked"
    yield r"\else"
    yield "SELECT 'Another migrate is running: wait until it ends.'::boolean;"
    yield r"\endif"


# The steps


def _repairs(plan: Plan, settings: ScriptSettings, *, checks: bool = True) -> Iterator[str]:
    yield from (_comment(f"REFUSED: {refusal}") for refusal in plan.refusals)
    for repair in plan.repairs:
        yield from _repair(repair, settings, checks=checks)


def _repair(repair: Repair, settings: ScriptSettings, *, checks: bool) -> Iterator[str]:
    """Yield the repair's steps. With `checks`, those from one that is checked first on are skipped where rows violate it."""
    open_checks = 0
    for step in repair.steps:
        if checks and step.check_first and step.violations is not None:
            open_checks += 1
            yield from _check(step.violations)
        if step.retry_after is not None:
            # It can't be left until the step has failed.
            yield from _step(step.retry_after, settings)
        yield from _step(step, settings)
    yield from [r"\endif"] * open_checks


def _check(query: ViolationQuery) -> Iterator[str]:
    refusal = query.refusal
    text = f"REFUSED: {refusal.subject.label} [{refusal.code}]: manage.py migrate says what to do."
    yield rf"\set refused {_psql_literal(text)}"
    yield rf"WITH violations (rows, keys) AS ({query.sql}) SELECT rows > 0 AS violated FROM violations \gset"
    yield r"\if :violated"
    yield r"\warn :refused"
    yield r"\else"


def _psql_literal(text: str) -> str:
    """Return `text` as an argument of psql's own commands, which end with the line."""
    quoted = re.sub(r"[\r\n]+", " ", text).replace("\\", r"\\").replace("'", "''")
    return f"'{quoted}'"


def _step(step: Step, settings: ScriptSettings) -> Iterator[str]:
    yield _step_comment(step)
    if step.backfill is not None:
        yield _comment(
            f"Only migrate does this in batches of {settings.batch_rows} rows with a commit each. Here it is one"
            " transaction, which locks the rows until it ends."
        )
        if step.backfill.triggers:
            yield _comment(
                "It fires triggers. Only migrate compares all rows before and after, and rolls a batch back where one"
                " changes more than this; for this script, that was tried with the first rows alone."
            )
    if step.transactional:
        yield from _transaction(step.statements)
    else:
        yield f"SET lock_timeout = {literal(settings.build_timeout)};"
        yield f"{step.sql};"
        yield f"SET lock_timeout = {literal(settings.lock_timeout)};"


def _step_comment(step: Step) -> str:
    return _comment(f"{step.table}: {step.reason} ({step.lock})")


def _transaction(statements: Iterable[str]) -> Iterator[str]:
    yield "BEGIN;"
    yield from (f"{statement};" for statement in statements)
    yield "COMMIT;"
