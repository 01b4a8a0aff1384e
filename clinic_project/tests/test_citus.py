"""Groups of clinics on Citus, as the page tells; and, without a cluster, what its planner must not meet.

A cluster with two workers, made as the page tells, is tried where CITUS_URL names its coordinator.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.apps import apps

from clinic_project.audit.accesses import _INSERT
from clinic_project.reconciliation.schema.declared_triggers import functions_of
from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER
from medical_records.tests.servers import environment, free_port, runserver

URL = os.environ.get("CITUS_URL", "")
on_a_cluster = [
    pytest.mark.slow,
    pytest.mark.skipif(not URL, reason="CITUS_URL names no database of a Citus cluster with two workers"),
]

PAGE = (Path(__file__).resolve().parents[1] / "GROWING.md").read_text().split("\n## Citus\n")[1]
SETTINGS, PLACES, MOVE = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[1:4]
_, JOIN = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def test_no_function_has_a_select_of_no_columns():
    """Citus can't plan EXISTS (SELECT FROM …) of its tables."""
    bodies = [function.body for app in apps.get_app_configs() for function in functions_of(app.label)]
    assert len(bodies) >= 8
    assert [body for body in bodies if re.search(r"SELECT\s+FROM", body)] == []


def test_no_setting_is_sent_in_one_query_with_a_change():
    """Citus sends its workers the whole text of the query in which a SET LOCAL is: the change would be made twice."""
    assert "INSERT" in _INSERT
    assert "SET LOCAL" not in _INSERT


class Group:
    """A group of clinics in a schema of the cluster."""

    def __init__(self, schema: str, media: Path) -> None:
        self.schema = schema
        self.environment = environment(f"{URL}?options=-csearch_path%3D{schema}", media)

    def run(self, *command: str) -> str:
        return run(self.environment, sys.executable, "manage.py", *command)

    def in_psql(self, script: str) -> None:
        done = subprocess.run(
            ["psql", "--set=ON_ERROR_STOP=1", URL], input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def number_after_the_highest(self) -> None:
        begin, _, *rest = MOVE.splitlines()
        self.in_psql("\n".join([begin, *rest]).replace("north", self.schema))

    def walk(self, log: Path) -> None:
        port = free_port()
        with runserver(self.environment, port, log):
            run(self.environment, "bash", "medical_records/api/walk.sh", f"http://127.0.0.1:{port}")
        assert "isn't in audit_accesses" not in log.read_text()


def run(variables: dict[str, str], *command: str) -> str:
    done = attempt(variables, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def attempt(variables: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=PROJECT_FOLDER, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def cluster() -> Iterator[Any]:
    with closing(psycopg2.connect(URL)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(current_database())")
            cursor.execute(SETTINGS.replace("DATABASE clinic ", f"DATABASE {cursor.fetchone()[0]} "))
    with closing(psycopg2.connect(URL)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@pytest.fixture
def schemas(cluster: Any) -> Iterator[list[str]]:
    names = [f"citus_{number}_{os.getpid()}" for number in (1, 2)]
    for name in names:
        cluster.execute(f"CREATE SCHEMA {name}")
    yield names
    for name in names:
        cluster.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


class TestACluster:
    pytestmark = on_a_cluster

    def test_a_group_works_on_one_worker_and_on_the_next(self, cluster, schemas, tmp_path):
        unplaced = environment(URL, tmp_path)
        migrated = run(unplaced, sys.executable, "manage.py", "migrate_schemas", *schemas)
        assert re.search(r"^2 schemas as declared, \d+ migrations applied", migrated, re.MULTILINE)
        again = run(unplaced, sys.executable, "manage.py", "migrate_schemas", *schemas)
        assert re.search("^2 schemas as declared$", again, re.MULTILINE), "there is nothing to do"

        cluster.execute(PLACES)
        places = {schema: (group, node, port) for schema, node, port, group in cluster.fetchall()}
        first, last = sorted(schemas, key=lambda schema: places[schema][0])
        assert places[first][0] < places[last][0], "they are on different workers"

        group = Group(first, tmp_path / "media")
        group.run("load_demo")
        self.try_all(group, tmp_path)
        # A worker with a lower number than another numbers the history's entries lower.
        self.move(cluster, group, places[last])
        self.try_all(group, tmp_path)
        self.move(cluster, group, places[first])
        self.try_all(group, tmp_path)

    def move(self, cluster: Any, group: "Group", place: tuple[int, str, int]) -> None:
        _, node, port = place
        move = MOVE.replace("north", group.schema).replace("'worker2', 5432", f"'{node}', {port}")
        assert node in move
        group.in_psql(move)
        cluster.execute(PLACES)
        assert {schema: port for schema, _, port, _ in cluster.fetchall()}[group.schema] == port
        assert "Verified" in group.run("verify_history")

    def test_a_worker_that_numbers_from_its_first_again_goes_on_after_the_highest(self, cluster, schemas, tmp_path):
        cluster.execute("SHOW is_superuser")
        if cluster.fetchone() != ("on",):
            pytest.skip("only a superuser may synchronize a worker's metadata")
        group = Group(schemas[0], tmp_path / "media")
        group.run("migrate")
        group.run("load_demo")
        cluster.execute(PLACES)
        [(node, port)] = [(node, port) for schema, node, port, _ in cluster.fetchall() if schema == schemas[0]]
        change = f"UPDATE {schemas[0]}.patients SET notes = 'moved'"
        cluster.execute("SELECT start_metadata_sync_to_node(%s, %s)", [node, port])
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cluster.execute(change)
        group.number_after_the_highest()
        cluster.execute(change)
        assert "Sealed" in group.run("seal_history")
        assert "Verified" in group.run("verify_history")

    def try_all(self, group: Group, folder: Path) -> None:
        group.walk(folder / "log")
        assert "Sealed" in group.run("seal_history")
        for command in ("verify_history", "verify_records", "purge_trash"):
            group.run(command)
        assert "The schema is as declared" in group.run("reconcile", "--check")

    def test_what_was_damaged_is_mended(self, cluster, schemas, tmp_path):
        group = Group(schemas[0], tmp_path / "media")
        group.run("migrate")
        group.run("load_demo")
        for damage in (
            "DROP INDEX {}.idx_patients_name",
            "ALTER TABLE {}.patients DROP COLUMN notes",
            'DROP TRIGGER "00_patients_history" ON {}.patients',
            "SELECT setval('{}.patients_id_seq', 2)",
        ):
            cluster.execute(damage.format(schemas[0]))
        assert "Schema verified" in group.run("migrate")
        cluster.execute(f"SELECT max(id) FROM {schemas[0]}.patients")
        [(highest,)] = cluster.fetchall()
        cluster.execute(f"SELECT nextval('{schemas[0]}.patients_id_seq')")
        assert cluster.fetchall() == [(highest + 1,)]

    def test_nulls_are_filled_in_batches(self, cluster, schemas, tmp_path):
        group = Group(schemas[0], tmp_path / "media")
        group.run("migrate")
        group.run("load_demo")
        # Of a table with triggers, and of one without.
        nulls = {"patients": "is_deleted", "users": "is_staff"}
        for table, column in nulls.items():
            cluster.execute(f"ALTER TABLE {schemas[0]}.{table} ALTER COLUMN {column} DROP NOT NULL")
            cluster.execute(f"UPDATE {schemas[0]}.{table} SET {column} = NULL WHERE id % 2 = 0")
            assert cluster.rowcount > 1
        migrated = group.run("migrate")
        for table, column in nulls.items():
            assert f"{table}: set {column} to false where it is NULL, in batches" in migrated
        assert "Schema verified" in migrated
        assert "Every recorded row is as its history says" in group.run("verify_history")

    def test_keys_cant_be_widened(self, cluster, schemas, tmp_path):
        """What that leaves is dropped as the engine's page says, and then all is as it was."""
        group = Group(schemas[0], tmp_path / "media")
        group.run("migrate")
        group.run("load_demo")
        refused = attempt(group.environment, sys.executable, "manage.py", "widen_keys", "patient_photos.id")
        assert "patient_photos.id [statement-failed]" in refused.stderr
        columns = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attname LIKE 'reconcile_wide_%%'"
        cluster.execute(columns, [f"{schemas[0]}.patient_photos"])
        for (column,) in cluster.fetchall():
            cluster.execute(f"ALTER TABLE {schemas[0]}.patient_photos DROP COLUMN {column} CASCADE")
        functions = (
            "SELECT proname FROM pg_proc WHERE pronamespace = %s::regnamespace AND proname LIKE 'reconcile_wide_%%'"
        )
        cluster.execute(functions, [schemas[0]])
        for (function,) in cluster.fetchall():
            cluster.execute(f"DROP FUNCTION {schemas[0]}.{function} CASCADE")
        assert "The schema is as declared" in group.run("reconcile", "--check")

    def test_a_group_with_a_server_of_its_own_joins(self, cluster, schemas, tmp_path):
        """Its entries have a worker's numbers: it was in a cluster before."""
        name = schemas[0]
        group = Group(name, tmp_path / "media")
        group.run("migrate")
        group.run("load_demo")
        assert "Sealed" in group.run("seal_history")
        variables = {**group.environment, "DATABASE_URL": URL, "NEW_DATABASE_URL": URL}
        run(variables, "pg_dump", "--format=custom", f"--schema={name}", f"--file={tmp_path / name}.dump", URL)
        cluster.execute(f"DROP SCHEMA {name} CASCADE")

        commands = re.sub(r"\bnorth\b", name, re.sub(r"^ *\$ ", "", JOIN, flags=re.MULTILINE))
        commands = commands.replace("python manage.py", f"{sys.executable} {PROJECT_FOLDER / 'manage.py'}")
        run(variables, "bash", "-ec", f"cd {tmp_path}\n{commands}")
        cluster.execute(PLACES)
        assert name in {schema for schema, *_ in cluster.fetchall()}
        cluster.execute(
            "SELECT sum(pg_relation_size(logicalrelid)) FROM pg_dist_partition WHERE logicalrelid::text LIKE %s",
            [f"{name}.%"],
        )
        assert cluster.fetchone() == (0,), "the coordinator has no rows of it"
        group.number_after_the_highest()
        assert "Verified" in group.run("verify_history")
        self.try_all(group, tmp_path)
