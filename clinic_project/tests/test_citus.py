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
        cluster.execute(f"DROP SCHEMA {name} CASCADE")


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

        _, node, port = places[last]
        move = MOVE.replace("'north'", f"'{first}'").replace("'worker2', 5432", f"'{node}', {port}")
        assert first in move
        assert node in move
        cluster.execute(move)
        cluster.execute(PLACES)
        assert {schema: port for schema, _, port, _ in cluster.fetchall()}[first] == port
        assert "Verified" in group.run("verify_history")
        self.try_all(group, tmp_path)

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

    def test_nulls_are_refused_and_filled_by_hand(self, cluster, schemas, tmp_path):
        group = Group(schemas[0], tmp_path / "media")
        group.run("migrate")
        group.run("load_demo")
        [by_hand] = re.findall(r"`(UPDATE north\..*?)`", PAGE)
        table, column, value = re.findall(r"north\.(\w+) SET (\w+) = (\w+) ", by_hand)[0]
        cluster.execute(f"ALTER TABLE {schemas[0]}.{table} ALTER COLUMN {column} DROP NOT NULL")
        cluster.execute(f"UPDATE {schemas[0]}.{table} SET {column} = NULL WHERE {column} = {value} AND id % 2 = 0")
        refused = attempt(group.environment, sys.executable, "manage.py", "migrate")
        assert refused.returncode == 1
        assert f"{table}.{column} [nulls-kept]" in refused.stderr
        cluster.execute(by_hand.replace("north.", f"{schemas[0]}."))
        assert "Schema verified" in group.run("migrate")
