"""Migrated databases of one test each, with a clinic, and what happens in them in SQL."""

from collections.abc import Callable, Iterator

import pytest

from clinic_project.reconciliation.tests.support.databases import Database, migrated_database
from clinic_project.reconciliation.tests.support.fixtures import copy_of, owner, unblocked

__all__ = ["copy_of", "owner", "unblocked"]


@pytest.fixture(scope="session")
def clinic_template(unblocked: None) -> Iterator[Database]:
    with migrated_database(rows="INSERT INTO clinics (id, name) VALUES (1, 'North')") as template:
        yield template


@pytest.fixture
def database(copy_of: Callable[[Database], Database], clinic_template: Database) -> Database:
    """A migrated database with a clinic, whose id is 1."""
    return copy_of(clinic_template)
