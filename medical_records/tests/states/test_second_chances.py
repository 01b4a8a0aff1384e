"""Repairs that stand in each other's way, or that can't be finished: nothing of them may harm who writes meanwhile."""

from collections.abc import Callable

from clinic_project.reconciliation.tests.proofs.databases import Database
from clinic_project.reconciliation.tests.proofs.interruptions import counted, session_ended

from .outcomes import Expectations


def test_two_tables_have_each_others_index_names(database: Database, expected: Expectations):
    """Somebody swapped the names of two indexes of different tables. Each name is said to be taken, and by what."""
    database.execute(
        "ALTER INDEX idx_patient_photos_patient RENAME TO aside",
        "ALTER INDEX idx_medical_records_patient RENAME TO idx_patient_photos_patient",
        "ALTER INDEX aside RENAME TO idx_medical_records_patient",
    )
    outcome = database.migrate()
    assert outcome.status != 0
    for table, name in (
        ("medical_records", "idx_medical_records_patient"),
        ("patient_photos", "idx_patient_photos_patient"),
    ):
        assert f"{table}.{name} [name-taken]" in outcome.told
    database.execute("ALTER INDEX idx_patient_photos_patient RENAME TO aside")
    expected.converges(database)


def test_a_published_table_has_no_key_and_rows_to_fill(database: Database, expected: Expectations):
    """Its rows can't be updated before it has a key, which comes later: the fill is tried again then."""
    database.execute(
        "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
        "ALTER TABLE patient_photos ALTER is_pending DROP NOT NULL",
        "UPDATE patient_photos SET is_pending = NULL WHERE id % 3 = 0",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    outcome = database.migrate()
    assert outcome.status == 0, outcome.told
    expected.is_declared(database)


#: NULLs that can't be filled.
STUBBORN = (
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
    "UPDATE medical_records SET is_deleted = NULL WHERE id < 10",
    """CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN NEW.is_deleted := OLD.is_deleted; RETURN NEW; END'""",
    "CREATE TRIGGER stubborn BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION stubborn()",
)


def test_a_fill_that_a_trigger_prevents_keeps_nobody_from_writing(database: Database):
    """The rows stay NULL, and are told; others can go on changing them."""
    database.execute(*STUBBORN)
    outcome = database.migrate()
    assert outcome.status != 0
    assert "medical_records.is_deleted" in outcome.told
    database.execute("UPDATE medical_records SET version = version + 1 WHERE id < 10")
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'reconcile%'") == 0


def test_the_session_ends_while_a_helping_check_is_taken_back(
    database: Database, copy_of: Callable[[Database], Database]
):
    """Nothing more is begun on another session, which wouldn't keep a second `migrate` out."""
    database.execute(*STUBBORN, "DROP INDEX idx_patient_photos_dedup")
    with counted() as steps:
        copy_of(database).migrate()
    taken_back = next(number for number, step in enumerate(steps, start=1) if "DROP CONSTRAINT" in step.sql)
    with session_ended(before=taken_back):
        outcome = database.migrate()
    assert "The connection to the database was lost" in outcome.errors
    assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NULL")
