"""Row level security that hides rows from the role that migrates (state 20)."""

import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.remedies import run_remedies

from .damages import BACKFILLED, SMALL_DAMAGE
from .outcomes import Expectations

pytestmark = pytest.mark.slow


class TestState20RowSecurity:
    """Row level security is forced: even the owner doesn't see all rows that need a backfill."""

    SECURED = (
        *SMALL_DAMAGE,
        "ALTER TABLE medical_records ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE medical_records FORCE ROW LEVEL SECURITY",
        "CREATE POLICY own_clinic ON medical_records USING (clinic_id = 1)",
    )

    def test_20_is_refused(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*self.SECURED)
        before = fingerprints(database, BACKFILLED)
        nulls = database.value("SELECT count(*) FROM medical_records WHERE is_deleted IS NULL")
        outcome = owner.migrate()
        assert outcome.status != 0
        assert "medical_records" in outcome.errors
        assert "row level security" in outcome.errors.lower().replace("-", " ")
        assert database.value("SELECT count(*) FROM medical_records WHERE is_deleted IS NULL") in (nulls, 0)
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL"), "the rest isn't done"
        database.execute("ALTER TABLE medical_records NO FORCE ROW LEVEL SECURITY")
        assert owner.migrate().status == 0
        database.execute(
            "DROP POLICY own_clinic ON medical_records", "ALTER TABLE medical_records DISABLE ROW LEVEL SECURITY"
        )
        expected.is_declared(database)
        assert lost_or_changed(database, before, BACKFILLED) == []

    def test_20_a_role_that_bypasses_it_repairs(self, database: Database, expected: Expectations):
        """A superuser's backfill sees every row. Row level security stays on."""
        database.execute(*self.SECURED)
        assert database.migrate().status == 0
        assert database.value("SELECT relforcerowsecurity FROM pg_class WHERE oid = 'medical_records'::regclass")
        database.execute(
            "ALTER TABLE medical_records NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE medical_records DISABLE ROW LEVEL SECURITY",
        )
        expected.is_declared(database)
        assert database.value("SELECT count(*) FROM medical_records WHERE is_deleted IS NULL") == 0

    def test_20_the_remedy_as_it_is_told(self, database: Database, owner: Database, expected: Expectations):
        database.execute(*self.SECURED)
        before = fingerprints(database, BACKFILLED)
        assert owner.migrate().status == 1
        assert run_remedies(database, owner).keys() == {"row-level-security"}
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, BACKFILLED) == []
        database.execute(
            "DROP POLICY own_clinic ON medical_records", "ALTER TABLE medical_records DISABLE ROW LEVEL SECURITY"
        )
        expected.is_declared(database)


def _forced(table: str) -> tuple[str, ...]:
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY nothing ON {table} USING (false)",
    )


def _of_another_owner(table: str) -> tuple[str, ...]:
    """The role may reference and read the table, and sees none of its rows."""
    return (
        f"ALTER TABLE {table} OWNER TO CURRENT_USER",
        f"GRANT SELECT, REFERENCES ON {table} TO PUBLIC",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    )


class TestState20HiddenParents:
    """Row level security hides rows of a table to which a foreign key has to be added or validated."""

    @pytest.mark.parametrize("secured", [_forced, _of_another_owner])
    @pytest.mark.parametrize(
        ("table", "column", "parent"),
        [
            ("medical_records", "patient_id", "patients"),
            ("patient_photos", "medical_record_id", "medical_records"),
            ("appointments", "calendar_event_id", "calendar_events"),
        ],
    )
    @pytest.mark.parametrize("not_valid", [False, True])
    def test_20_a_hidden_row_is_no_orphan(
        self,
        secured,
        table: str,
        column: str,
        parent: str,
        not_valid: bool,
        database: Database,
        owner: Database,
        expected: Expectations,
    ):
        name = foreign_key(database, table, column)
        definition = database.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        if not_valid:
            database.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")
        database.execute("DROP INDEX idx_patient_photos_dedup", *secured(parent))
        before = fingerprints(database)
        reported = [owner.migrate(), owner.manage("reconcile", "--plan"), owner.manage("reconcile", "--json")]
        assert reported[0].status == 1
        assert "[row-level-security]" in reported[0].errors
        assert f"Blocked by this: {table}.{name}." in reported[0].errors
        for outcome in reported:
            assert "don't exist" not in outcome.printed
            assert "Traceback" not in outcome.printed
        assert "row-level-security" in run_remedies(database, owner)
        assert owner.migrate().status == 0
        assert lost_or_changed(database, before, {}) == []
        database.execute(
            f"DROP POLICY IF EXISTS nothing ON {parent}", f"ALTER TABLE {parent} DISABLE ROW LEVEL SECURITY"
        )
        expected.is_declared(database)

    def test_20_a_hidden_parent_of_which_nothing_is_read(
        self, database: Database, owner: Database, expected: Expectations
    ):
        """Its foreign keys are as declared: nobody has to decide anything, and the rest is repaired."""
        database.execute(*SMALL_DAMAGE, *_forced("patients"))
        assert owner.migrate().status == 0
        database.execute(
            "DROP POLICY nothing ON patients",
            "ALTER TABLE patients NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE patients DISABLE ROW LEVEL SECURITY",
        )
        expected.is_declared(database)
