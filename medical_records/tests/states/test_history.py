"""What was done to the database before us, by others and by ourselves (states 26 to 30)."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import DatabaseError, connection
from django.test import override_settings

from clinic_project.reconciliation.tests.support.catalog import (
    Key,
    dropping_constraints,
    foreign_key,
    object_ids,
    read_catalog,
)
from clinic_project.reconciliation.tests.support.databases import (
    Database,
    create_database,
    default_connection_to,
    drop_database,
)
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.interruptions import Killed, killed_at

from .outcomes import MIGRATIONS, Expectations, recorded
from .rows import fill
from .tables import MEDICAL_TABLES, TABLES

PARENTS = ("users", "clinics", "user_clinic_associations", "patients", "calendar_events", "appointments")


class TestState26MissingParents:
    """A parent table is missing, and no app of this project makes it: another system does, in its own time."""

    @pytest.fixture(autouse=True)
    def parents_of_another_system(self, unblocked: None) -> Iterator[None]:
        with override_settings(MIGRATION_MODULES={"clinics": f"{__package__}.unmanaged_clinics"}):
            yield

    def test_26_none_is_there(self, empty_database: Database, database: Database, expected: Expectations):
        """A safe exit: success, a warning that names them, nothing half made. Once they are there, we go on."""
        # Not all apps: the admin's log needs users, and that is no app of ours.
        outcome = empty_database.migrate("medical_records")
        assert outcome.status == 0, outcome.printed
        for parent in ("users", "clinics", "patients", "appointments"):
            assert parent in outcome.printed
        assert not object_ids(empty_database, MEDICAL_TABLES)
        make_parents(empty_database, PARENTS)
        assert empty_database.migrate().status == 0
        expected.is_declared(empty_database)

    def test_26_one_is_missing(self, empty_database: Database, expected: Expectations):
        """The tables that need appointments wait; the others are made."""
        make_parents(empty_database, PARENTS[:-1])
        outcome = empty_database.migrate()
        assert outcome.status == 0, outcome.printed
        assert "appointments" in outcome.printed
        assert object_ids(empty_database, MEDICAL_TABLES).keys() == {"medical_record_templates"}
        make_parents(empty_database, PARENTS[-1:])
        assert empty_database.migrate().status == 0
        expected.is_declared(empty_database)
        assert recorded(empty_database) == MIGRATIONS

    def test_26_a_parent_goes_later(self, empty_database: Database, expected: Expectations):
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
    """A parent table is missing that our own app makes: it comes back like any other."""

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


SCRIPT = (Path(__file__).parent / "foreign_history.sql").read_text()

#: What of foreign_history.sql gives way, by a rename or for a declared twin of another action; all the rest is kept.
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
#: Older states of the same history: what its last revisions had not brought yet, or lost again.
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
def foreign_template(unblocked: None) -> Iterator[Database]:
    template = create_database()
    try:
        template.execute(SCRIPT)
        # The other system's users had no passwords here, its memberships no title: those columns are ours.
        template.execute(*_OURS)
        fill(template)
        template.execute(*_WITHOUT_OURS, *_NULLS)
        yield template
    finally:
        drop_database(template)


class TestState27ForeignHistory:
    """The tables were made by SQLAlchemy's models and Alembic."""

    @pytest.mark.parametrize("age", AGES)
    def test_27_is_adopted(
        self,
        age: str,
        foreign_template: Database,
        copy_of: Callable[[Database], Database],
        expected: Expectations,
    ):
        database = copy_of(foreign_template)
        database.execute(*AGES[age])
        kept = theirs(database, expected)
        backfilled = {place: value for place, value in BOOLEANS.items() if column_is_there(database, place)}
        expected.converges(database, keeping=lambda key: key in kept, backfilled=backfilled)
        assert database.value("SELECT count(*) FROM alembic_version") == 1
        for table in ("line_users", "appointment_types"):
            assert database.value("SELECT to_regclass(%s) IS NOT NULL", [table])

    def test_27_a_rename_rebuilds_nothing(
        self, foreign_template: Database, copy_of: Callable[[Database], Database], expected: Expectations
    ):
        """The indexes that are right but for their names are the same files afterwards."""
        database = copy_of(foreign_template)
        files = set(object_ids(database, RENAMED | {"medical_records_pkey", "ix_users_email"}).values())
        tables = object_ids(database, TABLES)
        assert database.migrate().status == 0
        now = database.rows("SELECT oid::bigint, relfilenode::bigint FROM pg_class WHERE relkind = 'i'")
        assert files <= set(now)
        assert object_ids(database, TABLES) == tables, "a table was rewritten"

    def test_27_as_a_process(
        self, foreign_template: Database, copy_of: Callable[[Database], Database], expected: Expectations
    ):
        database = copy_of(foreign_template)
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


def theirs(database: Database, expected: Expectations) -> set[Key]:
    """Return the strangers that must stay: all but what a rename or a replacement turns into a declared object."""
    strangers = {key for key in read_catalog(database, TABLES) if key not in expected.clean}
    return {
        key
        for key in strangers
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


class TestState28LostRecords:
    """django_migrations is gone, or holds only some of our rows."""

    @pytest.mark.parametrize(
        "lost",
        [
            "DELETE FROM django_migrations WHERE app = 'clinics'",
            "DELETE FROM django_migrations WHERE app = 'medical_records'",
            "DELETE FROM django_migrations WHERE app IN ('clinics', 'medical_records')",
        ],
        ids=["clinics", "medical_records", "both"],
    )
    def test_28_some_rows(self, lost: str, database: Database, expected: Expectations):
        """Other apps' rows are still there, the admin's among them, which depends on ours: no reason to stop."""
        before = object_ids(database, TABLES)
        database.execute(lost)
        expected.converges(database)
        assert object_ids(database, TABLES) == before

    def test_28_some_rows_and_damage(self, database: Database, expected: Expectations):
        database.execute(
            "DELETE FROM django_migrations WHERE app = 'clinics'",
            "ALTER TABLE medical_records DROP COLUMN deleted_at, ALTER version DROP NOT NULL",
            "DROP INDEX idx_patients_clinic_phone",
        )
        expected.converges(database)

    @pytest.mark.parametrize("option", ["--plan", "--check"])
    def test_28_some_rows_and_a_look(self, option: str, database: Database, expected: Expectations):
        """Looking says what the run that records them again will do, and changes nothing."""
        database.execute("DELETE FROM django_migrations WHERE app = 'clinics'")
        outcome = database.manage("migrate", option)
        assert outcome.status != 0
        assert "applied before its dependency" in outcome.errors
        assert "Traceback" not in outcome.printed
        expected.converges(database)

    def test_28_the_whole_table(self, database: Database, expected: Expectations):
        """Django's own apps can't adopt their tables; ours can, one by one or together."""
        database.execute("DROP TABLE django_migrations")
        outcome = database.migrate("clinics")
        assert outcome.status == 0, outcome.printed
        outcome = database.migrate("medical_records")
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert recorded(database) == MIGRATIONS
        assert database.manage("migrate", "--fake").status == 0
        expected.converges(database)

    @pytest.mark.parametrize(
        ("lost", "remedy"),
        [
            (
                ("ALTER TABLE django_content_type RENAME TO aside",),
                ("ALTER TABLE aside RENAME TO django_content_type",),
            ),
            (
                (
                    "ALTER TABLE django_content_type ADD more int DEFAULT 1 NOT NULL",
                    "ALTER TABLE django_content_type ALTER more DROP DEFAULT",
                ),
                ("ALTER TABLE django_content_type DROP more",),
            ),
        ],
        ids=["gone", "otherwise"],
    )
    def test_28_another_apps_tables_say_otherwise(
        self, lost: tuple[str, ...], remedy: tuple[str, ...], database: Database, expected: Expectations
    ):
        """Others that are recorded rest on it: a person has to see to that. Our own tables are repaired meanwhile."""
        database.execute("DELETE FROM django_migrations WHERE app = 'contenttypes'", *lost)
        expected.refuses(database, naming=(r"contenttypes \[history-lost\]", "django_content_type"), remedy=remedy)

    @pytest.mark.parametrize(
        "damage",
        [
            ("ALTER TABLE django_migrations ALTER id DROP IDENTITY",),
            ("SELECT setval('django_migrations_id_seq', 1)",),
            (
                "ALTER TABLE django_migrations RENAME TO django_migrations_before",
                "CREATE TABLE django_migrations AS TABLE django_migrations_before",
                "DROP TABLE django_migrations_before",
            ),
        ],
        ids=["without identity", "behind", "a bare copy"],
    )
    def test_28_no_row_can_be_added(self, damage: tuple[str, ...], database: Database, expected: Expectations):
        database.execute("DELETE FROM django_migrations WHERE app = 'medical_records'", *damage)
        expected.converges(database)
        assert database.value("SELECT count(DISTINCT id) = count(*) FROM django_migrations")


class TestState29RestoredDump:
    """A dump came back without what pg_dump writes last: keys, indexes, foreign keys."""

    LOST = ("medical_records", "patient_photos", "medical_record_templates", "patients")

    def indexes(self, database: Database) -> list[str]:
        return [
            f"DROP INDEX {name}"
            for (name,) in database.rows(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid::regclass::text = ANY (%s)",
                [list(TABLES)],
            )
        ]

    def foreign_keys_of_others(self, database: Database) -> list[str]:
        return [
            f"ALTER TABLE {table} DROP CONSTRAINT {name}"
            for table, name in database.rows(
                "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint WHERE contype = 'f'"
                " AND confrelid::regclass::text = ANY (%s) AND conrelid::regclass::text <> ALL (%s)",
                [list(TABLES), list(TABLES)],
            )
        ]

    def test_29_all_nine_tables(self, database: Database, expected: Expectations):
        database.execute(*self.foreign_keys_of_others(database), *dropping_constraints(database, TABLES))
        database.execute(*self.indexes(database))
        assert not database.rows("SELECT FROM pg_index WHERE indrelid::regclass::text = ANY (%s)", [list(TABLES)])
        expected.converges(database)

    def test_29_and_the_sequences_start_again(self, database: Database, expected: Expectations):
        database.execute(*self.foreign_keys_of_others(database), *dropping_constraints(database, TABLES))
        database.execute(
            *self.indexes(database),
            *(f"SELECT setval('{table}_id_seq', 1, false)" for table in TABLES if table != "appointments"),
        )
        expected.converges(database)

    def test_29_and_nothing_is_recorded(self, database: Database, expected: Expectations):
        database.execute(*dropping_constraints(database, MEDICAL_TABLES))
        database.execute("DELETE FROM django_migrations WHERE app IN ('clinics', 'medical_records')")
        expected.converges(database)


class TestState30OurOwnLeftovers:
    """A run of ours was killed between two statements: what it left is recognised, finished or removed."""

    DAMAGE = (
        "DROP INDEX idx_medical_records_created",
        "CREATE INDEX idx_medical_records_created ON medical_records (updated_at)",
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
        "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    )

    @pytest.mark.parametrize(
        "last_words",
        [
            "VALIDATE CONSTRAINT",
            "SET NOT NULL",
            "DROP CONSTRAINT",
            "CREATE INDEX CONCURRENTLY",
            "RENAME TO",
            "DROP INDEX",
        ],
    )
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_30_is_finished(self, last_words: str, moment: str, database: Database, expected: Expectations):
        name = foreign_key(database, "medical_records", "patient_id")
        database.execute(*self.DAMAGE, f'ALTER TABLE medical_records DROP CONSTRAINT "{name}"')
        backfilled = {"medical_records.is_deleted": "false"}
        before = fingerprints(database, backfilled)
        with killed_at(last_words, moment) as interrupted, contextlib.suppress(Killed, DatabaseError):
            database.migrate()
        assert interrupted, f"no statement has {last_words}"
        assert lost_or_changed(database, before, backfilled) == []
        expected.converges(database, backfilled=backfilled)

    def test_30_a_foreign_key_not_valid(self, database: Database, expected: Expectations):
        name = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            f'ALTER TABLE patient_photos DROP CONSTRAINT "{name}"',
            f'ALTER TABLE patient_photos ADD CONSTRAINT "{name}" FOREIGN KEY (patient_id) REFERENCES patients '
            "DEFERRABLE INITIALLY DEFERRED NOT VALID",
        )
        expected.converges(database)
