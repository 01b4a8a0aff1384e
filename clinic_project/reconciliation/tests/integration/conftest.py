"""A database migrated from empty once a run, with the test app's tables and rows, and copies of it to damage."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import modify_settings

from ..support.catalog import Catalog, read_catalog
from ..support.databases import Database, database_of_models, migrated_database
from ..support.fixtures import copy_of, empty_database, unblocked
from ..testapp.extensions import available_extension

__all__ = ["copy_of", "empty_database", "unblocked"]

TESTAPP_TABLES = ("testapp_keeper", "Gehege im Süden", "Pfleger & Gehege", "testapp_animal", "testapp_visit")


@pytest.fixture(scope="package")
def testapp(unblocked: None) -> Iterator[None]:
    """The test app is installed."""
    with modify_settings(INSTALLED_APPS={"append": "clinic_project.reconciliation.tests.testapp"}):
        yield


@pytest.fixture(scope="package")
def testapp_template(testapp: None) -> Iterator[Database]:
    """Migrated from empty, with rows."""
    with migrated_database("testapp", rows=ROWS) as template:
        yield template


@pytest.fixture
def database(copy_of: Callable[[Database], Database], testapp_template: Database) -> Database:
    return copy_of(testapp_template)


@pytest.fixture(scope="package")
def declared(testapp: None) -> Iterator[Catalog]:
    """The catalog of what plain Django makes of the test app's models."""
    extension = f"CREATE EXTENSION {available_extension(connection)}"
    with database_of_models("testapp", before=extension) as reference:
        yield read_catalog(reference, TESTAPP_TABLES)


ROWS = """
INSERT INTO testapp_keeper (name, badge, notes, deputy_of_id) SELECT 'Ärmel ' || n, 'b' || n, '', NULLIF(n / 2, 0)
FROM generate_series(1, 40) AS n;
INSERT INTO "Gehege im Süden" ("Käfig's Name", "Fläche m²") SELECT 'Käfig ' || n, n * 1.5 FROM generate_series(1, 20) AS n;
INSERT INTO "Pfleger & Gehege" (enclosure_id, keeper_id) SELECT 1 + n % 20, n FROM generate_series(1, 40) AS n;
INSERT INTO testapp_animal (species, tags, facts, weight, born, ring, enclosure_id, mother_id, twin_id, stay, is_alive, mood)
SELECT 'Bär ' || n, ARRAY['brown', n::text], jsonb_build_object('n', n), n * 1.25, date '2015-01-01' + n * 3,
       md5(n::text)::uuid, 1 + n % 20, NULLIF(n / 2, 0), NULLIF(n - 1, 0),
       daterange(date '2020-01-01' + n * 5, date '2020-01-01' + n * 5 + 3), n % 7 > 0, 'calm'
FROM generate_series(1, 200) AS n;
INSERT INTO testapp_visit (code, animal_id, keeper_id)
SELECT 'v' || n, n, 'b' || (1 + n % 40) FROM generate_series(1, 90) AS n;
"""
