"""States that people reported in public: what `migrate` says of them is so, and its remedies work when they are run."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from psycopg2 import errors

from clinic_project.reconciliation.tests.support.databases import Database, Outcome, create_database, drop_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .remedies import run_remedies
from .reported_states import ReportedState, reported_states

ROLE, PASSWORD = "clinic", "only for tests"
ROWS = (Path(__file__).parent / "reported_rows.sql").read_text()

#: Seconds: nobody ends what these states hold.
SETTING = {"apps": "*", "lock_budget": 2, "build_budget": 3, "migration_budget": 5}

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
    template = create_database()
    try:
        template.execute(*_owned_by_clinic(template))
        outcome = _as_clinic(template).migrate()
        assert outcome.status == 0, outcome.printed
        template.execute(ROWS)
        yield template
    finally:
        drop_database(template)


@pytest.fixture
def database(copy_of: Callable[[Database], Database], clinics_template: Database) -> Database:
    copy = copy_of(clinics_template)
    copy.execute(*_owned_by_clinic(copy))
    return copy


def _owned_by_clinic(database: Database) -> tuple[str, ...]:
    return f'ALTER DATABASE "{database.name}" OWNER TO {ROLE}', f"ALTER SCHEMA public OWNER TO {ROLE}"


def _as_clinic(database: Database) -> Database:
    return Database(database.name, {"user": ROLE, "password": PASSWORD})


@pytest.mark.parametrize("state", reported_states(), ids=lambda state: state.name)
def test_reported_state(state: ReportedState, database: Database):
    database.execute(_filled_in(state.sql, database))
    before = fingerprints(database, dict.fromkeys(state.keeps))
    migrating = database if state.migrates_as_superuser else _as_clinic(database)
    with override_settings(RECONCILIATION=SETTING):
        with _held(database, state) as pid:
            outcome = migrating.migrate()
        _is_wanted(outcome, state, pid)
        if outcome.status and "person" in state.sections:
            database.execute(state.sections["person"])
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
        assert database.rows(_filled_in(state.sections["check"], database)) == [(True,)]


def _filled_in(text: str, database: Database) -> str:
    return text.replace(':"db"', f'"{database.name}"').replace(":db ", f'"{database.name}" ')


@contextlib.contextmanager
def _held(database: Database, state: ReportedState) -> Iterator[int]:
    """Keep a transaction open that has run what the state says, and give its pid."""
    with contextlib.closing(database.connect()) as connected, connected.cursor() as cursor:
        if "hold" in state.sections:
            cursor.execute(f"BEGIN; {state.sections['hold']}")
        yield connected.get_backend_pid()


def _is_wanted(outcome: Outcome, state: ReportedState, pid: int) -> None:
    assert "Traceback" not in outcome.printed
    assert state.want == "either" or (outcome.status == 0) == (state.want == "converge"), outcome.printed
    if outcome.status:
        assert state.says.replace("{pid}", f"pid {pid}") in outcome.printed
        assert not state.codes or any(f"[{code}]" in outcome.printed for code in state.codes), outcome.printed
