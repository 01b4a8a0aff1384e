"""Backfills that others interfere with: later writes, triggers, publications."""

from collections.abc import Callable

from django.db import connections

from clinic_project.reconciliation.conf import Budgets
from clinic_project.reconciliation.execution.reporter import Reporter
from clinic_project.reconciliation.migration_history import declared_by_migrations
from clinic_project.reconciliation.pipeline import reconcile
from clinic_project.reconciliation.tests.support.catalog import named
from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to
from clinic_project.reconciliation.tests.support.interruptions import (
    recorded_statements,
    session_ended,
)

from .damages import BACKFILLED
from .outcomes import Expectations
from .rows import ROWS


class LateWriter(Reporter):
    """Writes a NULL as soon as all NULLs are backfilled."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.steps: list[str] = []

    def finished(self, step, seconds, rows):
        self.steps.append(step.reason)
        if rows and step.backfill is not None:
            self.database.execute("UPDATE medical_records SET is_deleted = NULL WHERE id = 7 AND version = 1")
            self.database.execute("UPDATE medical_records SET version = 99 WHERE id = 7")


def test_05_a_null_is_written_after_the_backfill(database):
    database.execute(
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "UPDATE medical_records SET is_deleted = NULL, version = 1 WHERE id < 10",
    )
    reporter = LateWriter(database)
    with default_connection_to(database):
        connection = connections["default"]
        outcome = reconcile(connection, *declared_by_migrations(connection), Budgets(), reporter)

    assert outcome.inspection.in_sync
    assert not outcome.refusals
    # The validation found it, and it was backfilled.
    assert sum("in batches" in reason for reason in reporter.steps) == 2
    assert database.rows("SELECT is_deleted, version FROM medical_records WHERE id = 7") == [(False, 99)]


class TestTriggers:
    """A trigger of somebody else changes or rejects what a backfill writes."""

    KEEP_VALUE = (
        """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN NEW.created_at := OLD.created_at; RETURN NEW; END $$""",
        "CREATE TRIGGER keep BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION keep()",
    )

    def test_one_that_sets_the_column_back(self, database: Database, expected: Expectations, settings):
        """The column can't be backfilled then: that is refused, and not tried for ever."""
        settings.RECONCILIATION = {"batch_rows": ROWS // 10}
        database.execute(
            "ALTER TABLE medical_records ALTER created_at DROP NOT NULL",
            "UPDATE medical_records SET created_at = NULL",
            *self.KEEP_VALUE,
        )
        expected.refuses(
            database,
            naming=("medical_records.created_at", "nulls-kept", "trigger"),
            remedy=("DROP TRIGGER keep ON medical_records",),
            backfilled={"medical_records.created_at": None},
        )

    def test_one_that_allows_no_update(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
            """CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN RAISE 'records are for ever'; END $$""",
            "CREATE TRIGGER forbid BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION forbid()",
        )
        expected.refuses(
            database,
            naming=("medical_records.is_deleted", "records are for ever"),
            remedy=("DROP TRIGGER forbid ON medical_records",),
            keeping=named("forbid"),
            backfilled=BACKFILLED,
        )


def test_a_published_table_without_a_key(database: Database, expected: Expectations):
    """Its rows can't be updated before it has a key, which is added later: the backfill is retried then."""
    database.execute(
        "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
        "ALTER TABLE patient_photos ALTER is_pending DROP NOT NULL",
        "UPDATE patient_photos SET is_pending = NULL WHERE id % 3 = 0",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    expected.is_declared(database)


#: NULLs that a trigger keeps from being backfilled.
KEPT_NULLS = (
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
    "UPDATE medical_records SET is_deleted = NULL WHERE id < 10",
    """CREATE FUNCTION keep_null() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN NEW.is_deleted := OLD.is_deleted; RETURN NEW; END'""",
    "CREATE TRIGGER keep_null BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION keep_null()",
)


def test_rows_can_be_updated_after_an_abandoned_backfill(database: Database):
    """The rows stay NULL, and are reported. The helper CHECK, which would reject their updates, is dropped."""
    database.execute(*KEPT_NULLS)
    outcome = database.migrate()
    assert outcome.status != 0
    assert "medical_records.is_deleted" in outcome.printed
    database.execute("UPDATE medical_records SET version = version + 1 WHERE id < 10")
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'reconcile%'") == 0


def test_the_session_ends_while_the_helper_check_is_dropped(
    database: Database, copy_of: Callable[[Database], Database]
):
    """Nothing more is begun on another session, which wouldn't hold the migration lock."""
    database.execute(*KEPT_NULLS, "DROP INDEX idx_patient_photos_dedup")
    with recorded_statements() as steps:
        copy_of(database).migrate()
    dropping = next(number for number, step in enumerate(steps, start=1) if "DROP CONSTRAINT" in step.sql)
    with session_ended(before=dropping):
        outcome = database.migrate()
    assert "The connection to the database was lost" in outcome.errors
    assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NULL")
