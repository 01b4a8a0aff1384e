"""Templates made once a session, and a copy of one for each test."""

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.db import connection

from .catalogue import read_catalogue
from .databases import Database, create_database, default_connection_to, drop_database
from .outcomes import Expectations
from .rows import fill


@pytest.fixture(scope="session")
def unblocked(django_db_blocker) -> Iterator[None]:
    """These tests make their own databases: pytest-django's isn't touched."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def migrated_template(unblocked: None) -> Iterator[Database]:
    """A database migrated from empty, without rows."""
    template = create_database()
    try:
        outcome = template.migrate()
        assert outcome.status == 0, outcome.told
        yield template
    finally:
        drop_database(template)


@pytest.fixture(scope="session")
def filled_template(migrated_template: Database) -> Iterator[Database]:
    """A database migrated from empty, with rows in all nine tables."""
    template = create_database(migrated_template.name)
    try:
        fill(template)
        yield template
    finally:
        drop_database(template)


@pytest.fixture(scope="session")
def expected(unblocked: None) -> Iterator[Expectations]:
    """What plain Django makes of the models, without any migration: no engine has had its hand in it."""
    reference = create_database()
    try:
        with default_connection_to(reference), connection.schema_editor() as editor:
            for app in ("clinics", "medical_records"):
                for model in apps.get_app_config(app).get_models():
                    editor.create_model(model)
        yield Expectations(read_catalogue(reference))
    finally:
        drop_database(reference)


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
def database(copy_of: Callable[[Database], Database], filled_template: Database) -> Database:
    """A clean, migrated database with rows, for the test to damage."""
    return copy_of(filled_template)


@pytest.fixture
def hollow_database(copy_of: Callable[[Database], Database], migrated_template: Database) -> Database:
    """A clean, migrated database without rows."""
    return copy_of(migrated_template)


@pytest.fixture
def empty_database(copy_of: Callable[[Database], Database], unblocked: None) -> Database:
    """A database in which nothing was ever made."""
    return copy_of(Database("template0"))
