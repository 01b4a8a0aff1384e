"""A parent table is missing (state 26)."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection
from django.test import override_settings

from clinic_project.reconciliation.tests.support.catalog import (
    object_ids,
)
from clinic_project.reconciliation.tests.support.databases import (
    Database,
    default_connection_to,
)

from .outcomes import MIGRATIONS, Expectations, recorded
from .tables import MEDICAL_TABLES

PARENTS = ("users", "clinics", "user_clinic_associations", "patients", "calendar_events", "appointments")


class TestState26MissingParents:
    """A parent table is missing, and no app of this project creates it: another system does, at some time."""

    @pytest.fixture(autouse=True)
    def parents_of_another_system(self, unblocked: None) -> Iterator[None]:
        with override_settings(MIGRATION_MODULES={"clinics": f"{__package__}.unmanaged_clinics"}):
            yield

    def test_26_none_is_there(self, empty_database: Database, database: Database, expected: Expectations):
        """`migrate` succeeds, names them in a warning, and creates nothing. Once they are there, it goes on."""
        # Not all apps: the admin's log needs users, and isn't an app of ours.
        outcome = empty_database.migrate("medical_records")
        assert outcome.status == 0, outcome.printed
        for parent in ("users", "clinics", "patients", "appointments"):
            assert parent in outcome.printed
        assert not object_ids(empty_database, MEDICAL_TABLES)
        make_parents(empty_database, PARENTS)
        assert empty_database.migrate().status == 0
        expected.is_declared(empty_database)

    def test_26_one_is_missing(self, empty_database: Database, expected: Expectations):
        """The tables that need appointments are left out; the others are created."""
        make_parents(empty_database, PARENTS[:-1])
        outcome = empty_database.migrate()
        assert outcome.status == 0, outcome.printed
        assert "appointments" in outcome.printed
        assert object_ids(empty_database, MEDICAL_TABLES).keys() == {"medical_record_templates"}
        make_parents(empty_database, PARENTS[-1:])
        assert empty_database.migrate().status == 0
        expected.is_declared(empty_database)
        of_clinics = {migration for migration in MIGRATIONS if migration[0] == "clinics"}
        assert recorded(empty_database) == MIGRATIONS - of_clinics | {
            ("clinics", "0001_initial"),
            ("clinics", "0003_history"),
        }

    def test_26_a_parent_is_dropped_later(self, empty_database: Database, expected: Expectations):
        make_parents(empty_database, PARENTS)
        assert empty_database.migrate().status == 0
        empty_database.execute("DROP TABLE appointments CASCADE")
        outcome = empty_database.migrate()
        assert outcome.status == 0, outcome.printed
        assert "appointments" in outcome.printed
        make_parents(empty_database, PARENTS[-1:])
        assert empty_database.migrate().status == 0
        expected.is_declared(empty_database)


class TestState26MissingParentsOfOurs:
    """A parent table is missing that our own app creates: it is created like any other."""

    def test_26_appointments(self, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute("DROP TABLE appointments CASCADE")
        expected.converges(database_without_rows)

    @pytest.mark.parametrize("parent", ["clinics", "patients", "users"])
    def test_26_and_nothing_is_recorded(self, parent: str, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute(f"DROP TABLE {parent} CASCADE", "DELETE FROM django_migrations")
        database_without_rows.execute(
            "DROP TABLE django_admin_log, auth_permission, auth_group, auth_group_permissions CASCADE"
        )
        database_without_rows.execute("DROP TABLE django_content_type, django_session CASCADE")
        expected.converges(database_without_rows)


def make_parents(database: Database, tables: tuple[str, ...]) -> None:
    """Make `tables` as the declared schema has them, by Django's own editor."""
    models = {model._meta.db_table: model for model in apps.get_app_config("clinics").get_models()}
    with default_connection_to(database), connection.schema_editor() as editor:
        for table in tables:
            editor.create_model(models[table])
