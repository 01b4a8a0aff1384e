"""`migrate medical_records zero`: what is empty goes, what holds rows stays, and going forwards adopts it again."""

from clinic_project.reconciliation.tests.proofs.databases import Database
from clinic_project.reconciliation.tests.proofs.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations

TABLES = ("medical_record_templates", "medical_records", "patient_photos")


def tables_left(database: Database) -> list[str]:
    return [
        name
        for (name,) in database.rows(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY (%s) ORDER BY 1", [list(TABLES)]
        )
    ]


def test_empty_tables_go(hollow_database: Database, expected: Expectations):
    outcome = hollow_database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.told
    assert tables_left(hollow_database) == []
    expected.converges(hollow_database, inserts=False)


def test_tables_with_rows_stay_and_are_adopted_again(database: Database, expected: Expectations):
    before = fingerprints(database, {})
    outcome = database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.told
    assert tables_left(database) == sorted(TABLES)
    for table in TABLES:
        assert f"{table}: stays, since it holds rows" in outcome.told
    assert lost_or_changed(database, before, {}) == []
    expected.converges(database)


def test_what_is_empty_goes_while_the_rest_stays(database: Database, expected: Expectations):
    database.execute("DELETE FROM patient_photos")
    outcome = database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.told
    assert tables_left(database) == ["medical_record_templates", "medical_records"]
    expected.converges(database)


def test_an_empty_table_stays_while_one_that_points_to_it_does(database: Database, expected: Expectations):
    database.execute("UPDATE patient_photos SET medical_record_id = NULL", "DELETE FROM medical_records")
    outcome = database.migrate("medical_records", "zero")
    assert outcome.status == 0, outcome.told
    assert "medical_records" in tables_left(database)
    assert "medical_records: stays, since cannot drop table medical_records" in outcome.told
    expected.converges(database)


def test_allowed_to_lose_data_it_drops_them_all(database: Database):
    outcome = database.migrate("medical_records", "zero", "--allow-data-loss")
    assert outcome.status == 0, outcome.told
    assert tables_left(database) == []
    assert database.value("SELECT count(*) > 0 FROM patients")


def test_what_somebody_elses_view_needs_stays_even_then(hollow_database: Database):
    hollow_database.execute("CREATE VIEW theirs AS SELECT id FROM patient_photos")
    outcome = hollow_database.migrate("medical_records", "zero", "--allow-data-loss")
    assert outcome.status == 0, outcome.told
    assert tables_left(hollow_database) == sorted(TABLES)  # photos stay for the view, the others for the photos
    assert "theirs" in outcome.told


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
