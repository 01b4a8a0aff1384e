"""`migrate medical_records zero`: what is empty goes, what holds something stays, and nothing is lost."""

import contextlib
import threading

import pytest

from clinic_project.reconciliation.tests.proofs.databases import Database, Outcome
from clinic_project.reconciliation.tests.proofs.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations
from .tables import MEDICAL_TABLES


def roll_back(database: Database, *options: str) -> Outcome:
    return database.migrate("medical_records", "zero", *options)


def still_there(database: Database) -> set[str]:
    found = database.rows("SELECT relname FROM pg_class WHERE relname = ANY (%s)", [list(MEDICAL_TABLES)])
    return {name for (name,) in found}


def test_empty_tables_go_and_come_back(hollow_database: Database, expected: Expectations):
    assert roll_back(hollow_database).status == 0
    assert still_there(hollow_database) == set()
    expected.converges(hollow_database)


def test_tables_with_rows_stay_and_are_adopted_again(database: Database, expected: Expectations):
    outcome = roll_back(database)
    assert outcome.status == 0
    assert outcome.told.count("stays, since it holds rows") == len(MEDICAL_TABLES)
    assert still_there(database) == set(MEDICAL_TABLES)
    expected.converges(database)


def test_rows_go_only_where_that_is_asked_for(database: Database):
    assert roll_back(database, "--allow-data-loss").status == 0
    assert still_there(database) == set()


def test_what_others_depend_on_stays(hollow_database: Database, expected: Expectations):
    hollow_database.execute("CREATE VIEW names AS SELECT template_name FROM medical_records")
    outcome = roll_back(hollow_database)
    assert outcome.status == 0
    assert "view names depends on table medical_records" in outcome.told
    assert still_there(hollow_database) == {"medical_record_templates", "medical_records"}
    expected.converges(hollow_database)


@pytest.mark.parametrize("table", MEDICAL_TABLES)
def test_rows_that_row_security_hides_are_rows(table: str, database: Database, owner: Database, expected: Expectations):
    """To the owner, under forced row security and without a policy, a full table looks empty."""
    secure = f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    database.execute(secure)
    before = fingerprints(database)
    outcome = roll_back(owner)
    assert outcome.status != 0
    assert f'row-level security policy for table "{table}"' in outcome.errors
    assert lost_or_changed(database, before, {}) == []


def test_a_row_that_comes_while_it_waits_for_the_lock(hollow_database: Database, expected: Expectations):
    """Where the role's transactions see one moment for all of their statements, that moment is before the row."""
    hollow_database.execute(
        f"ALTER DATABASE {hollow_database.name} SET default_transaction_isolation = 'repeatable read'",
        "INSERT INTO clinics (name) VALUES ('Harbour Street')",
    )
    with contextlib.closing(hollow_database.connect()) as writer, writer.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO medical_record_templates (clinic_id, name, fields) VALUES (1, 'New', '[]')")
        # In the middle of one of its waits of half a second.
        threading.Timer(1.3, cursor.execute, args=["COMMIT"]).start()
        outcome = roll_back(hollow_database)
    assert outcome.status == 0
    assert "medical_record_templates: stays" in outcome.told
    assert hollow_database.value("SELECT count(*) FROM medical_record_templates") == 1
