"""The tables of any app are repaired, with everything that Django's models can declare."""

import json
import re
from collections.abc import Callable

import pytest

from ..support.catalog import Catalog, Key, differences, nothing, object_ids, read_catalog
from ..support.databases import Database, Outcome, temporary_database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from .conftest import TESTAPP_TABLES


def is_declared(
    database: Database, declared: Catalog, keeping: Callable[[Key], bool] = nothing, schema: str = "public"
) -> None:
    left = differences(declared, read_catalog(database, TESTAPP_TABLES, schema), keeping)
    assert left == [], "\n".join(left)


def converges(database: Database, declared: Catalog) -> Outcome:
    before = fingerprints(database)
    outcome = database.migrate("testapp")
    assert outcome.status == 0, outcome.printed
    is_declared(database, declared)
    assert lost_or_changed(database, before, {}) == []
    assert_changes_nothing(database, "testapp")
    return outcome


def refuses(database: Database, declared: Catalog, naming: tuple[str, ...], remedy: tuple[str, ...]) -> None:
    before = fingerprints(database)
    outcome = database.migrate("testapp")
    assert outcome.status != 0, outcome.printed
    for part in naming:
        assert re.search(part, outcome.errors), f"{part!r} isn't in:\n{outcome.errors}"
    assert lost_or_changed(database, before, {}) == []
    database.execute(*remedy)
    converges(database, declared)


class TestFromEmpty:
    def test_is_what_django_makes(self, testapp: None, empty_database: Database, declared: Catalog):
        converges(empty_database, declared)

    def test_with_rows_is_in_sync(self, database: Database, declared: Catalog):
        is_declared(database, declared)
        assert_changes_nothing(database, "testapp")

    def test_in_a_schema_with_an_odd_name(self, testapp: None, empty_database: Database, declared: Catalog):
        empty_database.execute(
            'CREATE SCHEMA "Schema, alt"',
            f'ALTER DATABASE "{empty_database.name}" SET search_path = "Schema, alt", public',
        )
        assert empty_database.migrate("testapp").status == 0
        empty_database.execute(
            'DROP INDEX "Schema, alt"."Gehege nach Größe"',
            'ALTER TABLE "Schema, alt".testapp_animal DROP CONSTRAINT animal_weight, ALTER legs DROP DEFAULT',
        )
        assert empty_database.migrate("testapp").status == 0
        assert_changes_nothing(empty_database, "testapp")
        assert len(read_catalog(empty_database, TESTAPP_TABLES, "Schema, alt")) == len(declared)

    def test_in_a_database_without_an_encoding(self, testapp: None, declared: Catalog):
        """SQL_ASCII stores names as bytes, and can't decode JSON's escapes of characters."""
        with temporary_database("template0", "ENCODING 'SQL_ASCII' LOCALE 'C'") as database:
            converges(database, declared)


INDEXES = {
    "animal_descending": "ON testapp_animal (born, species)",
    "animal_partial": "ON testapp_animal (species) WHERE NOT is_alive",
    "animal_covering": "ON testapp_animal (enclosure_id, born)",
    "animal_expression": "ON testapp_animal (upper(species), born DESC)",
    "animal_pattern": "ON testapp_animal (species)",
    "animal_facts": "ON testapp_animal USING gin (facts)",
    "animal_tags": "ON testapp_animal USING gin (tags)",
    "animal_brin": "ON testapp_animal USING brin (born)",
    "animal_hash": "ON testapp_animal USING hash (species)",
    '"Gehege nach Größe"': 'ON "Gehege im Süden" ("Fläche m²", "Käfig\'s Name")',
    "animal_conditional": "ON testapp_animal (species) WHERE NOT is_alive",
    "animal_unique_expression": "ON testapp_animal (lower(species), enclosure_id, weight)",
    "animal_unique_covering": "ON testapp_animal (id, species)",
}


class TestIndexes:
    @pytest.mark.parametrize("index", INDEXES)
    def test_missing(self, index: str, database: Database, declared: Catalog):
        database.execute(f"DROP INDEX {index}")
        converges(database, declared)

    @pytest.mark.parametrize("index", INDEXES)
    def test_another_of_its_name(self, index: str, database: Database, declared: Catalog):
        """It has another direction, predicate, columns, operator class or storage, or isn't unique."""
        database.execute(f"DROP INDEX {index}", f"CREATE INDEX {index} {INDEXES[index]}")
        converges(database, declared)

    @pytest.mark.parametrize("index", INDEXES)
    def test_under_another_name(self, index: str, database: Database, declared: Catalog):
        name = index.strip('"')
        before = object_ids(database, [name])
        database.execute(f'ALTER INDEX {index} RENAME TO "was {name}"')
        converges(database, declared)
        assert object_ids(database, [name]) == before

    @pytest.mark.parametrize("index", ["animal_partial", "animal_brin"])
    def test_the_order_of_cluster_that_the_declared_index_cant_have(
        self, index: str, database: Database, declared: Catalog
    ):
        """CLUSTER orders by no partial index, and by no BRIN."""
        database.execute(
            f"DROP INDEX {index}",
            f"CREATE INDEX {index} ON testapp_animal (weight)",
            f"ALTER TABLE testapp_animal CLUSTER ON {index}",
        )
        text = f"testapp_animal.{index}: CLUSTER ordered the table by the index of this name that is replaced"
        assert text in database.manage("reconcile", "--plan").output
        outcome = converges(database, declared)
        assert text in outcome.printed
        assert database.value("SELECT count(*) FROM pg_index WHERE indisclustered") == 0

    def test_the_twin_for_like(self, database: Database, declared: Catalog):
        """Django makes two indexes for a text column. Neither is mistaken for the other."""
        twins = [name for (name,) in database.rows(_TWINS)]
        assert len(twins) == 4
        database.execute(f'DROP INDEX "{twins[0]}"', f'ALTER INDEX "{twins[1]}" RENAME TO "{twins[0]}"')
        converges(database, declared)


_TWINS = """
    SELECT indexname FROM pg_indexes
    WHERE tablename = 'testapp_keeper' AND indexname ~ '^testapp_keeper_(name|notes)' ORDER BY indexname
"""


class TestConstraints:
    @pytest.mark.parametrize(
        ("table", "name"),
        [
            ("testapp_animal", "animal_weight"),
            ("testapp_animal", "animal_legs"),
            ("testapp_animal", "animal_composite"),
            ("testapp_animal", "animal_deferred"),
            ('"Gehege im Süden"', '"Fläche > 0"'),
            ('"Gehege im Süden"', '"ein Name"'),
        ],
    )
    def test_missing_or_of_another_name(self, table: str, name: str, database: Database, declared: Catalog):
        plain = name.strip('"')
        database.execute(f'ALTER TABLE {table} RENAME CONSTRAINT {name} TO "was {plain}"')
        converges(database, declared)
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        converges(database, declared)

    @pytest.mark.parametrize("definition", ["CHECK (weight > -1)", "CHECK (weight > 0 OR weight IS NULL) NOT VALID"])
    def test_another_check_of_its_name(self, definition: str, database: Database, declared: Catalog):
        database.execute(
            f"ALTER TABLE testapp_animal DROP CONSTRAINT animal_weight, ADD CONSTRAINT animal_weight {definition}"
        )
        converges(database, declared)

    def test_rows_break_a_check_that_is_missing(self, database: Database, declared: Catalog):
        """The check is added NOT VALID, and the rows that violate it are reported."""
        database.execute(
            "ALTER TABLE testapp_animal DROP CONSTRAINT animal_weight",
            "UPDATE testapp_animal SET weight = -1 WHERE id IN (5, 6)",
        )
        refuses(
            database,
            declared,
            naming=("testapp_animal", "animal_weight", r"\b2 rows", r"\b5\b"),
            remedy=("UPDATE testapp_animal SET weight = 1 WHERE weight < 0",),
        )

    def test_unique_and_not_deferrable(self, database: Database, declared: Catalog):
        database.execute(
            "ALTER TABLE testapp_animal DROP CONSTRAINT animal_deferred, "
            "ADD CONSTRAINT animal_deferred UNIQUE (mother_id, born)"
        )
        converges(database, declared)

    def test_unique_together_and_one_to_one(self, database: Database, declared: Catalog):
        keys = database.rows(
            """SELECT conrelid::regclass::text, conname FROM pg_constraint
               WHERE contype = 'u' AND conrelid IN ('testapp_visit'::regclass, 'testapp_animal'::regclass)
                 AND conname ~ '(uniq|twin_id_key|ring_key)$'"""
        )
        assert len(keys) == 3
        database.execute(*(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"' for table, name in keys))
        converges(database, declared)

    def test_references_to_a_column_that_is_no_primary_key(self, database: Database, declared: Catalog):
        """A foreign key points to a unique column. Its unique constraint was dropped, and the foreign key with it."""
        database.execute("ALTER TABLE testapp_keeper DROP CONSTRAINT testapp_keeper_badge_key CASCADE")
        converges(database, declared)

    def test_exclusion_without_rows(self, testapp: None, empty_database: Database, declared: Catalog):
        assert empty_database.migrate("testapp").status == 0
        empty_database.execute("ALTER TABLE testapp_animal DROP CONSTRAINT animal_exclusion")
        converges(empty_database, declared)

    def test_exclusion_with_rows(self, database: Database, declared: Catalog):
        """It can't be added while others write: the refusal prints the statement to run."""
        database.execute("ALTER TABLE testapp_animal DROP CONSTRAINT animal_exclusion")
        exclude = "EXCLUDE USING gist (stay WITH &&) WHERE (is_alive)"
        refuses(
            database,
            declared,
            naming=("animal_exclusion", "ALTER TABLE", "EXCLUDE"),
            remedy=(f"ALTER TABLE testapp_animal ADD CONSTRAINT animal_exclusion {exclude}",),
        )


class TestColumns:
    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("testapp_animal", "tags"),
            ("testapp_animal", "facts"),
            ("testapp_animal", "legs"),
            ("testapp_animal", "twin_id"),
            ("testapp_animal", "mother_id"),
            ("testapp_animal", "mood"),
            ("testapp_keeper", "extended"),
            ("testapp_keeper", "notes"),
            ("testapp_visit", "seen_at"),
        ],
    )
    def test_missing(self, table: str, column: str, database: Database, declared: Catalog):
        """Arrays, JSON, an extension's type; where the database has no default, the field's own default is used."""
        database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        converges(database, declared)

    @pytest.mark.parametrize("column", ["tags", "facts", "legs", "is_alive"])
    def test_without_its_default(self, column: str, database: Database, declared: Catalog):
        database.execute(f"ALTER TABLE testapp_animal ALTER {column} DROP DEFAULT, ALTER {column} DROP NOT NULL")
        converges(database, declared)

    def test_a_missing_generated_column(self, database: Database, declared: Catalog):
        """Adding it rewrites the table: it is added or refused, and never ignored."""
        database.execute("ALTER TABLE testapp_animal DROP COLUMN search")
        add = "ALTER TABLE testapp_animal ADD search varchar(120) GENERATED ALWAYS AS (lower(species)) STORED"
        converges_or_refuses(database, declared, ("testapp_animal", "search"), (add,))

    def test_a_generated_column_with_another_expression(self, database: Database, declared: Catalog):
        replace = (
            "ALTER TABLE testapp_animal DROP search",
            "ALTER TABLE testapp_animal ADD search varchar(120) GENERATED ALWAYS AS ({}(species)) STORED",
        )
        database.execute(*(statement.format("upper") for statement in replace))
        remedy = tuple(statement.format("lower") for statement in replace)
        converges_or_refuses(database, declared, ("testapp_animal", "search", "upper"), remedy)

    def test_another_collation(self, database: Database, declared: Catalog):
        database.execute('ALTER TABLE testapp_keeper ALTER badge TYPE varchar(20) COLLATE "POSIX"')
        converges_or_refuses(
            database,
            declared,
            ("testapp_keeper", "badge", "POSIX"),
            ('ALTER TABLE testapp_keeper ALTER badge TYPE varchar(20) COLLATE "C"',),
        )

    def test_a_column_with_a_quoted_name(self, database: Database, declared: Catalog):
        database.execute(
            'ALTER TABLE "Gehege im Süden" ALTER "Käfig\'s Name" DROP NOT NULL, ALTER "Fläche m²" DROP NOT NULL'
        )
        converges(database, declared)

    def test_a_missing_column_without_a_default(self, database: Database, declared: Catalog):
        database.execute('ALTER TABLE "Gehege im Süden" DROP COLUMN "Käfig\'s Name"')
        refuses(
            database,
            declared,
            naming=("Gehege im Süden", "Käfig's Name", r"\b20\b"),
            remedy=(
                'ALTER TABLE "Gehege im Süden" ADD "Käfig\'s Name" varchar(60)',
                'UPDATE "Gehege im Süden" SET "Käfig\'s Name" = \'Käfig \' || id',
            ),
        )


def converges_or_refuses(
    database: Database, declared: Catalog, naming: tuple[str, ...], remedy: tuple[str, ...]
) -> None:
    """Migrate where both outcomes are right, but not a success that leaves a difference."""
    if database.migrate("testapp").status == 0:
        converges(database, declared)
    else:
        refuses(database, declared, naming, remedy)


class TestTables:
    @pytest.mark.parametrize("table", ['"Pfleger & Gehege"', "testapp_visit"])
    def test_missing(self, table: str, database: Database, declared: Catalog):
        """They are recorded as applied: a many-to-many table, and one whose key is text."""
        database.execute(f"DROP TABLE {table}")
        converges(database, declared)

    def test_all_are_missing(self, database: Database, declared: Catalog):
        quoted = ", ".join(f'"{table}"' for table in TESTAPP_TABLES)
        database.execute(f"DROP TABLE {quoted}")
        converges(database, declared)


class TestLaterMigration:
    """0002 widens a column and adds columns, an index and a check, inside ReconcileSchema."""

    ALL = (
        "ALTER TABLE testapp_keeper ALTER name TYPE varchar(100)",
        "ALTER TABLE testapp_animal ADD nickname varchar(50)",
        "ALTER TABLE testapp_animal ADD mood varchar(20) NOT NULL DEFAULT 'calm'",
        "ALTER TABLE testapp_animal ALTER mood DROP DEFAULT",
        "CREATE INDEX animal_later ON testapp_animal (nickname, mood)",
        "ALTER TABLE testapp_animal ADD CONSTRAINT animal_legs CHECK (legs <= 750)",
    )

    @pytest.mark.parametrize("done", range(len(ALL) + 1))
    def test_half_applied(self, done: int, testapp: None, empty_database: Database, declared: Catalog):
        assert empty_database.migrate("testapp", "0001").status == 0
        empty_database.execute(
            """INSERT INTO "Gehege im Süden" ("Käfig's Name", "Fläche m²") VALUES ('Käfig', 1)""",
            "INSERT INTO testapp_animal (species, enclosure_id) VALUES ('Bär', 1)",
            *self.ALL[:done],
        )
        converges(empty_database, declared)
        assert empty_database.value("SELECT mood FROM testapp_animal") == "calm"

    def test_damaged_after_it(self, database: Database, declared: Catalog):
        database.execute(
            "DROP INDEX animal_later",
            "ALTER TABLE testapp_animal DROP nickname, DROP CONSTRAINT animal_legs",
            "ALTER TABLE testapp_keeper ALTER name TYPE varchar(80)",
        )
        converges(database, declared)


@pytest.mark.slow  # it migrates twice from empty
def test_what_a_pending_migration_would_create_beside_a_filled_table_is_foreseen(
    testapp: None, empty_database: Database
):
    """The app's migration does more than reconcile, so that no more than what is recorded is inspected before."""
    assert empty_database.migrate("sessions").status == 0
    empty_database.execute(
        "CREATE SCHEMA legacy",
        'CREATE TABLE legacy."Gehege im Süden" (id integer PRIMARY KEY)',
        'INSERT INTO legacy."Gehege im Süden" VALUES (1)',
        f"ALTER DATABASE {empty_database.name} SET search_path = public, legacy",
    )
    foreseen = json.loads(empty_database.manage("reconcile", "--json").output)["refusals"]
    assert [(refusal["code"], refusal["table"]) for refusal in foreseen] == [("found-elsewhere", "Gehege im Süden")]
    outcome = empty_database.migrate("testapp")
    assert outcome.status == 1
    assert "Gehege im Süden [found-elsewhere]" in outcome.errors
