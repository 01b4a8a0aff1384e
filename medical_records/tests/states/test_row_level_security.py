"""Row level security that hides rows from the role that migrates (state 20)."""

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .damages import BACKFILLED, SMALL_DAMAGE
from .outcomes import Expectations


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
