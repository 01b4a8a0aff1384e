"""`reconcile --sql` and `sqlmigrate`: what they print does what `migrate` does, under psql as it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic_project.reconciliation.tests.support.databases import Database, temporary_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.profiles import PROFILE

from .damages import BACKFILLED, LARGE_DAMAGE, SMALL_DAMAGE
from .outcomes import Expectations
from .random_damages import Damage, all_damages
from .sessions import MIGRATION_LOCK_OF_PUBLIC
from .test_random_damages import may_stay

pytestmark = pytest.mark.slow  # each runs psql, and migrates several times

DAMAGES = all_damages()

#: Names that end comments, strings or dollar quotes where nothing is quoted, or are psql's or printf's own.
NAMES = (
    "idx\n\\echo was run",
    "idx\r\nDROP TABLE patients; --",
    'idx "quoted"',
    "idx 'quoted'",
    "idx $$ $drop$ $1",
    "idx 100%s %(name)s %%",
    "idx back\\slash\\",
    "idx :DBNAME :'DBNAME' */ /* -- ;",
)


@pytest.fixture(scope="module")
def psql() -> str:
    found = shutil.which("psql")
    if found is None:
        pytest.skip("psql isn't installed")
    return found


def run_script(psql: str, database: Database, script: str, folder: Path, *options: str) -> subprocess.CompletedProcess:
    path = folder / "script.sql"
    path.write_text(script, encoding="utf-8", newline="")
    command = [psql, *options, f"--file={path}", database.url]
    environment = {**os.environ, "PGCLIENTENCODING": "LATIN1"}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)


def printed_script(database: Database, *command: str) -> str:
    printed = database.manage(*(command or ("reconcile", "--sql")))
    assert printed.status == 0, printed.printed
    return printed.output


def converges(psql: str, database: Database, expected: Expectations, folder: Path, **options) -> None:
    """The script leaves the declared schema, and every row as it was."""
    before = fingerprints(database, options.get("backfilled", {}))
    ran = run_script(psql, database, printed_script(database), folder)
    assert ran.returncode == 0, ran.stderr
    assert lost_or_changed(database, before, options.get("backfilled", {})) == []
    expected.is_declared(database, may_stay)
    assert database.manage("reconcile", "--check").status == 0


class TestReconcileSQL:
    @pytest.mark.parametrize("damage", [SMALL_DAMAGE, LARGE_DAMAGE], ids=["small", "large"])
    def test_it_does_what_migrate_does(self, damage, psql, database: Database, expected: Expectations, tmp_path):
        database.execute(*damage)
        converges(psql, database, expected, tmp_path, backfilled=BACKFILLED)

    def test_as_the_owner(self, psql, owner: Database, expected: Expectations, tmp_path):
        owner.execute(*SMALL_DAMAGE)
        converges(psql, owner, expected, tmp_path, backfilled=BACKFILLED)

    def test_tables_are_missing(self, psql, database: Database, expected: Expectations, tmp_path):
        database.execute(
            "DROP TABLE patient_photos", "DELETE FROM medical_records", "DROP TABLE medical_record_templates CASCADE"
        )
        converges(psql, database, expected, tmp_path)

    def test_orphans_of_a_table_that_the_script_creates(self, psql, database: Database, tmp_path):
        """They can only be found then."""
        database.execute("DROP TABLE medical_record_templates CASCADE", "DROP INDEX idx_patient_photos_dedup")
        ran = run_script(psql, database, printed_script(database), tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert "REFUSED: medical_records." in ran.stderr
        assert "[orphan-rows]" in ran.stderr
        (refusal,) = json.loads(database.manage("reconcile", "--json").output)["refusals"]
        assert refusal["code"] == "orphan-rows"
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL")

    def test_a_trigger_keeps_nulls(self, psql, database: Database, tmp_path):
        """The NULLs that a backfill leaves are found before a CHECK would reject updates of their rows."""
        database.execute(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id = 1",
            "CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER keeps BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION keeps()",
            "DROP INDEX idx_patient_photos_dedup",
        )
        ran = run_script(psql, database, printed_script(database), tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert "REFUSED: medical_records.is_deleted" in ran.stderr
        assert database.rows("SELECT FROM pg_constraint WHERE conname LIKE 'reconcile_%'") == []
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL")

    def test_a_trigger_changes_other_columns(self, psql, database: Database, tmp_path):
        """What a trigger does to a backfill is found out before the script is printed."""
        database.execute(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id = 1",
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN NEW.updated_at = ''2000-01-01''; RETURN NEW; END'",
            "CREATE TRIGGER touch BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION touch()",
            "DROP INDEX idx_patient_photos_dedup",
        )
        before = fingerprints(database)
        script = printed_script(database)
        assert "-- REFUSED: medical_records.is_deleted: expected that to set is_deleted" in script
        ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert lost_or_changed(database, before, {}) == []
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL")

    def test_there_is_nothing_to_do(self, psql, database: Database, tmp_path):
        ran = run_script(psql, database, printed_script(database), tmp_path)
        assert (ran.returncode, ran.stderr) == (0, "")

    def test_what_is_refused_is_left_out_with_what_it_blocks(self, psql, database: Database, tmp_path):
        database.execute(
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ALTER id DROP IDENTITY",
            "UPDATE patient_photos SET id = 1",
            "ALTER TABLE medical_records ALTER values TYPE text",
            "DROP INDEX idx_medical_records_created",
        )
        script = printed_script(database)
        assert "\n-- REFUSED: " in script
        ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 0, ran.stderr
        report = json.loads(database.manage("reconcile", "--json").output)
        refused = {(refusal["table"], refusal["name"]) for refusal in report["refusals"]}
        assert {(difference["table"], difference["name"]) for difference in report["differences"]} <= refused
        assert database.manage("reconcile", "--check").status == 1

    def test_orphans_leave_the_foreign_key_not_valid_as_migrate_does(self, psql, database: Database, tmp_path):
        (name,) = database.rows(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'medical_records'::regclass AND contype = 'f'"
            " AND confrelid = 'patients'::regclass"
        )[0]
        database.execute(
            f"ALTER TABLE medical_records DROP CONSTRAINT {name}",
            "UPDATE medical_records SET patient_id = 9999 WHERE id = 2",
            "DROP INDEX idx_patient_photos_dedup",
        )
        ran = run_script(psql, database, printed_script(database), tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert database.rows("SELECT conname, convalidated FROM pg_constraint WHERE conname = %s", [name]) == [
            (name, False)
        ]
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL")

    @pytest.mark.parametrize("name", NAMES)
    def test_names_of_the_database_stay_names(self, name, psql, database: Database, expected, tmp_path):
        quoted = '"{}"'.format(name.replace('"', '""'))
        database.execute(
            f"ALTER INDEX idx_medical_records_created RENAME TO {quoted}",
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            f"ALTER TABLE patient_photos ADD CONSTRAINT {quoted.replace('idx', 'pk_')} PRIMARY KEY (id)",
            f"CREATE SEQUENCE {quoted.replace('idx', 'seq')} OWNED BY medical_records.id START 1",
            "ALTER TABLE medical_records ALTER id DROP IDENTITY",
            "ALTER TABLE medical_records ALTER id SET DEFAULT nextval({})".format(
                "'{}'".format(quoted.replace("idx", "seq").replace("'", "''"))
            ),
        )
        script = printed_script(database)
        assert "REFUSED" not in script
        ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert "was run" not in ran.stdout
        assert database.manage("reconcile", "--check").status == 0
        expected.is_declared(database, may_stay)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_refusal_stays_a_comment(self, name, psql, database: Database, tmp_path):
        """The name is in the refusal: a column of another type, a view that has a table's name."""
        quoted = '"{}"'.format(name.replace('"', '""'))
        database.execute(
            f"CREATE DOMAIN {quoted} AS text",
            f"ALTER TABLE medical_records ALTER template_name TYPE {quoted}",
            "DROP INDEX idx_patient_photos_dedup",
        )
        script = printed_script(database)
        assert "REFUSED" in script
        ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert "was run" not in ran.stdout
        assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NOT NULL")
        assert database.value("SELECT count(*) > 0 FROM patients")

    @pytest.mark.parametrize("conforming", ["on", "off"])
    def test_backslashes_are_ordinary_characters(self, conforming, psql, database: Database, tmp_path, expected):
        database.execute(
            f'ALTER DATABASE "{database.name}" SET standard_conforming_strings = {conforming}',
            r'ALTER INDEX idx_medical_records_created RENAME TO "back\slash"',
            r'CREATE SEQUENCE "s\q" OWNED BY medical_records.id START 1',
            "ALTER TABLE medical_records ALTER id DROP IDENTITY",
            r"""ALTER TABLE medical_records ALTER id SET DEFAULT nextval(E'"s\\q"')""",
        )
        converges(psql, database, expected, tmp_path)

    def test_it_stops_at_the_first_error(self, psql, database: Database, tmp_path):
        database.execute("DROP INDEX idx_medical_records_created", "ALTER TABLE patient_photos DROP COLUMN description")
        script = printed_script(database)
        database.execute("ALTER TABLE patient_photos ADD COLUMN description text")
        ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 3
        assert 'column "description" of relation "patient_photos" already exists' in ran.stderr
        assert database.value("SELECT to_regclass('idx_medical_records_created') IS NULL")

    def test_it_waits_for_locks_as_briefly_as_migrate(self, psql, database: Database, tmp_path):
        database.execute("ALTER TABLE medical_records ALTER version DROP DEFAULT")
        script = printed_script(database)
        assert "SET lock_timeout = '500ms';" in script
        with database.cursor() as cursor:
            cursor.execute("BEGIN; SELECT FROM medical_records")
            ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 3
        assert "lock timeout" in ran.stderr

    def test_it_stops_while_another_migrate_runs(self, psql, database: Database, tmp_path):
        database.execute("DROP INDEX idx_medical_records_created")
        script = printed_script(database)
        with database.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK_OF_PUBLIC})")
            ran = run_script(psql, database, script, tmp_path)
        assert ran.returncode == 3
        assert "Another migrate is running" in ran.stderr
        assert database.value("SELECT to_regclass('idx_medical_records_created') IS NULL")

    def test_the_role_s_timeouts_and_psql_s_own_settings_change_nothing(
        self, psql, database: Database, expected: Expectations, tmp_path
    ):
        database.execute(*LARGE_DAMAGE)
        script = printed_script(database)
        # The settings are those of connections to come: this one is opened before.
        with database.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE \"{database.name}\" SET statement_timeout = '1ms'")
            cursor.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_isolation = serializable')
            cursor.execute(f'ALTER DATABASE "{database.name}" SET search_path = pg_catalog')
            ran = run_script(psql, database, script, tmp_path, "--set=AUTOCOMMIT=off", "--set=ON_ERROR_ROLLBACK=on")
            cursor.execute(f'ALTER DATABASE "{database.name}" RESET ALL')
        assert ran.returncode == 0, ran.stderr
        assert database.manage("reconcile", "--check").status == 0
        expected.is_declared(database)


@pytest.mark.slow
@PROFILE
@given(damages=st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=10, unique_by=lambda damage: damage.name))
def test_any_mix_of_damages(damages: list[Damage], psql, template_with_rows: Database, tmp_path_factory):
    """The script ends without an error, and what differs then is refused, or blocked by what is."""
    with temporary_database(template_with_rows.name) as database:
        applied = [damage for damage in damages if damage.apply(database)]
        backfilled = {place: value for damage in applied for place, value in damage.backfilled.items()}
        before = fingerprints(database, backfilled)
        ran = run_script(psql, database, printed_script(database), tmp_path_factory.mktemp("script"))
        assert ran.returncode == 0, ran.stderr
        assert lost_or_changed(database, before, backfilled) == []
        report = json.loads(database.manage("reconcile", "--json").output)
        named = {place["table"] for refusal in report["refusals"] for place in (refusal, *refusal["blocked"])}
        assert {difference["table"] for difference in report["differences"]} <= named


class TestSqlmigrate:
    def test_what_it_prints_runs_under_psql(self, psql, database: Database, expected: Expectations, tmp_path):
        database.execute(*LARGE_DAMAGE)
        script = printed_script(database, "sqlmigrate", "medical_records", "0001")
        assert "SET lock_timeout = '500ms';" in script
        assert "\n\\" not in script
        assert "gset" not in script
        ran = run_script(psql, database, script, tmp_path, "--set=ON_ERROR_STOP=on")
        assert ran.returncode == 0, ran.stderr
        assert database.manage("reconcile", "--check").status == 0
        expected.is_declared(database)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_rollback_with_any_names(self, name, psql, database_without_rows: Database, tmp_path):
        quoted = '"{}"'.format(name.replace('"', '""'))
        database_without_rows.execute(f"ALTER INDEX idx_medical_records_created RENAME TO {quoted}")
        script = printed_script(database_without_rows, "sqlmigrate", "medical_records", "0001", "--backwards")
        ran = run_script(psql, database_without_rows, script, tmp_path, "--set=ON_ERROR_STOP=on")
        assert ran.returncode == 0, ran.stderr
        assert database_without_rows.value("SELECT to_regclass('patient_photos') IS NULL")
