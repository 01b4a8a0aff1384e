"""Killed before or after any statement of a repair, the next `migrate` converges."""

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError

from ..support.catalog import Catalogue, foreign_key
from ..support.databases import Database, create_database, drop_database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from ..support.interruptions import Killed, Statement, counted, dying_at, session_ended, session_ended_by_refusal
from ..support.profiles import NIGHTLY
from .conftest import ZOO_TABLES
from .test_any_models import is_declared

#: One of every kind of difference that can be repaired with rows in the table.
DAMAGE = (
    "DROP TABLE zoo_visit",
    "ALTER TABLE zoo_animal DROP mood, DROP nickname, DROP facts",
    "ALTER TABLE zoo_animal ALTER is_alive DROP NOT NULL, ALTER is_alive DROP DEFAULT, ALTER legs SET DEFAULT 2",
    "UPDATE zoo_animal SET is_alive = NULL WHERE is_alive",
    "ALTER TABLE zoo_animal ALTER born SET NOT NULL, ALTER id DROP IDENTITY",
    "ALTER TABLE zoo_keeper ALTER hired_at SET DEFAULT 'now()', ALTER name TYPE varchar(80)",
    "ALTER TABLE zoo_keeper ALTER id SET GENERATED ALWAYS",
    """ALTER TABLE "Gehege im Süden" ALTER "Käfig's Name" DROP NOT NULL""",
    """SELECT setval(pg_get_serial_sequence('"Gehege im Süden"', 'id'), 1)""",
    'ALTER TABLE "Pfleger & Gehege" DROP CONSTRAINT "Pfleger & Gehege_pkey"',
    "DROP INDEX zoo_covering, zoo_expression, zoo_partial, zoo_unique_expression",
    "CREATE INDEX zoo_partial ON zoo_animal (species)",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zoo_brin'::regclass",
    "ALTER INDEX zoo_hash RENAME TO hashed",
    'ALTER INDEX "Gehege nach Größe" RENAME TO aside',
    "ALTER TABLE zoo_animal DROP CONSTRAINT zoo_composite, DROP CONSTRAINT zoo_legs, DROP CONSTRAINT zoo_deferred",
    "ALTER TABLE zoo_animal ADD CONSTRAINT zoo_deferred UNIQUE (mother_id, born)",
    "ALTER TABLE zoo_animal DROP CONSTRAINT zoo_weight, ADD CONSTRAINT zoo_weight CHECK (weight > -5) NOT VALID",
    'ALTER TABLE "Gehege im Süden" RENAME CONSTRAINT "ein Name" TO "kein Name"',
)
FILLED = {"zoo_animal.is_alive": "true"}


def damage_foreign_keys(database: Database) -> None:
    """One is missing, one deletes in cascade, one can't be deferred, one isn't validated."""
    deputy, twin = foreign_key(database, "zoo_keeper", "deputy_of_id"), foreign_key(database, "zoo_animal", "twin_id")
    mother, place = (foreign_key(database, "zoo_animal", column) for column in ("mother_id", "enclosure_id"))
    database.execute(
        f'ALTER TABLE zoo_keeper DROP CONSTRAINT "{deputy}"',
        f'ALTER TABLE zoo_animal ALTER CONSTRAINT "{twin}" NOT DEFERRABLE',
        f'ALTER TABLE zoo_animal DROP CONSTRAINT "{mother}", DROP CONSTRAINT "{place}"',
        f'ALTER TABLE zoo_animal ADD CONSTRAINT "{place}" FOREIGN KEY (enclosure_id) REFERENCES "Gehege im Süden" '
        "ON DELETE CASCADE",
        "ALTER TABLE zoo_animal ADD CONSTRAINT theirs FOREIGN KEY (mother_id) REFERENCES zoo_animal NOT VALID",
    )


@pytest.fixture(scope="package")
def broken_zoo(zoo_template: Database) -> Iterator[Database]:
    template = create_database(zoo_template.name)
    try:
        damage_foreign_keys(template)
        template.execute(*DAMAGE)
        yield template
    finally:
        drop_database(template)


@pytest.fixture(scope="package")
def steps(broken_zoo: Database) -> list[Statement]:
    """The statements of the whole repair: of two, since one may have had to try again for a lock, the shorter."""
    return min(_recorded(broken_zoo), _recorded(broken_zoo), key=len)


def _recorded(broken_zoo: Database) -> list[Statement]:
    database = create_database(broken_zoo.name)
    try:
        with counted() as statements:
            assert database.migrate("zoo").status == 0
        return statements
    finally:
        drop_database(database)


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


def moments_of_death(steps: list[Statement]) -> Iterator[tuple[int, str]]:
    """Return before and after which statements to die.

    Amid a transaction, and after a statement that is one by itself, the database is as before another statement. Those
    are left to the nightly profile.
    """
    for number, step in enumerate(steps, start=1):
        if NIGHTLY or not step.amid:
            yield number, "before"
        if NIGHTLY:
            yield number, "after"
    yield len(steps), "after"


def test_killed_at_every_statement(
    steps: list[Statement], broken_zoo: Database, copy_of: Callable[[Database], Database], declared: Catalogue
):
    """Before and after each one, in a fresh database each time."""
    before = fingerprints(broken_zoo, FILLED)
    for number, moment in moments_of_death(steps):
        database = copy_of(broken_zoo)
        with dying_at(number, moment) as deaths, contextlib.suppress(Killed, DatabaseError):
            database.migrate("zoo")
        assert deaths, f"it ended before the {number}th of {len(steps)} statements"
        outcome = database.migrate("zoo")
        assert outcome.status == 0, (moment, deaths, outcome.told)
        assert lost_or_changed(database, before, FILLED) == [], deaths
        is_declared(database, declared)
        drop_database(database)


def test_killed_again_and_again(
    broken_zoo: Database, copy_of: Callable[[Database], Database], declared: Catalogue, steps: list[Statement]
):
    """Every attempt gets one statement further than the one before it, and dies."""
    database = copy_of(broken_zoo)
    before = fingerprints(database, FILLED)
    for number in range(len(steps)):
        with dying_at(2 + number % 5, "before") as deaths, contextlib.suppress(Killed, DatabaseError):
            database.migrate("zoo")
        if not deaths:
            break
    assert database.migrate("zoo").status == 0
    is_declared(database, declared)
    assert lost_or_changed(database, before, FILLED) == []
    assert_changes_nothing(database, "zoo")


@pytest.mark.parametrize("number", [1, 7, 19, 31, 43])
def test_the_server_ends_the_session(
    number: int, broken_zoo: Database, copy_of: Callable[[Database], Database], declared: Catalogue
):
    """pg_terminate_backend, or a restart of the server: said in a sentence, and the next run goes on."""
    database = copy_of(broken_zoo)
    before = fingerprints(database, FILLED)
    with session_ended(before=number) as deaths:
        outcome = database.migrate("zoo")
    assert deaths
    assert outcome.status != 0
    assert "connection" in outcome.errors
    assert database.migrate("zoo").status == 0
    is_declared(database, declared)
    assert lost_or_changed(database, before, FILLED) == []


def test_the_server_ends_the_session_while_it_waits_for_a_lock(
    broken_zoo: Database, copy_of: Callable[[Database], Database], declared: Catalogue
):
    """The migration lock is gone with it: whatever was to be tried again is left to the next run."""
    database = copy_of(broken_zoo)
    before = fingerprints(database, FILLED)
    with contextlib.closing(database.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE zoo_keeper IN ACCESS SHARE MODE")
        with session_ended_by_refusal() as deaths:
            outcome = database.migrate("zoo")
        assert deaths
        assert outcome.status == 1
        assert "run it again" in outcome.errors
        cursor.execute("ROLLBACK")
    assert database.migrate("zoo").status == 0
    is_declared(database, declared)
    assert lost_or_changed(database, before, FILLED) == []


def test_every_table_of_the_zoo_is_damaged(broken_zoo: Database, declared: Catalogue):
    """Or the tests above would prove less than they say."""
    with pytest.raises(AssertionError) as told:
        is_declared(broken_zoo, declared)
    assert all(table in str(told.value) for table in ZOO_TABLES)
