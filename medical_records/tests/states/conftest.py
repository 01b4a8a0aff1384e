"""Templates made once a session, and a copy of one for each test."""

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.db import connection

from clinic_project.reconciliation.tests.support.catalog import read_catalog
from clinic_project.reconciliation.tests.support.databases import (
    Database,
    create_database,
    default_connection_to,
    drop_database,
)
from clinic_project.reconciliation.tests.support.fixtures import copy_of, empty_database, unblocked

from .outcomes import Expectations
from .rows import insert_rows
from .tables import TABLES

__all__ = ["copy_of", "empty_database", "unblocked"]


@pytest.fixture(scope="session")
def migrated_template(unblocked: None) -> Iterator[Database]:
    """A database migrated from empty, without rows."""
    template = create_database()
    try:
        outcome = template.migrate()
        assert outcome.status == 0, outcome.printed
        yield template
    finally:
        drop_database(template)


@pytest.fixture(scope="session")
def template_with_rows(migrated_template: Database) -> Iterator[Database]:
    """A database migrated from empty, with rows in all nine tables."""
    template = create_database(migrated_template.name)
    try:
        insert_rows(template)
        yield template
    finally:
        drop_database(template)


@pytest.fixture(scope="session")
def expected(unblocked: None) -> Iterator[Expectations]:
    """What Django's own schema editor makes of the models, without any migration."""
    reference = create_database()
    try:
        with default_connection_to(reference), connection.schema_editor() as editor:
            for app in ("clinics", "medical_records"):
                for model in apps.get_app_config(app).get_models():
                    editor.create_model(model)
        yield Expectations(read_catalog(reference, TABLES))
    finally:
        drop_database(reference)


@pytest.fixture
def database(copy_of: Callable[[Database], Database], template_with_rows: Database) -> Database:
    """A clean, migrated database with rows, for the test to damage."""
    return copy_of(template_with_rows)


@pytest.fixture
def database_without_rows(copy_of: Callable[[Database], Database], migrated_template: Database) -> Database:
    """A clean, migrated database without rows."""
    return copy_of(migrated_template)


@pytest.fixture
def owner(database: Database) -> Iterator[Database]:
    """The database as its owner sees it, who is no superuser."""
    role = f"owner_of_{database.name}"
    database.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'only for tests' NOSUPERUSER NOBYPASSRLS",
        f'ALTER DATABASE "{database.name}" OWNER TO {role}',
        f"ALTER SCHEMA public OWNER TO {role}",
        f"""DO $$ DECLARE relation regclass; BEGIN
            FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO {role}', relation);
            END LOOP; END $$""",
    )
    yield Database(database.name, {"user": role, "password": "only for tests"})
    database.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER", f"DROP OWNED BY {role}", f"DROP ROLE {role}")
