"""Fixtures for tests that make databases of their own."""

from collections.abc import Callable, Iterator

import pytest
from django.test import override_settings

from .databases import Database, create_database, drop_database


@pytest.fixture(scope="session")
def unblocked(django_db_blocker) -> Iterator[None]:
    """These tests make their own databases: pytest-django's isn't touched."""
    # A lock that is never given up should fail a test, not keep it for ten minutes.
    with django_db_blocker.unblock(), override_settings(RECONCILIATION={"lock_budget": 30, "build_budget": 30}):
        yield


@pytest.fixture
def copy_of(unblocked: None) -> Iterator[Callable[[Database], Database]]:
    """Makes copies of a template, gone after the test."""
    copies = []

    def copy(template: Database) -> Database:
        copies.append(create_database(template.name))
        return copies[-1]

    yield copy
    for database in copies:
        drop_database(database)


@pytest.fixture
def empty_database(copy_of: Callable[[Database], Database], unblocked: None) -> Database:
    """A database in which nothing was ever made."""
    return copy_of(Database("template0"))
