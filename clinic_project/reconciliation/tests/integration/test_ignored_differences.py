"""RECONCILIATION["ignore"]: differences that are meant are shown, and left as they are."""

import json
from collections.abc import Iterator

import pytest
from django.test import override_settings

from ..support.databases import Database
from ..support.idempotence import assert_changes_nothing
from .conftest import TESTAPP_TABLES

MEANT = ["testapp_keeper.notes", "testapp_animal.animal_hash", "Gehege im Süden.Käfig's Name", "testapp_visit.by_hand"]

DAMAGE = (
    "ALTER TABLE testapp_keeper ALTER notes DROP NOT NULL",
    "DROP INDEX animal_hash",
    """ALTER TABLE "Gehege im Süden" ALTER "Käfig's Name" TYPE varchar(90)""",
    "CREATE INDEX by_hand ON testapp_visit (seen_at)",
)


@pytest.fixture
def meant(database: Database) -> Iterator[Database]:
    database.execute(*DAMAGE)
    with override_settings(RECONCILIATION={"apps": ["testapp"], "ignore": MEANT}):
        yield database


def test_they_stay_and_the_rest_is_repaired(meant: Database):
    meant.execute("DROP INDEX animal_brin")
    outcome = meant.migrate("testapp")
    assert outcome.status == 0, outcome.printed
    assert "build animal_brin" in outcome.output
    assert "as declared, apart from 4 differences that RECONCILIATION ignores." in outcome.output
    assert (
        "  testapp_keeper.notes: ignored, as RECONCILIATION says: expected NOT NULL, found nullable.\n"
        in outcome.output
    )
    assert meant.value("SELECT to_regclass('animal_hash') IS NULL AND to_regclass('by_hand') IS NOT NULL")
    assert_changes_nothing(meant, "testapp")


def test_reconcile_shows_them_as_notes(meant: Database):
    looked = meant.manage("reconcile", "--plan")
    assert (
        "  testapp_visit.by_hand: ignored, as RECONCILIATION says: an index that no model declares.\n" in looked.output
    )
    report = json.loads(meant.manage("reconcile", "--json").output)
    others = {found["table"] for part in ("differences", "steps", "refusals") for found in report[part]}
    assert others.isdisjoint(TESTAPP_TABLES)
    ignored = {f"{note['table']}.{note['name']}" for note in report["notes"] if note["code"] == "ignored"}
    assert ignored == set(MEANT)


def test_what_requires_a_missing_column_that_is_ignored_waits_for_it(database: Database):
    database.execute("ALTER TABLE testapp_animal DROP nickname")
    with override_settings(RECONCILIATION={"apps": ["testapp"], "ignore": ["testapp_animal.nickname"]}):
        outcome = database.migrate("testapp")
    assert outcome.status == 0, outcome.printed
    assert "found nothing. Blocked by this: testapp_animal.animal_later." in outcome.output
    assert database.value("SELECT to_regclass('animal_later') IS NULL")
