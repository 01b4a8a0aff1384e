"""Templates made once a session, and a copy of one for each test."""

from collections.abc import Callable, Iterator

import pytest

from clinic_project.reconciliation.tests.support.catalog import read_catalog
from clinic_project.reconciliation.tests.support.databases import (
    Database,
    database_of_models,
    migrated_database,
    temporary_database,
)
from clinic_project.reconciliation.tests.support.fixtures import copy_of, empty_database, owner, unblocked

from .outcomes import Expectations
from .rows import insert_rows
from .tables import TABLES

__all__ = ["copy_of", "empty_database", "owner", "unblocked"]


@pytest.fixture(scope="session")
def migrated_template(unblocked: None) -> Iterator[Database]:
    """A database migrated from empty, without rows."""
    with migrated_database() as template:
        yield template


@pytest.fixture(scope="session")
def template_with_rows(migrated_template: Database) -> Iterator[Database]:
    """A database migrated from empty, with rows in all nine tables."""
    with temporary_database(migrated_template.name) as template:
        insert_rows(template)
        yield template


@pytest.fixture(scope="session")
def expected(unblocked: None) -> Iterator[Expectations]:
    """What Django's own schema editor makes of the models, without any migration."""
    with database_of_models("clinics", "medical_records") as reference:
        yield Expectations(read_catalog(reference, TABLES))


@pytest.fixture
def database(copy_of: Callable[[Database], Database], template_with_rows: Database) -> Database:
    """A clean, migrated database with rows, for the test to damage."""
    return copy_of(template_with_rows)


@pytest.fixture
def database_without_rows(copy_of: Callable[[Database], Database], migrated_template: Database) -> Database:
    """A clean, migrated database without rows."""
    return copy_of(migrated_template)
