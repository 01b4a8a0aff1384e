"""The search path and tables in other schemas (state 17)."""

import json
import re

import pytest

from clinic_project.reconciliation.tests.support.catalog import read_catalog
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.remedies import refusals_of, run_remedies, told_everywhere
from clinic_project.reconciliation.tests.support.roles import role_of

from .damages import SMALL_DAMAGE
from .outcomes import Expectations
from .rows import ROWS
from .tables import TABLES

pytestmark = pytest.mark.slow


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

    def test_17_not_on_the_search_path_and_not_ours(self, database: Database, owner: Database):
        """Foreign keys point to it, in a schema that the role may not use: they are dropped where a person says so."""
        database.execute("CREATE SCHEMA backup", "ALTER TABLE patients SET SCHEMA backup")
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "[found-elsewhere]" in outcome.errors
        (undo,) = re.findall(r"drop these foreign keys \((.*?)\), as the owner", outcome.errors)
        owner.execute(*undo.split("; "))
        assert database.value("SELECT to_regclass('public.patients') IS NULL")
        assert "[orphan-rows]" in owner.migrate().errors
        assert database.value("SELECT count(*) FROM backup.patients") == ROWS
        assert database.value("SELECT count(*) FROM public.patients") == 0

    def test_17_a_foreign_key_into_a_schema_that_the_role_may_not_use(
        self, database: Database, owner: Database, expected: Expectations
    ):
        """It is replaced by the declared one: to drop it requires nothing of that schema."""
        database.execute(
            "CREATE SCHEMA backup",
            "CREATE TABLE backup.patients AS TABLE patients",
            "ALTER TABLE backup.patients ADD PRIMARY KEY (id)",
            *(
                f"ALTER TABLE patient_photos DROP CONSTRAINT {name}, ADD CONSTRAINT {name} FOREIGN KEY (patient_id)"
                " REFERENCES backup.patients DEFERRABLE INITIALLY DEFERRED"
                for (name,) in database.rows(
                    "SELECT conname FROM pg_constraint WHERE conrelid = 'patient_photos'::regclass"
                    " AND confrelid = 'patients'::regclass"
                )
            ),
        )
        outcome = owner.migrate()
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)

    @pytest.mark.parametrize("path", ["public, legacy", "legacy, public", '"$user", public, legacy'])
    @pytest.mark.parametrize("moved", [("patient_photos",), ("patients", "medical_records"), TABLES])
    def test_17_elsewhere_on_the_search_path(
        self, path: str, moved: tuple[str, ...], database: Database, owner: Database, expected: Expectations
    ):
        """A table with rows in another schema of the search path isn't made anew: it is moved, when a person says so."""
        before = fingerprints(database)
        database.execute(
            f"CREATE SCHEMA legacy AUTHORIZATION {owner.role['user']}",
            *(f"ALTER TABLE {table} SET SCHEMA legacy" for table in moved),
            f'ALTER DATABASE "{database.name}" SET search_path = {path}',
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "Traceback" not in outcome.printed
        assert f"{moved[0]} [found-elsewhere]" in outcome.errors
        assert not database.value(f"SELECT to_regclass('public.{moved[0]}') IS NOT NULL"), (
            "it was made beside the other"
        )
        assert len(run_remedies(database, owner)["found-elsewhere"]) == len(moved)
        assert owner.migrate().status == 0
        database.execute(f'ALTER DATABASE "{database.name}" RESET search_path')
        expected.converges(database)
        assert lost_or_changed(database, before, {}) == []

    def test_17_what_django_would_create_is_elsewhere_on_the_search_path(self, empty_database: Database):
        """Its own migration is pending: an empty table beside the filled one would be other content types."""
        assert empty_database.migrate("sessions").status == 0
        empty_database.execute(
            "CREATE SCHEMA legacy",
            "CREATE TABLE legacy.django_content_type (id integer PRIMARY KEY, app_label text, model text)",
            "INSERT INTO legacy.django_content_type VALUES (7, 'shop', 'order')",
            f'ALTER DATABASE "{empty_database.name}" SET search_path = public, legacy',
        )
        assert [refusal["code"] for refusal in refusals_of(empty_database)] == ["found-elsewhere"]
        outcome = empty_database.migrate()
        assert outcome.status == 1
        assert "django_content_type [found-elsewhere]" in outcome.errors
        assert empty_database.value("SELECT to_regclass('public.django_content_type') IS NULL")
        empty_database.execute("ALTER TABLE legacy.django_content_type RENAME TO theirs")
        assert empty_database.migrate().status == 0

    @pytest.mark.parametrize("path", ["public, legacy", "legacy, public"])
    @pytest.mark.parametrize("definition", ["(id text)", "(id integer PRIMARY KEY)", "AS SELECT 1 AS id"])
    def test_17_what_isnt_ours_elsewhere_on_the_search_path(
        self, path: str, definition: str, database_without_rows: Database, expected: Expectations
    ):
        """It has no rows, or hasn't the table's key: it isn't the table that is missing."""
        database_without_rows.execute(
            "DROP TABLE patient_photos",
            "CREATE SCHEMA legacy",
            f"CREATE TABLE legacy.patient_photos {definition}",
        )
        database_without_rows.execute(f'ALTER DATABASE "{database_without_rows.name}" SET search_path = {path}')
        outcome = database_without_rows.migrate()
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database_without_rows)

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
        everything = [name for (name,) in database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        database.execute(
            "CREATE SCHEMA \"100%s 'own'\"",
            *(f"ALTER TABLE {table} SET SCHEMA \"100%s 'own'\"" for table in everything),
            "ALTER TABLE \"100%s 'own'\".medical_records ALTER version DROP DEFAULT",
            f"ALTER DATABASE {database.name} SET search_path = \"100%s 'own'\", public",
        )
        outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        assert read_catalog(database, TABLES, "100%s 'own'").keys() == expected.clean.keys()


class TestState17ProjectSchema:
    """Which schema of the search path is the project's, and what is done where the role can't work in it."""

    @pytest.mark.parametrize(
        "path",
        [
            'oracle, "$user", public, pg_catalog',
            "oracle, public",
            '"ODD, ""name""", oracle, public',
            "gone, oracle, public",
        ],
    )
    def test_17_an_earlier_schema_of_functions(
        self, path: str, database: Database, owner: Database, expected: Expectations
    ):
        """The project's tables are later on the path: they are repaired, and Django creates there as well."""
        role = owner.role["user"]
        database.execute(
            *SMALL_DAMAGE,
            "DROP TABLE django_session",
            "DELETE FROM django_migrations WHERE app = 'sessions'",
            "CREATE SCHEMA oracle",
            'CREATE SCHEMA "ODD, ""name"""',
            f"GRANT USAGE ON SCHEMA oracle TO {role}",
            f'ALTER DATABASE "{database.name}" SET search_path = {path}',
        )
        outcome = owner.migrate()
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert database.value("SELECT to_regclass('public.django_session') IS NOT NULL"), "Django created it elsewhere"
        assert owner.manage("reconcile", "--check").status == 0

    def test_17_a_schema_of_the_roles_name_appears(self, database: Database, owner: Database, expected: Expectations):
        role = owner.role["user"]
        database.execute(*SMALL_DAMAGE, f"CREATE SCHEMA {role} AUTHORIZATION {role}")
        for command in ("migrate", "reconcile"):
            outcome = owner.manage(command)
            assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert not database.rows("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)", [role])

    def test_17_the_history_is_lost(self, database: Database, owner: Database, expected: Expectations):
        """Tables with their keys tell the project's schema; one of that name without its key doesn't."""
        role = owner.role["user"]
        database.execute(
            f"CREATE SCHEMA {role} AUTHORIZATION {role}",
            f"CREATE TABLE {role}.patients (id text)",
            "DROP TABLE django_migrations",
        )
        outcome = owner.migrate()
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert database.value("SELECT count(*) > 0 FROM public.django_migrations")

    def test_17_an_empty_database_behind_a_schema_that_isnt_ours(
        self, empty_database: Database, expected: Expectations
    ):
        """The tables are created in the first schema in which the role may create."""
        with role_of(empty_database) as owner:
            empty_database.execute(
                "CREATE SCHEMA oracle",
                f"GRANT USAGE ON SCHEMA oracle TO {owner.role['user']}",
                f"GRANT CREATE ON SCHEMA public TO {owner.role['user']}",
                f'ALTER DATABASE "{empty_database.name}" SET search_path = oracle, public',
            )
            outcome = owner.migrate()
            assert outcome.status == 0, outcome.printed
            expected.is_declared(empty_database)

    @pytest.mark.parametrize(
        ("path", "code", "schema"),
        [
            ("oracle", "may-not-create", "ROLE"),
            ('oracle, "$user"', "may-not-create", "ROLE"),
            ("oracle, public", "may-not-create", "ROLE"),
            ("public", "may-not-create", "public"),
            ("gone", "no-schema", "gone"),
            ('"Quite Gone"', "no-schema", "Quite Gone"),
            ("pg_catalog", "no-schema", "public"),
            ("pg_temp, gone", "no-schema", "gone"),
        ],
    )
    def test_17_nowhere_to_create(
        self, path: str, code: str, schema: str, empty_database: Database, expected: Expectations
    ):
        """An empty database, in which the role may create in no schema of the path: its own is made, nobody's is opened."""
        with role_of(empty_database) as owner:
            role = owner.role["user"]
            empty_database.execute(
                "CREATE SCHEMA oracle",
                f"GRANT USAGE ON SCHEMA oracle TO {role}",
                "REVOKE CREATE ON SCHEMA public FROM public",
                f'GRANT CREATE ON DATABASE "{empty_database.name}" TO {role}',
                f'ALTER DATABASE "{empty_database.name}" SET search_path = {path}',
            )
            for command in ("migrate", "reconcile"):
                outcome = owner.manage(command)
                assert outcome.status == 1
                assert f"[{code}]" in outcome.errors
                assert "Traceback" not in outcome.printed
            told_everywhere(owner, code, empty_database.name if code == "no-schema" else path.split(",", maxsplit=1)[0])
            for _ in range(2):
                assert 'CREATE ON SCHEMA "oracle"' not in json.dumps(refusals_of(owner))
                run_remedies(empty_database, owner)
            outcome = owner.migrate()
            assert outcome.status == 0, outcome.printed
            expected.is_declared(empty_database, schema=role if schema == "ROLE" else schema)

    @pytest.mark.parametrize("path", ["gone", "oracle", "pg_catalog, public", '"$user", gone', "oracle, gone"])
    def test_17_the_projects_schema_is_off_the_path(
        self, path: str, database: Database, owner: Database, expected: Expectations
    ):
        """The remedy names the schema that holds the tables, and makes no second, empty set of them."""
        database.execute(
            *SMALL_DAMAGE,
            "CREATE SCHEMA oracle",
            f"GRANT USAGE ON SCHEMA oracle TO {owner.role['user']}",
            f'ALTER DATABASE "{database.name}" SET search_path = {path}',
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "[no-schema]" in outcome.errors
        told_everywhere(owner, "no-schema", database.name)
        assert run_remedies(database, owner).keys() == {"no-schema"}
        assert owner.migrate().status == 0
        database.execute(f'ALTER DATABASE "{database.name}" RESET search_path')
        expected.is_declared(database)
        assert database.value("SELECT count(*) FROM pg_class WHERE relname = 'medical_records'") == 1

    def test_17_two_schemas_off_the_path_hold_the_project(self, database: Database):
        """Which of them it is, a person has to choose."""
        database.execute(
            "CREATE SCHEMA second",
            "CREATE TABLE second.django_migrations (id bigint PRIMARY KEY)",
            f'ALTER DATABASE "{database.name}" SET search_path = gone',
        )
        (refusal,) = refusals_of(database)
        assert (refusal["code"], refusal["statements"]) == ("no-schema", [])
        assert "public, second holds" in refusal["reason"]

    @pytest.mark.parametrize("path", ["clinic_data, public", "public, clinic_data", "clinic_data"])
    @pytest.mark.parametrize("history_is_lost", [False, True])
    def test_17_the_schema_may_not_be_used(
        self, path: str, history_is_lost: bool, database: Database, owner: Database, expected: Expectations
    ):
        """The schema that holds the project's tables is on the path, and the role lacks USAGE on it."""
        everything = [name for (name,) in database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        database.execute(
            "CREATE SCHEMA clinic_data",
            *(f"ALTER TABLE {table} SET SCHEMA clinic_data" for table in everything),
            f'ALTER DATABASE "{database.name}" SET search_path = {path}',
        )
        if history_is_lost:
            database.execute("DROP TABLE clinic_data.django_migrations")
        assert owner.migrate().status == 1
        told_everywhere(owner, "may-not-use", "clinic_data")
        assert run_remedies(database, owner).keys() == {"may-not-use"}
        assert not database.rows(
            "SELECT FROM pg_class WHERE relname = 'medical_records' AND relnamespace = 'public'::regnamespace"
        )
        assert run_remedies(database, owner).keys() == {"may-not-create"}  # the functions, which have to be in it
        outcome = owner.migrate()
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database, schema="clinic_data")
