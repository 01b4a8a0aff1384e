"""What a person sees of `migrate` in a terminal, at 80 and at 200 columns, and what Ctrl-C does."""

import re

import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.terminal import CTRL_C, Terminal, terminal
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .damages import SMALL_DAMAGE
from .outcomes import Expectations
from .sessions import MIGRATION_LOCK_OF_PUBLIC, held

pytestmark = pytest.mark.slow  # each starts processes, and waits for them

INTERRUPTED = "Interrupted. What is done stays; run migrate again."

COLUMNS = pytest.mark.parametrize("columns", [80, 200])


@COLUMNS
def test_the_progress_bar_is_redrawn_in_its_place(columns: int, database: Database, owner: Database):
    database.execute("DROP INDEX idx_medical_records_created")
    with terminal(owner, columns, "migrate") as shown:
        with held(database, "UPDATE medical_records SET version = version WHERE id = 1") as other:
            shown.wait_for(f"waiting for pid {other.pid}")
            drawn = len(re.findall("0:00:0", shown.received))
            wait_until(lambda: shown.read(0.2) and len(re.findall("0:00:0", shown.received)) >= drawn + 8)
            assert sum("0:00:0" in line for line in shown.screen) == 1
            assert not shown.shows_cursor()
        assert shown.wait() == 0
    screen = shown.screen
    assert not any("0:00:0" in line for line in screen), screen
    assert sum(line.startswith("    medical_records: build idx_medical_records_created (") for line in screen) == 1
    assert screen[-2] == "Schema verified: 25 tables are as declared."
    assert re.fullmatch(r"1 repair in \d+\.\d s\.", screen[-3])
    assert shown.shows_cursor()
    assert "" not in screen[:-1], screen  # a row that was drawn and not taken away


@COLUMNS
@pytest.mark.parametrize("command", [("reconcile", "--check"), ("reconcile", "--plan")], ids=" ".join)
def test_differences_are_readable(columns: int, command: tuple[str, ...], database: Database, owner: Database):
    database.execute(*SMALL_DAMAGE)
    with terminal(owner, columns, *command) as shown:
        assert shown.wait() == (1 if "--check" in command else 0)
    screen = shown.screen
    at = screen.index("  medical_records.is_deleted")
    assert [line.split()[0] for line in screen[at + 1 : at + 3]] == ["declared", "actual"]


@COLUMNS
@pytest.mark.parametrize("command", ["migrate", "reconcile"])
@pytest.mark.parametrize(
    ("damage", "hold"),
    [
        ("DROP INDEX idx_medical_records_created", "UPDATE medical_records SET version = version WHERE id = 1"),
        ("ALTER TABLE medical_records ALTER version DROP DEFAULT", "LOCK TABLE medical_records IN ACCESS SHARE MODE"),
    ],
    ids=["a build", "a lock"],
)
def test_ctrl_c(
    columns: int, command: str, damage: str, hold: str, database: Database, owner: Database, expected: Expectations
):
    database.execute("ALTER TABLE patient_photos ALTER is_pending DROP DEFAULT", damage)
    with terminal(owner, columns, command) as shown, held(database, hold) as other:
        shown.wait_for(f"waiting for pid {other.pid}")
        _is_interrupted(shown)
        invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        assert database.value(invalid) == 0 or "UPDATE" in hold
    assert owner.migrate().status == 0
    assert database.value(invalid) == 0
    expected.is_declared(database)


def test_ctrl_c_while_another_migrate_runs(database: Database, owner: Database):
    lock = f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK_OF_PUBLIC})"
    with held(database, lock) as other, terminal(owner, 80, "migrate") as shown:
        shown.wait_for(f"Waiting for another migrate to end: pid {other.pid}")
        _is_interrupted(shown)


@pytest.mark.parametrize("statement", ["LOCK TABLE django_migrations", "LOCK TABLE django_content_type"])
def test_ctrl_c_while_django_waits(statement: str, database: Database, owner: Database):
    with held(database, statement) as other, terminal(owner, 80, "migrate") as shown:
        shown.wait_for(f"waiting for pid {other.pid}")
        _is_interrupted(shown)


def _is_interrupted(shown: Terminal) -> None:
    shown.press(CTRL_C)
    assert shown.wait() == 130, shown.received
    assert shown.screen[-2] == INTERRUPTED, shown.screen
    assert "Traceback" not in shown.received
    assert shown.shows_cursor()


def test_verbosity_2_shows_the_sql_of_each_step(database: Database, owner: Database, expected: Expectations):
    database.execute(*SMALL_DAMAGE)
    outcome = owner.migrate("--verbosity", "2")
    assert outcome.status == 0
    sql = '      ALTER TABLE "public"."medical_records" ALTER COLUMN "version" SET DEFAULT 1;'
    assert f"{sql}\n    medical_records: set the default 1 of version (" in outcome.output
    assert re.search(r"^\d+ repairs in [\d.]+ m?s\.$", outcome.output, re.MULTILINE)
    assert "repair" not in owner.migrate().output
    expected.is_declared(database)
