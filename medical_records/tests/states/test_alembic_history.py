"""Tables that SQLAlchemy's models and Alembic's migrations made (state 27)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clinic_project.reconciliation.tests.support.catalog import (
    Key,
    object_ids,
    read_catalog,
)
from clinic_project.reconciliation.tests.support.databases import Database, temporary_database

from .outcomes import Expectations
from .rows import insert_rows
from .tables import TABLES

SCRIPT = (Path(__file__).parent / "alembic_history.sql").read_text()


#: What of alembic_history.sql is renamed, or replaced by a declared foreign key with another action. The rest is kept.
RENAMED = {
    "ix_medical_record_templates_clinic_id",
    "ix_medical_records_appointment_id",
    "ix_patient_photos_patient_id",
    "ix_patient_photos_medical_record_id",
    "ix_calendar_events_date_type",
    "ix_appointments_patient_id",
}


OTHER_ACTION = (
    "fk_templates_updated_by",
    "medical_records_appointment_id_fkey",
    "user_clinic_associations_user_id_fkey",
    "user_clinic_associations_clinic_id_fkey",
    "fk_appointments_calendar_event",
)


BOOLEANS = {
    "medical_record_templates.is_deleted": "false",
    "medical_records.is_deleted": "false",
    "patient_photos.is_deleted": "false",
    "patient_photos.is_pending": "true",
    "users.is_active": "true",
    "patients.is_deleted": "false",
}


#: Older states of the same history: what its last revisions hadn't made yet, or lost again.
AGES = {
    "of today": (),
    "before updated_at": (
        "ALTER TABLE patient_photos DROP updated_at, DROP updated_by_user_id",
        "UPDATE alembic_version SET version_num = '202601150000'",
    ),
    "before the indexes": (
        "DROP INDEX idx_medical_records_updated, idx_medical_records_created, idx_patient_photos_dedup",
        "DROP INDEX idx_medical_records_deleted, ix_medical_record_templates_clinic_id, idx_patient_photos_deleted",
        "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER created_at DROP DEFAULT",
        "ALTER TABLE patient_photos ALTER is_pending DROP DEFAULT",
        "ALTER TABLE medical_record_templates DROP CONSTRAINT medical_record_templates_clinic_id_fkey",
    ),
    "templates were never made": (
        "TRUNCATE medical_records CASCADE",
        "DROP TABLE medical_record_templates CASCADE",
    ),
    "before photos": ("DROP TABLE patient_photos",),
}


@pytest.fixture(scope="module")
def alembic_template(unblocked: None) -> Iterator[Database]:
    with temporary_database() as template:
        template.execute(SCRIPT)
        # The other system's users have no passwords, and its memberships no titles: those columns are ours.
        template.execute(*_OURS)
        insert_rows(template)
        template.execute(*_WITHOUT_OURS, *_NULLS)
        yield template


class TestState27AlembicHistory:
    """The tables were made by SQLAlchemy's models and Alembic."""

    @pytest.mark.parametrize("age", AGES)
    @pytest.mark.slow
    def test_27_is_adopted(
        self,
        age: str,
        alembic_template: Database,
        copy_of: Callable[[Database], Database],
        expected: Expectations,
    ):
        database = copy_of(alembic_template)
        database.execute(*AGES[age])
        kept = kept_objects(database, expected)
        backfilled = {place: value for place, value in BOOLEANS.items() if column_is_there(database, place)}
        expected.converges(database, keeping=lambda key: key in kept, backfilled=backfilled)
        assert database.value("SELECT count(*) FROM alembic_version") == 1
        for table in ("line_users", "appointment_types"):
            assert database.value("SELECT to_regclass(%s) IS NOT NULL", [table])

    def test_27_a_rename_rebuilds_nothing(
        self, alembic_template: Database, copy_of: Callable[[Database], Database], expected: Expectations
    ):
        """The indexes that are right but for their names are the same files afterwards."""
        database = copy_of(alembic_template)
        files = set(object_ids(database, RENAMED | {"medical_records_pkey", "ix_users_email"}).values())
        tables = object_ids(database, TABLES)
        assert database.migrate().status == 0
        now = database.rows("SELECT oid::bigint, relfilenode::bigint FROM pg_class WHERE relkind = 'i'")
        assert files <= set(now)
        assert object_ids(database, TABLES) == tables, "a table was rewritten"

    @pytest.mark.slow
    def test_27_as_a_process(
        self, alembic_template: Database, copy_of: Callable[[Database], Database], expected: Expectations
    ):
        database = copy_of(alembic_template)
        assert database.run("reconcile", "--database", "default", "--check").status == 1
        assert database.run("migrate").status == 0
        assert database.run("reconcile", "--check").status == 0


_OURS = (
    "ALTER TABLE users ADD password varchar(128), ADD last_login timestamptz, ADD is_staff boolean",
    "ALTER TABLE clinics ADD is_active boolean",
    "ALTER TABLE user_clinic_associations ADD title varchar(50)",
)


_WITHOUT_OURS = (
    "ALTER TABLE users DROP password, DROP last_login, DROP is_staff",
    "ALTER TABLE clinics DROP is_active",
    "ALTER TABLE user_clinic_associations DROP title",
)


_NULLS = (
    "UPDATE medical_record_templates SET is_deleted = NULL WHERE id % 7 = 0",
    "UPDATE medical_records SET is_deleted = NULL WHERE id % 2 = 0",
    "UPDATE patient_photos SET is_deleted = NULL, is_pending = NULL WHERE id % 5 = 0",
    "UPDATE users SET is_active = NULL WHERE id % 9 = 0",
    "UPDATE clinics SET line_channel_id = 'line-' || id, trial_ends_at = created_at + interval '30 days'",
)


def kept_objects(database: Database, expected: Expectations) -> set[Key]:
    """Return the undeclared objects that must stay: all that aren't renamed to, or replaced by, a declared one."""
    undeclared = {key for key in read_catalog(database, TABLES) if key not in expected.clean}
    return {
        key
        for key in undeclared
        if key.kind not in ("constraint", "index") or not (key.name in RENAMED or turns_into_declared(key))
    }


def turns_into_declared(key: Key) -> bool:
    declared_columns = {
        "clinic_id",
        "patient_id",
        "template_id",
        "appointment_id",
        "medical_record_id",
        "user_id",
        "created_by_user_id",
        "updated_by_user_id",
        "uploaded_by_user_id",
    }
    by_postgres = {f"{key.table}_{column}_fkey" for column in declared_columns}
    return key.name in by_postgres or key.name in OTHER_ACTION or key.name == "ix_users_email"


def column_is_there(database: Database, place: str) -> bool:
    table, column = place.split(".")
    return bool(
        database.rows(
            "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
            [table, column],
        )
    )
