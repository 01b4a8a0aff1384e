"""A standby is attached: what waits there for a repair, and that it is said."""

import contextlib
import json
import subprocess
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import errors

from clinic_project.reconciliation.tests.support.remedies import has_met, tries
from clinic_project.reconciliation.tests.support.waiting import wait_until

from ..standbys import PRIMARY, STANDBY, Pair, running_pair

pytestmark = pytest.mark.slow

READYZ = """
import django; django.setup()
from django.test import Client
response = Client(headers={"host": "localhost"}).get("/readyz")
print(response.status_code, response.content.decode())
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def waits(cursor: psycopg2.extensions.cursor) -> bool:
    """Whether a reader has to, as one does once the replay has come to the change."""
    try:
        cursor.execute("SELECT count(*) FROM medical_records")
    except errors.QueryCanceled:
        return True
    return False


def test_nothing_is_noted_where_nothing_is_changed(pair: Pair):
    assert "standby" not in pair.run(PRIMARY, "manage.py", "migrate").printed
    pair.execute("DROP INDEX idx_medical_records_created")  # a new one blocks no reader anywhere
    outcome = pair.run(PRIMARY, "manage.py", "migrate")
    assert outcome.status == 0
    assert "standby" not in outcome.printed


def test_readers_on_the_standby_wait_for_a_repair_and_it_is_noted(pair: Pair):
    pair.execute("ALTER TABLE medical_records ALTER version DROP DEFAULT")
    pair.wait_for_replay()
    report = json.loads(pair.run(PRIMARY, "manage.py", "reconcile", "--json").output)
    assert [note["code"] for note in report["notes"]] == ["standby"]
    with contextlib.closing(pair.connect(STANDBY)) as first, first.cursor() as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM medical_records")
        outcome = pair.run(PRIMARY, "manage.py", "migrate")
        assert outcome.status == 0, outcome.printed
        assert "clinic: a standby is attached (" in outcome.output
        assert "max_standby_streaming_delay" in outcome.output
        with contextlib.closing(pair.connect(STANDBY)) as second, second.cursor() as waiting:
            waiting.execute("SET statement_timeout = '2s'")
            wait_until(lambda: waits(waiting))
        reading.execute("COMMIT")
    pair.wait_for_replay()
    with contextlib.closing(pair.connect(STANDBY)) as made, made.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM medical_records")
        assert cursor.fetchone() == (0,)
    again = pair.run(PRIMARY, "manage.py", "migrate")
    assert again.status == 0
    assert "standby" not in again.printed


def test_a_logical_subscriber_is_no_standby(pair: Pair):
    pair.execute("ALTER TABLE medical_records ALTER version DROP DEFAULT")
    pair.execute("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')", user="postgres")
    pair.execute("CREATE PUBLICATION theirs FOR ALL TABLES", user="postgres")
    options = ("--option=proto_version=1", "--option=publication_names=theirs", "--no-loop", "--file=/dev/null")
    where = (f"--host={pair.folder}", "--username=postgres", "--dbname=clinic", "--slot=theirs")
    subscriber = subprocess.Popen([str(pair.programs / "pg_recvlogical"), *where, *options, "--start"])
    try:
        # Both are there, and their states are hidden from this role.
        seen = "SELECT count(*), count(state) FROM pg_stat_replication"
        wait_until(lambda: pair.rows(PRIMARY, seen) == [(2, 0)])
        (note,) = json.loads(pair.run(PRIMARY, "manage.py", "reconcile", "--json").output)["notes"]
        assert note["text"].startswith("a standby is attached (")
    finally:
        subscriber.terminate()
        subscriber.wait()
        pair.execute("SELECT pg_drop_replication_slot('theirs')", "DROP PUBLICATION theirs", user="postgres")
    assert pair.run(PRIMARY, "manage.py", "migrate").status == 0


@tries("a standby")
def test_the_standby_itself_is_refused_and_not_ready(pair: Pair):
    for command in (("migrate",), ("reconcile", "--check"), ("reconcile", "--json")):
        outcome = pair.run(STANDBY, "manage.py", *command)
        assert outcome.status == 1
        assert "found a read-only standby" in outcome.errors
    has_met("a standby", json.loads(outcome.output)["refusals"])
    answer = pair.run(STANDBY, "-c", READYZ).output
    assert answer.startswith("503")
    assert "read-only standby" in answer
    assert pair.run(PRIMARY, "manage.py", "migrate").status == 0
    assert pair.run(PRIMARY, "-c", READYZ).output.startswith('200 {"status": "ready", "degraded": false')
