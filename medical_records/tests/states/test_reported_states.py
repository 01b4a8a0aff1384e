"""States that people reported in public: what `migrate` says of them is so, and its remedies work when they are run."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from psycopg2 import errors

from clinic_project.reconciliation.tests.support.databases import Database, Outcome, temporary_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.remedies import run_remedies

from .reported_states import ReportedState, reported_states

ROLE, PASSWORD = "clinic", "only for tests"
ROWS = (Path(__file__).parent / "reported_rows.sql").read_text()

#: Seconds: nobody ends what these states hold.
SETTING = {"apps": "*", "lock_budget": 2, "build_budget": 3, "migration_budget": 5}

#: Who migrates: the owner of the database, who is no superuser, or a superuser.
OWNER, SUPERUSER = "owner", "superuser"

#: A remedy may bring the next thing to light.
ROUNDS = 3


@pytest.fixture(scope="module")
def clinic_role(unblocked: None) -> None:
    """A role that is no superuser. Others may make it at the same time."""
    with contextlib.suppress(errors.DuplicateObject, errors.UniqueViolation):
        Database("postgres").execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS")


@pytest.fixture(scope="module")
def clinics_template(clinic_role: None) -> Iterator[Database]:
    """A database that the role owns and has migrated, with rows."""
    with temporary_database() as template:
        template.execute(*_owned_by_clinic(template))
        outcome = _as_clinic(template).migrate()
        assert outcome.status == 0, outcome.printed
        template.execute(ROWS)
        yield template


@pytest.fixture
def database(copy_of: Callable[[Database], Database], clinics_template: Database) -> Database:
    copy = copy_of(clinics_template)
    copy.execute(*_owned_by_clinic(copy))
    return copy


def _owned_by_clinic(database: Database) -> tuple[str, ...]:
    return f'ALTER DATABASE "{database.name}" OWNER TO {ROLE}', f"ALTER SCHEMA public OWNER TO {ROLE}"


def _as_clinic(database: Database) -> Database:
    return Database(database.name, {"user": ROLE, "password": PASSWORD})


def _cases() -> list[Any]:
    """Return each state with each role. A superuser is hindered by less than an owner, so he is among the slow tests."""
    return [
        pytest.param(
            state, role, marks=[pytest.mark.slow] * (state.is_slow or role is SUPERUSER), id=f"{state.name}-{role}"
        )
        for state in reported_states()
        for role in (OWNER, SUPERUSER)
    ]


@pytest.mark.parametrize(("state", "role"), _cases())
def test_reported_state(state: ReportedState, role: str, database: Database):
    if database.value("SELECT current_setting('server_version_num')::int") < state.since * 10000:
        pytest.skip(f"PostgreSQL {state.since} has this")
    migrating, wanted = (database, state.superuser) if role is SUPERUSER else (_as_clinic(database), state.want)
    database.execute(_filled_in(state.sql, migrating))
    before = fingerprints(database, dict.fromkeys(state.keeps))
    with override_settings(RECONCILIATION=SETTING):
        with _held(database, state) as pid:
            outcome = migrating.migrate()
        _is_wanted(outcome, wanted, state, pid)
        if outcome.status and "person" in state.sections:
            database.execute(_filled_in(state.sections["person"], migrating))
            before = fingerprints(database, dict.fromkeys(state.keeps))
        for _ in range(ROUNDS):
            if outcome.status:
                run_remedies(database, migrating)
                outcome = migrating.migrate()
        assert outcome.status == 0, outcome.printed
        assert lost_or_changed(database, before, dict.fromkeys(state.keeps)) == []
        assert migrating.migrate().status == 0
        assert migrating.manage("reconcile", "--check").status == 0
    if "check" in state.sections:
        assert database.rows(_filled_in(state.sections["check"], migrating)) == [(True,)]


def _filled_in(text: str, migrating: Database) -> str:
    """Return the SQL with its variables replaced. A superuser, who has connected as himself, sets no role."""
    quoted, role = f'"{migrating.name}"', migrating.role.get("user", "NONE")
    return text.replace(':"db"', quoted).replace(":db ", f"{quoted} ").replace("SET ROLE :role", f"SET ROLE {role}")


@contextlib.contextmanager
def _held(database: Database, state: ReportedState) -> Iterator[int]:
    """Keep a transaction open that has run what the state says, and give its pid."""
    with contextlib.closing(database.connect()) as connected, connected.cursor() as cursor:
        if "hold" in state.sections:
            cursor.execute(f"BEGIN; {state.sections['hold']}")
        yield connected.get_backend_pid()


def _is_wanted(outcome: Outcome, wanted: str, state: ReportedState, pid: int) -> None:
    assert "Traceback" not in outcome.printed
    assert wanted == "either" or (outcome.status == 0) == (wanted == "converge"), outcome.printed
    if outcome.status:
        assert state.says.replace("{pid}", f"pid {pid}") in outcome.printed
        assert not state.codes or any(f"[{code}]" in outcome.printed for code in state.codes), outcome.printed
