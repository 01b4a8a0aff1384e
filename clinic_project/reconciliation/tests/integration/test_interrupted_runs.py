"""After a `migrate` that was killed before or after any statement of a repair, the next one converges."""

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest

from ..support.catalog import Catalog, foreign_key
from ..support.databases import Database, drop_database, temporary_database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from ..support.interruptions import (
    Statement,
    killed_at_statement,
    moments_to_kill_at,
    recorded_statements,
    session_ended,
    session_ended_after_lock_timeout,
)
from .conftest import TESTAPP_TABLES
from .test_repairs import is_declared

pytestmark = pytest.mark.slow  # each kills a run at many places

#: One of every kind of difference that can be repaired with rows in the table.
DAMAGE = (
    "DROP TABLE testapp_visit",
    "ALTER TABLE testapp_animal DROP mood, DROP nickname, DROP facts",
    "ALTER TABLE testapp_animal ALTER is_alive DROP NOT NULL, ALTER is_alive DROP DEFAULT, ALTER legs SET DEFAULT 2",
    "UPDATE testapp_animal SET is_alive = NULL WHERE is_alive",
    "ALTER TABLE testapp_animal ALTER born SET NOT NULL, ALTER id DROP IDENTITY",
    "ALTER TABLE testapp_keeper ALTER hired_at SET DEFAULT 'now()', ALTER name TYPE varchar(80)",
    "ALTER TABLE testapp_keeper ALTER id SET GENERATED ALWAYS",
    """ALTER TABLE "Gehege im Süden" ALTER "Käfig's Name" DROP NOT NULL""",
    """SELECT setval(pg_get_serial_sequence('"Gehege im Süden"', 'id'), 1)""",
    'ALTER TABLE "Pfleger & Gehege" DROP CONSTRAINT "Pfleger & Gehege_pkey"',
    "DROP INDEX animal_covering, animal_expression, animal_partial, animal_unique_expression",
    "CREATE INDEX animal_partial ON testapp_animal (species)",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'animal_brin'::regclass",
    "ALTER INDEX animal_hash RENAME TO hashed",
    'ALTER INDEX "Gehege nach Größe" RENAME TO aside',
    "ALTER TABLE testapp_animal DROP CONSTRAINT animal_composite, DROP CONSTRAINT animal_legs",
    "ALTER TABLE testapp_animal DROP CONSTRAINT animal_deferred",
    "ALTER TABLE testapp_animal ADD CONSTRAINT animal_deferred UNIQUE (mother_id, born)",
    "ALTER TABLE testapp_animal DROP CONSTRAINT animal_weight, ADD CONSTRAINT animal_weight CHECK (weight > -5) NOT VALID",
    'ALTER TABLE "Gehege im Süden" RENAME CONSTRAINT "ein Name" TO "kein Name"',
)
BACKFILLED = {"testapp_animal.is_alive": "true"}


def damage_foreign_keys(database: Database) -> None:
    """Damage four foreign keys: one is missing, one is ON DELETE CASCADE, one NOT DEFERRABLE, one NOT VALID."""
    deputy, twin = (
        foreign_key(database, "testapp_keeper", "deputy_of_id"),
        foreign_key(database, "testapp_animal", "twin_id"),
    )
    mother, place = (foreign_key(database, "testapp_animal", column) for column in ("mother_id", "enclosure_id"))
    database.execute(
        f'ALTER TABLE testapp_keeper DROP CONSTRAINT "{deputy}"',
        f'ALTER TABLE testapp_animal ALTER CONSTRAINT "{twin}" NOT DEFERRABLE',
        f'ALTER TABLE testapp_animal DROP CONSTRAINT "{mother}", DROP CONSTRAINT "{place}"',
        f'ALTER TABLE testapp_animal ADD CONSTRAINT "{place}" FOREIGN KEY (enclosure_id) REFERENCES "Gehege im Süden" '
        "ON DELETE CASCADE",
        "ALTER TABLE testapp_animal ADD CONSTRAINT theirs FOREIGN KEY (mother_id) REFERENCES testapp_animal NOT VALID",
    )


@pytest.fixture(scope="package")
def damaged_template(testapp_template: Database) -> Iterator[Database]:
    with temporary_database(testapp_template.name) as template:
        damage_foreign_keys(template)
        # Else an autovacuum might change the number of blocks, and so of batches, while the tests run.
        template.execute(*DAMAGE, "VACUUM ANALYZE")
        yield template


@pytest.fixture(scope="package")
def steps(damaged_template: Database) -> list[Statement]:
    """The statements of the whole repair: those of the shorter of two, since one may have tried again for a lock."""
    return min(_recorded(damaged_template), _recorded(damaged_template), key=len)


def _recorded(damaged_template: Database) -> list[Statement]:
    with temporary_database(damaged_template.name) as database:
        with recorded_statements() as statements:
            assert database.migrate("testapp").status == 0
        return statements


def test_the_repair_has_every_kind_of_step(steps: list[Statement]):
    for kind in (
        "CREATE TABLE",
        "ADD COLUMN",
        "SET DEFAULT",
        "UPDATE",
        "SET NOT NULL",
        "DROP NOT NULL",
        "ADD GENERATED",
        "SET GENERATED",
        "setval|RESTART",
        "TYPE",
        "CREATE INDEX CONCURRENTLY",
        "CREATE UNIQUE INDEX CONCURRENTLY",
        "USING INDEX",
        "ALTER INDEX .* RENAME",
        "DROP INDEX CONCURRENTLY",
        "NOT VALID",
        "VALIDATE CONSTRAINT",
        "ALTER CONSTRAINT",
        "RENAME CONSTRAINT",
        "DROP CONSTRAINT",
    ):
        assert any(re.search(kind, step.sql) for step in steps), kind


def test_killed_at_every_statement(
    steps: list[Statement], damaged_template: Database, copy_of: Callable[[Database], Database], declared: Catalog
):
    """It is killed before or after each statement, in a fresh database each time."""
    before = fingerprints(damaged_template, BACKFILLED)
    for number, moment in moments_to_kill_at(steps):
        database = copy_of(damaged_template)
        with killed_at_statement(number, moment) as interrupted:
            outcome = database.migrate("testapp")
        assert interrupted, f"it ended before the {number}th of {len(steps)} statements:\n{outcome.printed}"
        outcome = database.migrate("testapp")
        assert outcome.status == 0, (moment, interrupted, outcome.printed)
        assert lost_or_changed(database, before, BACKFILLED) == [], interrupted
        is_declared(database, declared)
        drop_database(database)


def test_killed_again_and_again(
    damaged_template: Database, copy_of: Callable[[Database], Database], declared: Catalog, steps: list[Statement]
):
    """It is killed again and again, each time some statements further."""
    database = copy_of(damaged_template)
    before = fingerprints(database, BACKFILLED)
    for number in range(len(steps)):
        with killed_at_statement(2 + number % 5, "before") as interrupted:
            database.migrate("testapp")
        if not interrupted:
            break
    assert database.migrate("testapp").status == 0
    is_declared(database, declared)
    assert lost_or_changed(database, before, BACKFILLED) == []
    assert_changes_nothing(database, "testapp")


@pytest.mark.parametrize("number", [1, 7, 19, 31, 43])
def test_the_server_ends_the_session(
    number: int, damaged_template: Database, copy_of: Callable[[Database], Database], declared: Catalog
):
    """By pg_terminate_backend or a restart: `migrate` says so in a sentence, and the next run goes on."""
    database = copy_of(damaged_template)
    before = fingerprints(database, BACKFILLED)
    with session_ended(before=number) as interrupted:
        outcome = database.migrate("testapp")
    assert interrupted
    assert outcome.status != 0
    assert "connection" in outcome.errors
    assert database.migrate("testapp").status == 0
    is_declared(database, declared)
    assert lost_or_changed(database, before, BACKFILLED) == []


def test_the_server_ends_the_session_while_it_waits_for_a_lock(
    damaged_template: Database, copy_of: Callable[[Database], Database], declared: Catalog
):
    """The session held the migration lock: what was to be tried again is left to the next run."""
    database = copy_of(damaged_template)
    before = fingerprints(database, BACKFILLED)
    with contextlib.closing(database.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE testapp_keeper IN ACCESS SHARE MODE")
        with session_ended_after_lock_timeout() as interrupted:
            outcome = database.migrate("testapp")
        assert interrupted
        assert outcome.status == 1
        assert "Run migrate again" in outcome.errors
        cursor.execute("ROLLBACK")
    assert database.migrate("testapp").status == 0
    is_declared(database, declared)
    assert lost_or_changed(database, before, BACKFILLED) == []


def test_every_table_is_damaged(damaged_template: Database, declared: Catalog):
    """Otherwise the tests above would test less than they say."""
    with pytest.raises(AssertionError) as failure:
        is_declared(damaged_template, declared)
    assert all(table in str(failure.value) for table in TESTAPP_TABLES)
