"""Remedies for what only the test app declares: run as they are told, they lead to the declared schema and lose nothing."""

import json

import pytest

from ..support.catalog import Catalog
from ..support.databases import Database
from ..support.idempotence import assert_changes_nothing
from ..support.remedies import Remedy, each_remedy, try_remedy
from .test_repairs import is_declared

pytestmark = pytest.mark.slow  # each migrates several times

GENERATED = "ALTER TABLE testapp_animal DROP search, ADD search varchar(120)"

#: Gives the foreign keys names that don't depend on Django's digests.
SHORT_NAMES = """
    DO $$ DECLARE key record; BEGIN
        FOR key IN SELECT conrelid::regclass AS table, conname, a.attname FROM pg_constraint
                   JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]
                   WHERE contype = 'f' AND confrelid = 'testapp_animal'::regclass LOOP
            EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', key.table, key.conname,
                           replace(key.attname, '_id', ''));
        END LOOP;
    END $$
"""

REMEDIES = {
    "a constraint that needs a lock": Remedy(
        ("ALTER TABLE testapp_animal DROP CONSTRAINT animal_exclusion",), "a constraint that needs a lock"
    ),
    "a constraint that another one has the name of": Remedy(
        (
            "ALTER TABLE testapp_animal DROP CONSTRAINT animal_exclusion",
            "ALTER TABLE testapp_animal ADD CONSTRAINT animal_exclusion CHECK (id > 0)",
        ),
        "a constraint of another kind",
    ),
    "rows that break a check": Remedy(
        (
            "ALTER TABLE testapp_animal DROP CONSTRAINT animal_weight",
            "UPDATE testapp_animal SET weight = -weight WHERE id = 4",
        ),
        "rows that break a check",
        person=("UPDATE testapp_animal SET weight = -weight WHERE id = 4",),
        says=("Correct these rows",),
    ),
    "a missing generated column": Remedy(
        ("ALTER TABLE testapp_animal DROP search",), "a column that rewrites", converted=("testapp_animal.search",)
    ),
    "another expression": Remedy(
        (f"{GENERATED} GENERATED ALWAYS AS (upper(species)) STORED",), "a type", converted=("testapp_animal.search",)
    ),
    "an ordinary column": Remedy(
        (f"{GENERATED} NOT NULL DEFAULT 'x'", "CREATE VIEW searched AS SELECT search FROM testapp_animal"),
        "a type, and what depends on it",
        converted=("testapp_animal.search",),
    ),
    "a generated column reads another type": Remedy(
        (
            "DROP INDEX animal_pattern, animal_expression, animal_partial",
            "ALTER TABLE testapp_animal DROP search",
            "ALTER TABLE testapp_animal ALTER species TYPE text",
            "ALTER TABLE testapp_animal ADD search varchar(120) GENERATED ALWAYS AS (lower(species)) STORED",
        ),
        "a type",
        converted=("testapp_animal.search",),
    ),
    "what nobody would create again on a generated column": Remedy(
        (
            "DROP INDEX animal_pattern, animal_expression, animal_partial",
            "ALTER TABLE testapp_animal DROP search",
            "ALTER TABLE testapp_animal ALTER species TYPE text",
            "ALTER TABLE testapp_animal ADD search varchar(120) GENERATED ALWAYS AS (lower(species)) STORED",
            "CREATE INDEX theirs ON testapp_animal (search)",
            "ALTER TABLE testapp_animal ADD CONSTRAINT short CHECK (length(search) < 90)",
        ),
        "a type, and something in the way",
        converted=("testapp_animal.search",),
        person=("DROP INDEX theirs", "ALTER TABLE testapp_animal DROP CONSTRAINT short"),
        says=("constraint short (", "index theirs ("),
    ),
    "an index on a column that has to be generated anew": Remedy(
        (
            f"{GENERATED.replace('120', '100')} GENERATED ALWAYS AS (upper(species)) STORED",
            "CREATE INDEX theirs ON testapp_animal (search)",
        ),
        "a type, and something in the way",
        converted=("testapp_animal.search",),
        person=("DROP INDEX theirs",),
        says=("index theirs (",),
    ),
    "an array as text": Remedy(
        (
            "DROP INDEX animal_tags",
            "ALTER TABLE testapp_animal ALTER tags DROP DEFAULT, ALTER tags TYPE text",
            "ALTER TABLE testapp_animal ALTER tags SET DEFAULT '{}'",
        ),
        "a type",
    ),
    "an array of longer texts": Remedy(
        ("ALTER TABLE testapp_animal ALTER tags DROP DEFAULT, ALTER tags TYPE text[]",), "a type"
    ),
    "JSON as text with an index of its own": Remedy(
        (
            "DROP INDEX animal_facts",
            "ALTER TABLE testapp_animal ALTER facts DROP DEFAULT, ALTER facts TYPE text",
            "CREATE INDEX animal_facts ON testapp_animal (facts text_pattern_ops)",
        ),
        "a type, in several steps",
    ),
    "a key of texts": Remedy(("ALTER TABLE testapp_animal ALTER ring TYPE varchar(36)",), "a type"),
    "numbers of more digits": Remedy(
        ("ALTER TABLE testapp_animal ALTER weight TYPE numeric(12,5)",), "a type", converted=("testapp_animal.weight",)
    ),
    "numbers as floats": Remedy(
        ("ALTER TABLE testapp_animal ALTER weight TYPE double precision",),
        "a type",
        converted=("testapp_animal.weight",),
    ),
    "an integer key": Remedy(("ALTER TABLE testapp_animal ALTER id TYPE integer",), "an integer key"),
    "an integer key that a view reads": Remedy(
        ("ALTER TABLE testapp_animal ALTER id TYPE smallint", "CREATE VIEW ids AS SELECT id FROM testapp_animal"),
        "an integer key, and what depends on it",
    ),
    "quoted names": Remedy(
        (
            """ALTER TABLE "Gehege im Süden" ALTER "Käfig's Name" TYPE text""",
            """CREATE VIEW "Käfig's" AS SELECT "Käfig's Name" FROM "Gehege im Süden" """,
        ),
        "a type, and what depends on it",
    ),
    "both ends of foreign keys are text": Remedy(
        (
            *(
                f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'
                for table, name in (
                    ("testapp_animal", "mother"),
                    ("testapp_animal", "twin"),
                    ("testapp_visit", "animal"),
                )
            ),
            "ALTER TABLE testapp_animal ALTER id DROP IDENTITY",
            "ALTER TABLE testapp_animal ALTER id TYPE text, ALTER mother_id TYPE text",
            "ALTER TABLE testapp_animal ALTER twin_id TYPE varchar(20)",
            "ALTER TABLE testapp_visit ALTER animal_id TYPE text",
            "ALTER TABLE testapp_animal ADD CONSTRAINT mother FOREIGN KEY (mother_id) REFERENCES testapp_animal",
            "ALTER TABLE testapp_visit ADD CONSTRAINT animal FOREIGN KEY (animal_id) REFERENCES testapp_animal",
        ),
        "a type",
        prepared=(SHORT_NAMES,),
    ),
}


@each_remedy(REMEDIES)
def test_remedy(remedy: Remedy, database: Database, declared: Catalog):
    try_remedy(remedy, database, database, "testapp")
    is_declared(database, declared, lambda key: "_before" in key.name or "_undeclared" in key.name)
    assert_changes_nothing(database, "testapp")


def test_values_of_a_column_that_is_declared_generated_are_kept(database: Database):
    database.execute(f"{GENERATED} NOT NULL DEFAULT 'x'")
    (refusal,) = json.loads(database.manage("reconcile", "--json").output)["refusals"]
    assert "stay in the column search_before" in refusal["remedy"]
    database.execute(*refusal["statements"])
    assert database.rows("SELECT DISTINCT search_before FROM testapp_animal") == [("x",)]
    database.execute("INSERT INTO testapp_animal (species, enclosure_id, mood) VALUES ('Luchs', 1, '')")


def test_what_can_not_be_converted_says_so(database: Database):
    database.execute("ALTER TABLE testapp_animal ALTER born TYPE integer USING extract(epoch FROM born)::integer")
    (refusal,) = json.loads(database.manage("reconcile", "--json").output)["refusals"]
    assert (refusal["code"], refusal["statements"]) == ("column-type", [])
    assert "No conversion" in refusal["remedy"]
