"""Remedies for what only the test app declares: run as they are told, they lead to the declared schema and lose nothing."""

import json

import pytest

from ..support.catalog import Catalog
from ..support.databases import Database
from ..support.fingerprints import fingerprints, lost_or_changed
from ..support.idempotence import assert_changes_nothing
from .test_repairs import is_declared

GENERATED = "ALTER TABLE testapp_animal DROP search, ADD search varchar(120)"

#: The damage, the code of the refusal, and the columns that the remedy converts.
REMEDIES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "a constraint that needs a lock": (
        ("ALTER TABLE testapp_animal DROP CONSTRAINT animal_exclusion",),
        "constraint-needs-lock",
        (),
    ),
    "a constraint that another one has the name of": (
        (
            "ALTER TABLE testapp_animal DROP CONSTRAINT animal_exclusion",
            "ALTER TABLE testapp_animal ADD CONSTRAINT animal_exclusion CHECK (id > 0)",
        ),
        "other-key",
        (),
    ),
    "a missing generated column": (("ALTER TABLE testapp_animal DROP search",), "column-needs-rewrite", ("search",)),
    "another expression": ((f"{GENERATED} GENERATED ALWAYS AS (upper(species)) STORED",), "column-type", ("search",)),
    "an ordinary column": (
        (f"{GENERATED} NOT NULL DEFAULT 'x'", "CREATE VIEW searched AS SELECT search FROM testapp_animal"),
        "column-type",
        ("search",),
    ),
    "a generated column reads another type": (
        (
            "DROP INDEX animal_pattern, animal_expression, animal_partial",
            "ALTER TABLE testapp_animal DROP search",
            "ALTER TABLE testapp_animal ALTER species TYPE text",
            "ALTER TABLE testapp_animal ADD search varchar(120) GENERATED ALWAYS AS (lower(species)) STORED",
        ),
        "column-type",
        ("search",),
    ),
    "an array as text": (
        (
            "DROP INDEX animal_tags",
            "ALTER TABLE testapp_animal ALTER tags DROP DEFAULT, ALTER tags TYPE text",
            "ALTER TABLE testapp_animal ALTER tags SET DEFAULT '{}'",
        ),
        "column-type",
        (),
    ),
    "an array of longer texts": (
        ("ALTER TABLE testapp_animal ALTER tags DROP DEFAULT, ALTER tags TYPE text[]",),
        "column-type",
        (),
    ),
    "JSON as text with an index of its own": (
        (
            "DROP INDEX animal_facts",
            "ALTER TABLE testapp_animal ALTER facts DROP DEFAULT, ALTER facts TYPE text",
            "CREATE INDEX animal_facts ON testapp_animal (facts text_pattern_ops)",
        ),
        "column-type",
        (),
    ),
    "a key of texts": (("ALTER TABLE testapp_animal ALTER ring TYPE varchar(36)",), "column-type", ()),
    "numbers of more digits": (
        ("ALTER TABLE testapp_animal ALTER weight TYPE numeric(12,5)",),
        "column-type",
        ("weight",),
    ),
    "numbers as floats": (
        ("ALTER TABLE testapp_animal ALTER weight TYPE double precision",),
        "column-type",
        ("weight",),
    ),
    "quoted names": (
        (
            """ALTER TABLE "Gehege im Süden" ALTER "Käfig's Name" TYPE text""",
            """CREATE VIEW "Käfig's" AS SELECT "Käfig's Name" FROM "Gehege im Süden" """,
        ),
        "column-type",
        (),
    ),
    "both ends of foreign keys are text": (
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
        "column-type",
        (),
    ),
}

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


@pytest.mark.parametrize("name", REMEDIES)
def test_remedy(name: str, database: Database, declared: Catalog):
    damage, code, converted = REMEDIES[name]
    ignored = {f"testapp_animal.{column}": None for column in converted}
    if "foreign keys" in name:
        database.execute(SHORT_NAMES)
    database.execute(*damage)
    before = fingerprints(database, ignored)
    outcome = database.migrate("testapp")
    assert outcome.status == 1, outcome.printed
    assert f"[{code}]" in outcome.printed, outcome.printed
    for _ in range(3):
        for refusal in json.loads(database.manage("reconcile", "--json").output)["refusals"]:
            database.execute(*refusal["statements"])
        outcome = database.migrate("testapp")
        if outcome.status == 0:
            break
    assert outcome.status == 0, outcome.printed
    is_declared(database, declared, lambda key: "_before" in key.name or "_undeclared" in key.name)
    assert lost_or_changed(database, before, ignored) == []
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
