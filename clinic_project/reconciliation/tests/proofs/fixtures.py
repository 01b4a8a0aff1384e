"""Fixtures for tests that make databases of their own."""

from collections.abc import Callable, Iterator

import pytest

from .databases import Database, create_database, drop_database


@pytest.fixture(scope="session")
def unblocked(django_db_blocker) -> Iterator[None]:
    """These tests make their own databases: pytest-django's isn't touched."""
    with django_db_blocker.unblock():
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
