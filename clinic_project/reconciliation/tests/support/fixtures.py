"""Fixtures for tests that make databases of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from .databases import Database, temporary_database
from .roles import owner_of


@pytest.fixture(scope="session")
def unblocked(django_db_blocker) -> Iterator[None]:
    """Lets these tests use databases of their own. They don't touch pytest-django's."""
    # Where a lock is never released, the test should fail soon, and not after ten minutes.
    setting = getattr(settings, "RECONCILIATION", {}) | {"lock_budget": 30, "build_budget": 30}
    with django_db_blocker.unblock(), override_settings(RECONCILIATION=setting):
        yield


@pytest.fixture
def copy_of(unblocked: None) -> Iterator[Callable[[Database], Database]]:
    """Makes copies of a template, which are dropped after the test."""
    with ExitStack() as copies:
        yield lambda template: copies.enter_context(temporary_database(template.name))


@pytest.fixture
def empty_database(copy_of: Callable[[Database], Database], unblocked: None) -> Database:
    """A database in which nothing was ever created."""
    return copy_of(Database("template0"))


@pytest.fixture
def own_database(transactional_db: None) -> Database:
    """The database of this test alone, as Django's default connection sees it."""
    return Database(connection.settings_dict["NAME"])


@pytest.fixture
def owner(database: Database) -> Iterator[Database]:
    """The `database` of a test as its owner sees it, who is no superuser."""
    with owner_of(database) as owner:
        yield owner
