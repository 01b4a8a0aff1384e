"""The search path and tables in other schemas (state 17)."""

from clinic_project.reconciliation.tests.support.catalog import read_catalog
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .outcomes import Expectations
from .rows import ROWS
from .tables import TABLES


class TestState17OtherSchemas:
    """A table of that name is in another schema: only the schema in which Django would create it counts."""

    def test_17_not_on_the_search_path(self, database: Database, expected: Expectations):
        """A table in a backup schema isn't taken for the one that is missing."""
        database.execute("CREATE SCHEMA backup", "ALTER TABLE patient_photos SET SCHEMA backup")
        expected.converges(database)
        assert database.value("SELECT count(*) FROM backup.patient_photos") == ROWS
        assert database.value("SELECT count(*) FROM public.patient_photos") == 0

    def test_17_not_on_the_search_path_and_wrong(self, database: Database, expected: Expectations):
        database.execute(
            "CREATE SCHEMA backup",
            "CREATE TABLE backup.medical_records (id text, is_deleted boolean)",
            "CREATE INDEX idx_medical_records_created ON backup.medical_records (id)",
            "DROP INDEX public.idx_medical_records_created",
        )
        expected.converges(database)
        assert (
            database.value(
                "SELECT count(*) FROM pg_attribute WHERE attrelid = 'backup.medical_records'::regclass AND attnum > 0"
            )
            == 2
        )

    def test_17_later_on_the_search_path(self, database: Database, expected: Expectations):
        """A table in a later schema of the search path isn't taken for the one that is missing."""
        database.execute(
            "CREATE SCHEMA legacy",
            "ALTER TABLE patient_photos SET SCHEMA legacy",
            f'ALTER DATABASE "{database.name}" SET search_path = public, legacy',
        )
        expected.converges(database)
        assert database.value("SELECT count(*) FROM legacy.patient_photos") == ROWS

    def test_17_the_projects_own_schema_is_not_public(self, empty_database: Database, expected: Expectations):
        """The first schema of the search path is the project's own; public has another table of the same name."""
        empty_database.execute(
            "CREATE SCHEMA clinic",
            "CREATE TABLE public.medical_records (id text)",
            "INSERT INTO public.medical_records VALUES ('not ours')",
            f'ALTER DATABASE "{empty_database.name}" SET search_path = clinic, public',
        )
        expected.converges(empty_database, schema="clinic")
        assert empty_database.rows("TABLE public.medical_records") == [("not ours",)]

    def test_17_repairs_in_a_schema_of_its_own(self, empty_database: Database, expected: Expectations):
        empty_database.execute(
            "CREATE SCHEMA clinic", f'ALTER DATABASE "{empty_database.name}" SET search_path = clinic, public'
        )
        assert empty_database.migrate().status == 0
        empty_database.execute(
            "DROP INDEX idx_patient_photos_dedup",
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
            "ALTER TABLE medical_record_templates DROP COLUMN updated_at",
        )
        expected.converges(empty_database, schema="clinic")

    def test_17_the_search_path_names_no_schema(self, database: Database, expected: Expectations):
        database.execute(f'ALTER DATABASE "{database.name}" SET search_path = nowhere')
        outcome = database.migrate()
        assert outcome.status != 0
        assert "found none first on the search path (nowhere)" in outcome.errors
        database.execute(f'ALTER DATABASE "{database.name}" RESET search_path')
        expected.converges(database)

    def test_17_an_earlier_schema_hides_ours(self, database: Database):
        """Django would now create its tables in the earlier schema: both are named, and nothing is dropped."""
        before = fingerprints(database)
        database.execute(
            "CREATE SCHEMA shadow",
            "CREATE TABLE shadow.patient_photos (id integer)",
            f'ALTER DATABASE "{database.name}" SET search_path = shadow, public',
        )
        outcome = database.migrate()
        assert "shadow" in outcome.printed
        assert "public" in outcome.printed
        database.execute(f'ALTER DATABASE "{database.name}" RESET search_path')
        assert lost_or_changed(database, before, {}) == []

    def test_17_a_schema_with_a_per_cent_sign(self, database: Database, expected: Expectations):
        database.execute(
            "CREATE SCHEMA \"100%s 'own'\"",
            *(f"ALTER TABLE {table} SET SCHEMA \"100%s 'own'\"" for table in TABLES),
            "ALTER TABLE \"100%s 'own'\".medical_records ALTER version DROP DEFAULT",
            f"ALTER DATABASE {database.name} SET search_path = \"100%s 'own'\", public",
        )
        outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        assert read_catalog(database, TABLES, "100%s 'own'").keys() == expected.clean.keys()
