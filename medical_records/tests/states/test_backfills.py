"""Backfills that others interfere with: later writes, triggers, publications."""

import re
import threading
from collections.abc import Callable

import pytest
from django.db import connections

from clinic_project.reconciliation.conf import Budgets
from clinic_project.reconciliation.execution.reporter import Reporter
from clinic_project.reconciliation.migration_history import declared_by_migrations
from clinic_project.reconciliation.pipeline import reconcile
from clinic_project.reconciliation.planning.plan import Backfill
from clinic_project.reconciliation.tests.support.catalog import named
from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.interruptions import (
    recorded_statements,
    session_ended,
)
from clinic_project.reconciliation.tests.support.remedies import refusals_of, run_remedies

from .damages import BACKFILLED
from .outcomes import Expectations
from .rows import ROWS

pytestmark = pytest.mark.slow


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

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("NEW.is_deleted := OLD.is_deleted;", "nulls-kept"),
            ("RETURN NULL;", "nulls-kept"),
            ("RAISE 'records are for ever';", "statement-failed"),
            pytest.param("PERFORM pg_read_file('x');", "statement-failed", id="a privilege is missing"),
            pytest.param(
                "RAISE 'records are for ever' USING ERRCODE = 'restrict_violation';",
                "statement-failed",
                id="an SQLSTATE of its own",
            ),
        ],
    )
    def test_the_remedy(self, body: str, code: str, database: Database, owner: Database, expected: Expectations):
        """It is known before anything is run, and sets the column while the trigger is disabled."""
        database.execute(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
        )
        owner.execute(*stamp(body))
        assert code in {refusal["code"] for refusal in refusals_of(owner)}
        outcome = owner.migrate()
        assert outcome.status == 1
        assert f"medical_records.is_deleted [{code}]" in outcome.errors
        for refusal in refusals_of(owner):
            if refusal["code"] == code:
                owner.execute(*refusal["statements"])
        assert owner.migrate().status == 0
        expected.converges(database, keeping=named("stamp", "stamp on stamp", "stamp on public.stamp"))

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


def stamp(
    body: str, *, timing: str = "BEFORE UPDATE", table: str = "medical_records", name: str = "stamp"
) -> tuple[str, ...]:
    """Return the statements that make a trigger, and the function of its name, which does `body`."""
    function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$"
    return function, f"CREATE TRIGGER {name} {timing} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"


class TestState32TriggersThatChangeOtherColumns:
    """A backfill changes no column but its own, whatever its UPDATE fires."""

    NULLABLE = (
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    )
    AGAIN = "IF pg_trigger_depth() = 1 THEN UPDATE medical_records SET version = version + 1 WHERE id = NEW.id; END IF;"

    @pytest.mark.parametrize(
        ("triggers", "named_columns"),
        [
            pytest.param(stamp("NEW.updated_at = now();"), "updated_at", id="a time"),
            pytest.param(stamp("NEW.version = OLD.version + 1;"), "version", id="a counter"),
            pytest.param(
                stamp("NEW.version = OLD.version + 1; NEW.updated_at = now();"), "updated_at, version", id="both"
            ),
            pytest.param(
                stamp("IF NEW.id = 231 THEN NEW.updated_at = now(); END IF;"), "updated_at", id="of one of the rows"
            ),
            pytest.param(
                stamp("NEW.updated_at = now();", timing="BEFORE UPDATE OF is_deleted"),
                "updated_at",
                id="of this column",
            ),
            pytest.param(stamp(AGAIN, timing="AFTER UPDATE"), "version", id="afterwards"),
            pytest.param(
                (
                    stamp(AGAIN)[0],
                    """CREATE CONSTRAINT TRIGGER stamp AFTER UPDATE ON medical_records DEFERRABLE INITIALLY DEFERRED
                       FOR EACH ROW EXECUTE FUNCTION stamp()""",
                ),
                "version",
                id="at the commit",
            ),
            pytest.param(
                (*stamp("NEW.updated_at = now();"), "ALTER TABLE medical_records ENABLE ALWAYS TRIGGER stamp"),
                "updated_at",
                id="always enabled",
            ),
        ],
    )
    def test_32_is_refused_with_the_remedy(
        self,
        triggers: tuple[str, ...],
        named_columns: str,
        database: Database,
        owner: Database,
        expected: Expectations,
        settings,
    ):
        settings.RECONCILIATION = {"batch_rows": ROWS}
        database.execute(*self.NULLABLE)
        before = fingerprints(database, BACKFILLED)
        owner.execute(*triggers)
        enabled = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"
        enabled_before = database.rows(enabled)
        outcome = owner.migrate()
        assert outcome.status == 1
        printed = " ".join(outcome.errors.split())
        assert "medical_records.is_deleted [trigger-changes-rows]" in printed
        assert f"the trigger stamp would change {named_columns}." in printed
        assert lost_or_changed(database, before, BACKFILLED) == []
        (refusal,) = refusals_of(owner)
        assert refusal["code"] == "trigger-changes-rows"
        disable, update, enable = refusal["statements"]
        run_remedies(database, owner)
        assert disable.endswith('DISABLE TRIGGER "stamp"')
        assert update.startswith("UPDATE")
        assert enable.endswith('TRIGGER "stamp"')
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, BACKFILLED) == []
        assert database.rows(enabled) == enabled_before
        expected.converges(database, keeping=named("stamp", "stamp on stamp", "stamp on public.stamp"))

    @pytest.mark.parametrize(
        ("body", "table"),
        [
            ("UPDATE patients SET notes = 'a record was changed' WHERE id = NEW.patient_id;", "patients"),
            ("DELETE FROM patient_photos WHERE medical_record_id = NEW.id;", "patient_photos"),
            (
                "IF pg_trigger_depth() = 1 THEN UPDATE medical_records SET version = 9 WHERE id = 1; END IF;",
                "medical_records",
            ),
        ],
    )
    def test_32_other_rows_are_not_changed(
        self, body: str, table: str, database: Database, owner: Database, expected: Expectations
    ):
        database.execute(*self.NULLABLE)
        before = fingerprints(database, BACKFILLED)
        owner.execute(*stamp(body, timing="AFTER UPDATE"))
        assert "trigger-changes-rows" in {refusal["code"] for refusal in refusals_of(owner)}
        printed = " ".join(owner.migrate().errors.split())
        assert f"other rows of public.{table} would be changed or deleted, by the trigger stamp." in printed
        assert run_remedies(database, owner).keys() == {"trigger-changes-rows"}
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, BACKFILLED) == []
        expected.converges(database, keeping=named("stamp", "stamp on stamp", "stamp on public.stamp"))

    @pytest.mark.parametrize(
        ("triggers", "disabled", "seen"),
        [
            pytest.param(stamp("NEW.updated_at = now();"), ["stamp"], ROWS // 3, id="the history sees the change"),
            pytest.param(
                (*stamp("NEW.updated_at = now();"), *stamp(AGAIN, timing="AFTER UPDATE", name="again")),
                ["stamp", "again", "history"],
                0,
                id="one that is fired afterwards changes the rows, too",
            ),
            pytest.param(
                (*stamp("RETURN NULL;"), *stamp(AGAIN, timing="AFTER UPDATE", name="again")),
                ["stamp", "again", "history"],
                0,
                id="what is fired afterwards isn't known",
            ),
        ],
    )
    def test_32_the_remedy_disables_all_that_may_change_the_rows(
        self, triggers: tuple[str, ...], disabled: list[str], seen: int, database: Database, owner: Database, settings
    ):
        settings.RECONCILIATION = {"batch_rows": ROWS}
        database.execute(*self.NULLABLE)
        before = fingerprints(database, BACKFILLED)
        owner.execute(
            "CREATE TABLE history (id integer)",
            *triggers,
            *stamp("INSERT INTO history VALUES (NEW.id);", timing="AFTER UPDATE OF is_deleted", name="history"),
        )
        assert owner.migrate().status == 1
        (refusal,) = refusals_of(owner)
        assert set(re.findall(r'DISABLE TRIGGER "(\w+)"', refusal["remedy"])) == set(disabled)
        run_remedies(database, owner)
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, BACKFILLED) == []
        assert database.value("SELECT count(*) FROM history") == seen

    @pytest.mark.parametrize("action", ["INSTEAD NOTHING", "ALSO INSERT INTO history VALUES (NEW.id)"])
    def test_32_a_rule_that_no_batch_can_run_with(self, action: str, database: Database, owner: Database):
        database.execute(*self.NULLABLE)
        before = fingerprints(database, BACKFILLED)
        owner.execute(
            "CREATE TABLE history (id integer)", f"CREATE RULE kept AS ON UPDATE TO medical_records DO {action}"
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "Traceback" not in outcome.printed
        assert "rule kept" in outcome.errors
        run_remedies(database, owner)
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, BACKFILLED) == []

    def test_32_others_are_fired_and_see_the_backfill(
        self, database: Database, owner: Database, expected: Expectations
    ):
        """A history is kept, and a column that is generated from it follows."""
        database.execute(*self.NULLABLE)
        owner.execute(
            "CREATE TABLE history (id integer, was boolean, now boolean)",
            *stamp("INSERT INTO history VALUES (NEW.id, OLD.is_deleted, NEW.is_deleted);", timing="AFTER UPDATE"),
            *stamp("NEW.updated_at = now();", timing="BEFORE UPDATE OF version", name="of_another_column"),
            *stamp("NEW.updated_at = now();", timing="BEFORE INSERT", name="of_an_insert"),
            *stamp("NEW.updated_at = now();", name="disabled"),
            "ALTER TABLE medical_records DISABLE TRIGGER disabled",
            "ALTER TABLE medical_records ADD gone boolean GENERATED ALWAYS AS (coalesce(is_deleted, true)) STORED",
        )
        assert owner.migrate().status == 0
        assert database.value("SELECT count(*) FROM history WHERE was IS NULL AND NOT now") == ROWS // 3
        assert database.value("SELECT count(*) FROM medical_records WHERE gone <> is_deleted") == 0
        assert database.value("SELECT is_deleted FROM medical_records WHERE id = 3") is False
        assert owner.manage("reconcile", "--check").status == 0

    def test_32_rows_of_a_table_that_inherits(self, database: Database, owner: Database, expected: Expectations):
        """Its own triggers are fired, and its own columns may be what they change."""
        database.execute(*self.NULLABLE)
        owner.execute(
            'CREATE TABLE "Old records" (touched integer DEFAULT 0) INHERITS (medical_records)',
            'INSERT INTO "Old records" SELECT * FROM ONLY medical_records',
            *stamp("NEW.touched = OLD.touched + 1;", table='"Old records"'),
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "the trigger stamp would change touched." in " ".join(outcome.errors.split())
        assert database.value('SELECT count(*) FROM "Old records" WHERE is_deleted IS NULL') == ROWS // 3
        assert run_remedies(database, owner).keys() == {"trigger-changes-rows"}
        assert owner.migrate().status == 0
        assert owner.manage("reconcile", "--check").status == 0
        assert database.value('SELECT sum(touched) FROM "Old records"') == 0

    def test_32_other_sessions_change_the_rows_meanwhile(self, database: Database, settings):
        """What they change isn't taken for what a trigger does."""
        settings.RECONCILIATION = {"batch_rows": 3}
        database.execute(*self.NULLABLE, *stamp("NULL;"))
        stopped = threading.Event()

        def write() -> None:
            with database.cursor() as cursor:
                while not stopped.is_set():
                    cursor.execute(
                        "UPDATE medical_records SET version = version + 1 WHERE id = 3 + 3 * floor(random() * 70)"
                    )

        writer = threading.Thread(target=write)
        writer.start()
        try:
            outcome = database.migrate()
        finally:
            stopped.set()
            writer.join()
        assert outcome.status == 0, outcome.printed


def test_the_rows_tell_how_many_blocks_there_are(database: Database):
    """An extension that keeps a table's rows elsewhere leaves no block of it here: their positions tell then."""
    size = "SELECT pg_relation_size('medical_records') / current_setting('block_size')::int"
    end_of_rows = Backfill("medical_records", "is_deleted", "false").end_of_rows
    assert database.value(end_of_rows) == database.value(size) > 0
    assert database.value(Backfill("api_last_writes", "number", "0").end_of_rows) == 0


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
