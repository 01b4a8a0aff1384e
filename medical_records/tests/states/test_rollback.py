"""`migrate medical_records zero` drops empty tables and keeps those with rows, which `migrate` adopts again."""

import contextlib
import threading

import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations
from .rows import ROWS
from .tables import MEDICAL_TABLES

pytestmark = pytest.mark.slow

SIGN_AND_MARK = """
    UPDATE medical_records SET signed_at = now(), signed_by_user_id = 1, signed_by_name = 'Ada Lovelace', content_hash = 'x',
    amended_at = now(), amendment_reason = 'The left knee', entered_in_error_at = now(), entered_in_error_by_user_id = 1,
    entered_in_error_by_name = 'Ada Lovelace', entered_in_error_reason = 'Another patient' WHERE id = 1
"""


def tables_left(database: Database) -> list[str]:
    return [
        name
        for (name,) in database.rows(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY (%s) ORDER BY 1", [list(MEDICAL_TABLES)]
        )
    ]


def test_empty_tables_are_dropped(database_without_rows: Database, expected: Expectations):
    outcome = database_without_rows.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.printed
    assert tables_left(database_without_rows) == []
    expected.converges(database_without_rows, inserts=False)


def test_tables_with_rows_are_kept_and_adopted_again(database: Database, expected: Expectations):
    database.execute(SIGN_AND_MARK)  # columns that are empty go
    before = fingerprints(database, {})
    outcome = database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.printed
    assert tables_left(database) == sorted(MEDICAL_TABLES)
    for table in MEDICAL_TABLES:
        assert f"{table}: kept, since it holds rows" in outcome.printed
    assert lost_or_changed(database, before, {}) == []
    expected.converges(database)


def test_empty_tables_are_dropped_while_others_are_kept(database: Database, expected: Expectations):
    database.execute("DELETE FROM patient_photos")
    outcome = database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.printed
    assert tables_left(database) == ["medical_record_templates", "medical_records"]
    expected.converges(database)


def test_an_empty_table_is_kept_while_a_foreign_key_points_to_it(database: Database, expected: Expectations):
    database.execute("UPDATE patient_photos SET medical_record_id = NULL", "DELETE FROM medical_records")
    outcome = database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.printed
    assert "medical_records" in tables_left(database)
    assert "medical_records: kept, since cannot drop table medical_records" in outcome.printed
    expected.converges(database)


def test_allow_data_loss_drops_them_all(database: Database):
    outcome = database.migrate("medical_records", "zero", "--allow-data-loss")
    assert outcome.status == 0, outcome.printed
    assert tables_left(database) == []
    assert database.value("SELECT count(*) > 0 FROM patients")


def test_allow_data_loss_keeps_what_an_undeclared_view_needs(database_without_rows: Database):
    database_without_rows.execute("CREATE VIEW theirs AS SELECT id FROM patient_photos")
    outcome = database_without_rows.migrate("medical_records", "zero", "--allow-data-loss")
    assert outcome.status == 0, outcome.printed
    assert tables_left(database_without_rows) == sorted(
        MEDICAL_TABLES
    )  # the view needs photos, and photos need the others
    assert "theirs" in outcome.printed


def test_sqlmigrate_prints_what_it_would_run_on_this_database(database: Database):
    assert "(no-op)" in database.manage("sqlmigrate", "medical_records", "0001").output
    database.execute("DROP INDEX idx_medical_records_created")
    shown = database.manage("sqlmigrate", "medical_records", "0001").output
    assert 'CREATE INDEX CONCURRENTLY "idx_medical_records_created"' in shown
    assert database.value("SELECT to_regclass('idx_medical_records_created')") is None
    assert (
        'DROP TABLE "public"."patient_photos"'
        in database.manage("sqlmigrate", "medical_records", "0001", "--backwards").output
    )


def test_the_sql_of_a_rollback_drops_no_rows_either(database: Database):
    """Whoever runs what sqlmigrate prints loses nothing."""
    database.execute("DELETE FROM patient_photos")
    printed = database.manage("sqlmigrate", "medical_records", "0001", "--backwards")
    database.execute(printed.output)
    assert database.value("SELECT to_regclass('patient_photos') IS NULL")
    assert database.value("SELECT count(*) FROM medical_records") == ROWS


@pytest.mark.parametrize("table", MEDICAL_TABLES)
def test_rows_hidden_by_row_level_security_are_kept(
    table: str, database: Database, owner: Database, expected: Expectations
):
    """Under forced row level security without a policy, a table with rows looks empty to its owner."""
    secure = f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    database.execute(secure)
    before = fingerprints(database)
    outcome = owner.migrate("medical_records", "zero")
    assert outcome.status != 0
    assert f'row-level security policy for table "{table}"' in outcome.errors
    assert lost_or_changed(database, before, {}) == []


def test_a_row_that_is_committed_while_it_waits_for_the_lock(database_without_rows: Database, expected: Expectations):
    """Under repeatable read, the transaction's snapshot may be older than the row."""
    database_without_rows.execute(
        f"ALTER DATABASE {database_without_rows.name} SET default_transaction_isolation = 'repeatable read'",
        "INSERT INTO clinics (name) VALUES ('Harbour Street')",
    )
    with contextlib.closing(database_without_rows.connect()) as writer, writer.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO medical_record_templates (clinic_id, name, fields) VALUES (1, 'New', '[]')")
        # It is then in the middle of a wait for the lock, which takes at most half a second.
        threading.Timer(1.3, cursor.execute, args=["COMMIT"]).start()
        outcome = database_without_rows.migrate("medical_records", "zero")
    assert outcome.status == 0
    assert "medical_record_templates: kept" in outcome.printed
    assert database_without_rows.value("SELECT count(*) FROM medical_record_templates") == 1
