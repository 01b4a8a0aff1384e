"""Groups of clinics in schemas of one database, each named alone on the search path, and `migrate_schemas` for them all."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from psycopg2.errors import InsufficientPrivilege

from clinic_project.reconciliation.execution.migration_lock import MIGRATION_LOCK
from clinic_project.reconciliation.tests.support.catalog import read_catalog
from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database, Outcome, temporary_database
from clinic_project.reconciliation.tests.support.profiles import NIGHTLY
from clinic_project.reconciliation.tests.support.roles import give_all_in, role_of
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .outcomes import Expectations
from .sessions import held, waiting_for_migrate
from .tables import TABLES

pytestmark = pytest.mark.slow

SCHEMAS = ("east", "north", "south", "we st")

#: Damages of one schema, `{}`: one that is repaired, and one that is refused.
REPAIRED = 'ALTER TABLE "{}".medical_records ALTER version DROP DEFAULT'
REFUSED = 'ALTER TABLE "{}".patient_photos ALTER description TYPE integer USING 0'


@pytest.fixture(scope="module")
def template(unblocked: None) -> Iterator[Database]:
    """Four schemas, each migrated from empty."""
    with temporary_database() as made:
        make_schemas(made, SCHEMAS)
        yield made


@pytest.fixture
def database(copy_of: Callable[[Database], Database], template: Database) -> Database:
    return copy_of(template)


def make_schemas(database: Database, names: tuple[str, ...]) -> Outcome:
    """Make schemas as the README says it: CREATE SCHEMA, then their names."""
    database.execute(*(f'CREATE SCHEMA "{name}"' for name in names))
    outcome = run(database, "--jobs", "2", *names)
    assert outcome.status == 0, outcome.printed
    return outcome


def run(database: Database, *arguments: str) -> Outcome:
    return ended(database.start("migrate_schemas", *arguments))


def ended(process: "subprocess.Popen[str]") -> Outcome:
    output, errors = process.communicate(timeout=900)
    return Outcome(process.returncode, output, errors)


def manage_in(database: Database, schema: str, *arguments: str) -> Outcome:
    """Run `manage.py` as a group of clinics is named in DATABASE_URL."""
    url = f"{database.url}&options=-csearch_path={schema}"
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": "only for tests " * 4}
    command = [sys.executable, "manage.py", *arguments]
    ran = subprocess.run(command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, check=False)
    return Outcome(ran.returncode, ran.stdout, ran.stderr)


def reported(database: Database, *arguments: str) -> dict[str, dict]:
    """Return what `migrate_schemas --json` says of each schema."""
    return {found["schema"]: found for found in json.loads(run(database, "--json", *arguments).output)["schemas"]}


def are_declared(database: Database, expected: Expectations, *schemas: str) -> None:
    for schema in schemas:
        assert read_catalog(database, TABLES, schema) == expected.clean


def migration_lock(schema: str) -> str:
    return f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK}, '\"{schema}\"'::regnamespace::oid::int)"


@contextlib.contextmanager
def two_waiting(database: Database) -> Iterator["subprocess.Popen[str]"]:
    """Migrate all, two at a time, and hold what the first two wait for."""
    with contextlib.ExitStack() as locks:
        for name in SCHEMAS[:2]:
            locks.enter_context(held(database, migration_lock(name)))
        process = database.start("migrate_schemas", "--jobs", "2")
        wait_until(lambda: waiting_for_migrate(database) == 2)
        yield process


def migrating(database: Database) -> int:
    """Return how many sessions migrate."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'manage.py migrate'"
    return int(database.value(query, [database.name]))


class TestReport:
    def test_nothing_to_do_is_one_line(self, database: Database, expected: Expectations):
        outcome = run(database)
        assert outcome.status == 0
        assert "\n4 schemas as declared\n" in outcome.output
        assert len(outcome.output.splitlines()) == 3
        assert outcome.errors == ""
        are_declared(database, expected, *SCHEMAS)

    def test_equal_outcomes_are_told_together(self, database: Database, expected: Expectations):
        database.execute(
            *(REPAIRED.format(name) for name in SCHEMAS[:3]), *(REFUSED.format(name) for name in SCHEMAS[2:])
        )
        outcome = run(database)
        assert outcome.status == 1
        assert "2 schemas as declared, 1 step of repairs (east, north)" in outcome.output
        assert "1 schema not as declared, 1 step of repairs (south)" in outcome.output
        assert "1 schema not as declared (we st)" in outcome.output
        assert outcome.output.count("patient_photos.description [column-type]") == 2
        assert "Traceback" not in outcome.printed
        are_declared(database, expected, "east", "north")

        found = reported(database)
        assert [found[name]["status"] for name in SCHEMAS] == ["verified", "verified", "refused", "refused"]
        for name in SCHEMAS[2:]:
            assert f'"{name}"."patient_photos"' in found[name]["refusals"][0]["statements"][0]
            database.execute(*found[name]["refusals"][0]["statements"])
        again = outcome.errors.strip().rpartition("manage.py ")[2]
        assert again == "migrate_schemas south 'we st'"
        assert run(database, "south", "we st").status == 0
        are_declared(database, expected, *SCHEMAS)

    def test_equal_refusals_are_told_in_the_words_of_the_first(self, database: Database):
        database.execute(*(REFUSED.format(name) for name in SCHEMAS[1:]))
        outcome = run(database)
        assert "3 schemas not as declared (north, south, we st)\n  In north (the statements" in outcome.output
        assert outcome.output.count("[column-type]") == 1

    def test_a_schema_that_the_role_may_not_use(self, database: Database):
        with role_of(database) as other:
            role = other.role["user"]
            for name in SCHEMAS:
                database.execute(
                    give_all_in(name, role),
                    f'GRANT USAGE, CREATE ON SCHEMA "{name}" TO {role}',
                )
            database.execute(f"REVOKE ALL ON SCHEMA north FROM {role}")
            outcome = run(other)
            assert outcome.status == 1
            assert "3 schemas as declared\n" in outcome.output
            assert "1 schema not as declared (north)" in outcome.output
            assert "[may-not-use]" in outcome.output

    def test_a_database_without_this_project(self, empty_database: Database):
        outcome = run(empty_database)
        assert outcome.status == 1
        assert outcome.errors == (
            "CommandError: Found no schema that holds this project."
            " To make one: CREATE SCHEMA, then name it: migrate_schemas NAME.\n"
        )

    def test_a_schema_that_does_not_exist(self, database: Database):
        outcome = run(database, "nowhere", "east")
        assert (outcome.status, outcome.output) == (1, "")
        assert 'Found no schema nowhere. Make it first: CREATE SCHEMA "nowhere".' in outcome.errors

    def test_other_projects_are_left_alone(self, database: Database):
        database.execute(
            "CREATE SCHEMA shop",
            "CREATE TABLE shop.django_migrations (id bigint PRIMARY KEY)",
            "CREATE TABLE shop.auth_user (id integer PRIMARY KEY)",
        )
        outcome = run(database)
        assert outcome.status == 0
        assert "Left out, since its django_migrations is another project's: shop." in outcome.output
        assert (
            database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'")
            == 2
        )


class TestMeanwhile:
    def test_a_schema_is_migrated_beside_another_one(self, database: Database):
        with held(database, migration_lock("north")):
            assert run(database, "east", "south").status == 0
            process = database.start("migrate_schemas", "north")
            wait_until(lambda: waiting_for_migrate(database))
            assert process.poll() is None
        outcome = ended(process)
        assert outcome.status == 0
        assert "    north: Waiting for another migrate to end: pid " in outcome.output

    def test_its_sessions_are_ended(self, database: Database):
        with two_waiting(database) as process:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'manage.py migrate'"
            )
            outcome = ended(process)
        assert outcome.status == 1
        assert (
            "2 schemas without a connection (east, north)\n  In east:\n  The connection to the database was lost"
            in (outcome.output)
        )
        assert "run migrate again" not in outcome.printed.lower()
        assert outcome.errors.endswith("Do what is told above, then run: manage.py migrate_schemas east north\n")

    def test_one_is_renamed(self, database: Database, expected: Expectations):
        """It is gone by its old name, and migrated by its new one."""
        database.execute(REPAIRED.format("north"))
        with held(database, migration_lock("north")):
            process = database.start("migrate_schemas")
            wait_until(lambda: waiting_for_migrate(database) == 1)
            database.execute("ALTER SCHEMA north RENAME TO northern")
        outcome = ended(process)
        assert outcome.status == 0, outcome.printed
        assert "1 schema gone: dropped meanwhile (north)" in outcome.output
        # Functions name their schema: they are replaced.
        assert re.search(r"1 schema as declared, \d+ steps of repairs \(northern\)", outcome.output)
        are_declared(database, expected, "northern")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_is_interrupted(self, number: signal.Signals, database: Database, expected: Expectations):
        database.execute(*(REPAIRED.format(name) for name in SCHEMAS))
        with two_waiting(database) as process:
            os.kill(process.pid, number)
            outcome = ended(process)
        assert outcome.status == 130, outcome.printed
        assert "2 schemas interrupted: what is done there stays (east, north)" in outcome.output
        assert "2 schemas not begun (south, we st)" in outcome.output
        assert outcome.errors == "Interrupted. What is done stays; run migrate_schemas again.\n"
        wait_until(lambda: migrating(database) == 0)
        assert run(database).status == 0
        are_declared(database, expected, *SCHEMAS)

    def test_one_of_its_processes_is_killed(self, database: Database):
        with held(database, migration_lock("east")):
            process = database.start("migrate_schemas")
            wait_until(lambda: len(psutil.Process(process.pid).children()) == 1 and migrating(database) == 1)
            psutil.Process(process.pid).children()[0].kill()
            outcome = ended(process)
        assert outcome.status == 1
        assert "1 schema failed (east)\n  Its process ended without a word, with the exit status -9." in outcome.output
        assert "3 schemas as declared" in outcome.output

    def test_more_jobs_than_connections(self, database: Database):
        """Those that get none wait for the others. Where nobody gets one, it ends."""
        with role_of(database) as owner:
            role = owner.role["user"]
            database.execute(*(f'ALTER SCHEMA "{name}" OWNER TO {role}' for name in SCHEMAS))
            database.execute(
                *(give_all_in(name, role) for name in SCHEMAS), *(REPAIRED.format(name) for name in SCHEMAS)
            )
            database.execute(f"ALTER ROLE {role} CONNECTION LIMIT 2")
            outcome = run(owner, "--jobs", "4")
            assert outcome.status == 0, outcome.printed
            assert "4 schemas as declared, 1 step of repairs" in outcome.output
            assert "no connection; it is tried again" in outcome.output


class TestGroupsOfClinics:
    """What GROWING.md says of them."""

    @pytest.fixture(autouse=True)
    def password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLINIC_PASSWORD", "correct-horse-battery")

    def test_a_group_sees_its_own_clinics_alone(self, database: Database):
        with_clinic(database, "north", "Harbour Street")
        with_clinic(database, "south", "Hill Road")
        assert database.rows("SELECT name FROM north.clinics") == [("Harbour Street",)]
        assert database.rows("SELECT name FROM south.clinics") == [("Hill Road",)]
        assert database.value("SELECT count(*) FROM north.audit_history") > 0
        for schema in ("north", "south"):
            verified = manage_in(database, schema, "verify_history")
            assert verified.status == 0, verified.printed

    def test_a_role_names_the_group(self, database: Database):
        """As behind PgBouncer, which takes no options."""
        with role_of(database) as other:
            role = other.role["user"]
            tables, sequences = "ALL TABLES IN SCHEMA north", "ALL SEQUENCES IN SCHEMA north"
            database.execute(
                f"ALTER ROLE {role} SET search_path = north",
                f"GRANT USAGE ON SCHEMA north TO {role}",
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}",
                f"GRANT USAGE, SELECT ON {sequences} TO {role}",
            )
            made = other.run(*CREATE_CLINIC, "Harbour Street")
            assert made.status == 0, made.printed
            with pytest.raises(InsufficientPrivilege):
                other.rows("SELECT name FROM south.clinics")
        assert database.rows("SELECT name FROM north.clinics") == [("Harbour Street",)]

    def test_a_group_moves_to_another_server(
        self, database: Database, empty_database: Database, tmp_path: Path, expected: Expectations
    ):
        folder = Path(database.value("SELECT setting FROM pg_config WHERE name = 'BINDIR'"))
        if not (folder / "pg_dump").exists():
            pytest.skip(f"no pg_dump in {folder}")
        with_clinic(database, "north", "Harbour Street")
        dump = [str(folder / "pg_dump"), "--format=custom", "--schema=north", database.url]
        restore = [str(folder / "pg_restore"), "--exit-on-error", f"--dbname={empty_database.url}"]
        with (tmp_path / "dump").open("wb") as output:
            subprocess.run(dump, stdout=output, check=True)
        subprocess.run([*restore, str(tmp_path / "dump")], check=True)
        outcome = run(empty_database)
        assert outcome.status == 0, outcome.printed
        assert "\n1 schema as declared\n" in outcome.output
        are_declared(empty_database, expected, "north")
        assert empty_database.rows("SELECT name FROM north.clinics") == [("Harbour Street",)]
        verified = manage_in(empty_database, "north", "verify_history")
        assert verified.status == 0, verified.printed


CREATE_CLINIC = ("create_clinic", "--email", "amara@clinic.example", "--full-name", "Amara")


def with_clinic(database: Database, schema: str, name: str) -> None:
    made = manage_in(database, schema, *CREATE_CLINIC, name)
    assert made.status == 0, made.printed


#: A hundred take minutes to make.
NUMBER = 100 if NIGHTLY else 20


class TestManySchemas:
    """What each says stays short, and each is repaired."""

    def test_they_are_many(self, empty_database: Database, expected: Expectations):
        names = tuple(f"group_{number:03}" for number in range(NUMBER))
        made = make_schemas(empty_database, names)
        assert len(made.output.splitlines()) < 200  # a line each 10 s
        repaired, refused = names[:12], names[14:17]
        empty_database.execute(
            *(REPAIRED.format(name) for name in repaired), *(REFUSED.format(name) for name in refused)
        )
        outcome = run(empty_database, "--jobs", "2")
        assert outcome.status == 1
        assert f"{NUMBER - 15} schemas as declared\n" in outcome.output
        assert "12 schemas as declared, 1 step of repairs (group_000, " in outcome.output
        assert "group_009, and 2 more)" in outcome.output
        assert "3 schemas not as declared (group_014, group_015, group_016)" in outcome.output
        assert len([line for line in outcome.output.splitlines() if "at work" not in line]) < 20
        are_declared(empty_database, expected, *repaired[::5], names[-1])

        for schema, status in (("group_013", 0), ("nowhere", 1)):
            alone = manage_in(empty_database, schema, "migrate")
            assert alone.status == status, alone.printed
            assert len(alone.printed.splitlines()) < 10
            assert max(map(len, alone.printed.splitlines())) < 300
