"""Another app's models, with everything that PostgreSQL and Django can declare, are kept as well."""

import re
from collections.abc import Callable

import pytest

from ..support.catalog import Catalogue, Key, differences, nothing, object_ids, read_catalogue
from ..support.databases import Database, Outcome, create_database, drop_database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from .conftest import ZOO_TABLES


def is_declared(
    database: Database, declared: Catalogue, keeping: Callable[[Key], bool] = nothing, schema: str = "public"
) -> None:
    left = differences(declared, read_catalogue(database, ZOO_TABLES, schema), keeping)
    assert left == [], "\n".join(left)


def converges(database: Database, declared: Catalogue) -> Outcome:
    before = fingerprints(database)
    outcome = database.migrate("zoo")
    assert outcome.status == 0, outcome.told
    is_declared(database, declared)
    assert lost_or_changed(database, before, {}) == []
    assert_changes_nothing(database, "zoo")
    return outcome


def refuses(database: Database, declared: Catalogue, naming: tuple[str, ...], remedy: tuple[str, ...]) -> None:
    before = fingerprints(database)
    outcome = database.migrate("zoo")
    assert outcome.status != 0, outcome.told
    for part in naming:
        assert re.search(part, outcome.errors), f"{part!r} isn't in:\n{outcome.errors}"
    assert lost_or_changed(database, before, {}) == []
    database.execute(*remedy)
    converges(database, declared)


class TestFromEmpty:
    def test_is_what_django_makes(self, zoo: None, empty_database: Database, declared: Catalogue):
        converges(empty_database, declared)

    def test_with_rows_is_in_sync(self, zoo_database: Database, declared: Catalogue):
        is_declared(zoo_database, declared)
        assert_changes_nothing(zoo_database, "zoo")

    def test_in_a_schema_with_an_odd_name(self, zoo: None, empty_database: Database, declared: Catalogue):
        empty_database.execute(
            'CREATE SCHEMA "Zoo, alt"',
            f'ALTER DATABASE "{empty_database.name}" SET search_path = "Zoo, alt", public',
        )
        assert empty_database.migrate("zoo").status == 0
        empty_database.execute(
            'DROP INDEX "Zoo, alt"."Gehege nach Größe"',
            'ALTER TABLE "Zoo, alt".zoo_animal DROP CONSTRAINT zoo_weight, ALTER legs DROP DEFAULT',
        )
        assert empty_database.migrate("zoo").status == 0
        assert_changes_nothing(empty_database, "zoo")
        assert len(read_catalogue(empty_database, ZOO_TABLES, "Zoo, alt")) == len(declared)

    def test_in_a_database_without_an_encoding(self, zoo: None, declared: Catalogue):
        """SQL_ASCII takes names as bytes. It can't make a character of the escapes that JSON has for one."""
        database = create_database("template0", "ENCODING 'SQL_ASCII' LOCALE 'C'")
        try:
            converges(database, declared)
        finally:
            drop_database(database)


INDEXES = {
    "zoo_descending": "ON zoo_animal (born, species)",
    "zoo_partial": "ON zoo_animal (species) WHERE NOT is_alive",
    "zoo_covering": "ON zoo_animal (enclosure_id, born)",
    "zoo_expression": "ON zoo_animal (upper(species), born DESC)",
    "zoo_pattern": "ON zoo_animal (species)",
    "zoo_facts": "ON zoo_animal USING gin (facts)",
    "zoo_tags": "ON zoo_animal USING gin (tags)",
    "zoo_brin": "ON zoo_animal USING brin (born)",
    "zoo_hash": "ON zoo_animal USING hash (species)",
    '"Gehege nach Größe"': 'ON "Gehege im Süden" ("Fläche m²", "Käfig\'s Name")',
    "zoo_conditional": "ON zoo_animal (species) WHERE NOT is_alive",
    "zoo_unique_expression": "ON zoo_animal (lower(species), enclosure_id, weight)",
    "zoo_unique_covering": "ON zoo_animal (id, species)",
}


class TestIndexes:
    @pytest.mark.parametrize("index", INDEXES)
    def test_missing(self, index: str, zoo_database: Database, declared: Catalogue):
        zoo_database.execute(f"DROP INDEX {index}")
        converges(zoo_database, declared)

    @pytest.mark.parametrize("index", INDEXES)
    def test_another_of_its_name(self, index: str, zoo_database: Database, declared: Catalogue):
        """Other direction, predicate, columns, operator class or storage; and not unique where it should be."""
        zoo_database.execute(f"DROP INDEX {index}", f"CREATE INDEX {index} {INDEXES[index]}")
        converges(zoo_database, declared)

    @pytest.mark.parametrize("index", INDEXES)
    def test_under_another_name(self, index: str, zoo_database: Database, declared: Catalogue):
        name = index.strip('"')
        before = object_ids(zoo_database, [name])
        zoo_database.execute(f'ALTER INDEX {index} RENAME TO "was {name}"')
        converges(zoo_database, declared)
        assert object_ids(zoo_database, [name]) == before

    def test_the_twin_for_like(self, zoo_database: Database, declared: Catalogue):
        """Django makes two indexes of a text column; neither is taken for the other."""
        twins = [name for (name,) in zoo_database.rows(_TWINS)]
        assert len(twins) == 4
        zoo_database.execute(f'DROP INDEX "{twins[0]}"', f'ALTER INDEX "{twins[1]}" RENAME TO "{twins[0]}"')
        converges(zoo_database, declared)


_TWINS = """
    SELECT indexname FROM pg_indexes
    WHERE tablename = 'zoo_keeper' AND indexname ~ '^zoo_keeper_(name|notes)' ORDER BY indexname
"""


class TestConstraints:
    @pytest.mark.parametrize(
        ("table", "name"),
        [
            ("zoo_animal", "zoo_weight"),
            ("zoo_animal", "zoo_legs"),
            ("zoo_animal", "zoo_composite"),
            ("zoo_animal", "zoo_deferred"),
            ('"Gehege im Süden"', '"Fläche > 0"'),
            ('"Gehege im Süden"', '"ein Name"'),
        ],
    )
    def test_missing_or_of_another_name(self, table: str, name: str, zoo_database: Database, declared: Catalogue):
        plain = name.strip('"')
        zoo_database.execute(f'ALTER TABLE {table} RENAME CONSTRAINT {name} TO "was {plain}"')
        converges(zoo_database, declared)
        zoo_database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        converges(zoo_database, declared)

    @pytest.mark.parametrize("definition", ["CHECK (weight > -1)", "CHECK (weight > 0 OR weight IS NULL) NOT VALID"])
    def test_another_check_of_its_name(self, definition: str, zoo_database: Database, declared: Catalogue):
        zoo_database.execute(
            f"ALTER TABLE zoo_animal DROP CONSTRAINT zoo_weight, ADD CONSTRAINT zoo_weight {definition}"
        )
        converges(zoo_database, declared)

    def test_rows_break_a_check_that_is_missing(self, zoo_database: Database, declared: Catalogue):
        """New rows are guarded, the old ones told."""
        zoo_database.execute(
            "ALTER TABLE zoo_animal DROP CONSTRAINT zoo_weight", "UPDATE zoo_animal SET weight = -1 WHERE id IN (5, 6)"
        )
        refuses(
            zoo_database,
            declared,
            naming=("zoo_animal", "zoo_weight", r"\b2 rows", r"\b5\b"),
            remedy=("UPDATE zoo_animal SET weight = 1 WHERE weight < 0",),
        )

    def test_unique_and_not_deferrable(self, zoo_database: Database, declared: Catalogue):
        zoo_database.execute(
            "ALTER TABLE zoo_animal DROP CONSTRAINT zoo_deferred, ADD CONSTRAINT zoo_deferred UNIQUE (mother_id, born)"
        )
        converges(zoo_database, declared)

    def test_unique_together_and_one_to_one(self, zoo_database: Database, declared: Catalogue):
        keys = zoo_database.rows(
            """SELECT conrelid::regclass::text, conname FROM pg_constraint
               WHERE contype = 'u' AND conrelid IN ('zoo_visit'::regclass, 'zoo_animal'::regclass)
                 AND conname ~ '(uniq|twin_id_key|ring_key)$'"""
        )
        assert len(keys) == 3
        zoo_database.execute(*(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"' for table, name in keys))
        converges(zoo_database, declared)

    def test_references_to_a_column_that_is_no_primary_key(self, zoo_database: Database, declared: Catalogue):
        """A foreign key to a unique column; its unique constraint went first, and took the key along."""
        zoo_database.execute("ALTER TABLE zoo_keeper DROP CONSTRAINT zoo_keeper_badge_key CASCADE")
        converges(zoo_database, declared)

    def test_exclusion_without_rows(self, zoo: None, empty_database: Database, declared: Catalogue):
        assert empty_database.migrate("zoo").status == 0
        empty_database.execute("ALTER TABLE zoo_animal DROP CONSTRAINT zoo_exclusion")
        converges(empty_database, declared)

    def test_exclusion_with_rows(self, zoo_database: Database, declared: Catalogue):
        """It can't be built beside the writers: told, with the statement for a quiet hour."""
        zoo_database.execute("ALTER TABLE zoo_animal DROP CONSTRAINT zoo_exclusion")
        refuses(
            zoo_database,
            declared,
            naming=("zoo_exclusion", "ALTER TABLE", "EXCLUDE"),
            remedy=(
                "ALTER TABLE zoo_animal ADD CONSTRAINT zoo_exclusion EXCLUDE USING gist (stay WITH &&) WHERE (is_alive)",
            ),
        )


class TestColumns:
    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("zoo_animal", "tags"),
            ("zoo_animal", "facts"),
            ("zoo_animal", "legs"),
            ("zoo_animal", "twin_id"),
            ("zoo_animal", "mother_id"),
            ("zoo_animal", "mood"),
            ("zoo_keeper", "extended"),
            ("zoo_keeper", "notes"),
            ("zoo_visit", "seen_at"),
        ],
    )
    def test_missing(self, table: str, column: str, zoo_database: Database, declared: Catalogue):
        """Arrays, JSON, ranges, an extension's type; a value of Django's own where the database has no default."""
        zoo_database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        converges(zoo_database, declared)

    @pytest.mark.parametrize("column", ["tags", "facts", "legs", "is_alive"])
    def test_without_its_default(self, column: str, zoo_database: Database, declared: Catalogue):
        zoo_database.execute(f"ALTER TABLE zoo_animal ALTER {column} DROP DEFAULT, ALTER {column} DROP NOT NULL")
        converges(zoo_database, declared)

    def test_a_missing_generated_column(self, zoo_database: Database, declared: Catalogue):
        """It rewrites the table: done or told, never passed over."""
        zoo_database.execute("ALTER TABLE zoo_animal DROP COLUMN search")
        add = "ALTER TABLE zoo_animal ADD search varchar(120) GENERATED ALWAYS AS (lower(species)) STORED"
        converges_or_refuses(zoo_database, declared, ("zoo_animal", "search"), (add,))

    def test_a_generated_column_with_another_expression(self, zoo_database: Database, declared: Catalogue):
        replace = (
            "ALTER TABLE zoo_animal DROP search",
            "ALTER TABLE zoo_animal ADD search varchar(120) GENERATED ALWAYS AS ({}(species)) STORED",
        )
        zoo_database.execute(*(statement.format("upper") for statement in replace))
        remedy = tuple(statement.format("lower") for statement in replace)
        converges_or_refuses(zoo_database, declared, ("zoo_animal", "search", "upper"), remedy)

    def test_another_collation(self, zoo_database: Database, declared: Catalogue):
        zoo_database.execute('ALTER TABLE zoo_keeper ALTER badge TYPE varchar(20) COLLATE "POSIX"')
        converges_or_refuses(
            zoo_database,
            declared,
            ("zoo_keeper", "badge", "POSIX"),
            ('ALTER TABLE zoo_keeper ALTER badge TYPE varchar(20) COLLATE "C"',),
        )

    def test_a_column_with_a_quoted_name(self, zoo_database: Database, declared: Catalogue):
        zoo_database.execute(
            'ALTER TABLE "Gehege im Süden" ALTER "Käfig\'s Name" DROP NOT NULL, ALTER "Fläche m²" DROP NOT NULL'
        )
        converges(zoo_database, declared)

    def test_nobody_knows_the_value(self, zoo_database: Database, declared: Catalogue):
        zoo_database.execute('ALTER TABLE "Gehege im Süden" DROP COLUMN "Käfig\'s Name"')
        refuses(
            zoo_database,
            declared,
            naming=("Gehege im Süden", "Käfig's Name", r"\b20\b"),
            remedy=(
                'ALTER TABLE "Gehege im Süden" ADD "Käfig\'s Name" varchar(60)',
                'UPDATE "Gehege im Süden" SET "Käfig\'s Name" = \'Käfig \' || id',
            ),
        )


def converges_or_refuses(
    database: Database, declared: Catalogue, naming: tuple[str, ...], remedy: tuple[str, ...]
) -> None:
    """Migrate where both outcomes are right: what may not be is a success that leaves a difference."""
    if database.migrate("zoo").status == 0:
        converges(database, declared)
    else:
        refuses(database, declared, naming, remedy)


class TestTables:
    @pytest.mark.parametrize("table", ['"Pfleger & Gehege"', "zoo_visit"])
    def test_missing(self, table: str, zoo_database: Database, declared: Catalogue):
        """Recorded as applied, and not there: a table between two others, and one with a key of text."""
        zoo_database.execute(f"DROP TABLE {table}")
        converges(zoo_database, declared)

    def test_all_are_missing(self, zoo_database: Database, declared: Catalogue):
        quoted = ", ".join(f'"{table}"' for table in ZOO_TABLES)
        zoo_database.execute(f"DROP TABLE {quoted}")
        converges(zoo_database, declared)


class TestLaterMigration:
    """0002 widens a column and adds columns, an index and a check, inside ReconcileSchema."""

    ALL = (
        "ALTER TABLE zoo_keeper ALTER name TYPE varchar(100)",
        "ALTER TABLE zoo_animal ADD nickname varchar(50)",
        "ALTER TABLE zoo_animal ADD mood varchar(20) NOT NULL DEFAULT 'calm'",
        "ALTER TABLE zoo_animal ALTER mood DROP DEFAULT",
        "CREATE INDEX zoo_later ON zoo_animal (nickname, mood)",
        "ALTER TABLE zoo_animal ADD CONSTRAINT zoo_legs CHECK (legs <= 750)",
    )

    @pytest.mark.parametrize("done", range(len(ALL) + 1))
    def test_half_applied(self, done: int, zoo: None, empty_database: Database, declared: Catalogue):
        assert empty_database.migrate("zoo", "0001").status == 0
        empty_database.execute(
            """INSERT INTO "Gehege im Süden" ("Käfig's Name", "Fläche m²") VALUES ('Käfig', 1)""",
            "INSERT INTO zoo_animal (species, enclosure_id) VALUES ('Bär', 1)",
            *self.ALL[:done],
        )
        converges(empty_database, declared)
        assert empty_database.value("SELECT mood FROM zoo_animal") == "calm"

    def test_damaged_after_it(self, zoo_database: Database, declared: Catalogue):
        zoo_database.execute(
            "DROP INDEX zoo_later",
            "ALTER TABLE zoo_animal DROP nickname, DROP CONSTRAINT zoo_legs",
            "ALTER TABLE zoo_keeper ALTER name TYPE varchar(80)",
        )
        converges(zoo_database, declared)
