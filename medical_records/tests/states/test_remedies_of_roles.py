"""Remedies for what the role may not do, and for what a server, a session or the history prevents, run as they are told."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import override_settings

from clinic_project.reconciliation import extensions
from clinic_project.reconciliation.management.console import ConsoleReporter
from clinic_project.reconciliation.tests.support.catalog import row_versions
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.remedies import (
    Remedy,
    each_remedy,
    has_met,
    printed_refusals,
    refusals_of,
    told_everywhere,
    tries,
    try_remedy,
)
from clinic_project.reconciliation.tests.support.roles import role_of

from .outcomes import Expectations
from .rows import ROWS

pytestmark = pytest.mark.slow  # each migrates several times

#: A difference that its owner could repair.
DAMAGED = "ALTER TABLE medical_records ALTER version DROP DEFAULT"

#: Somebody else owns the schema of the project.
NOT_ITS_SCHEMA = (
    "ALTER SCHEMA public OWNER TO CURRENT_USER",
    "REVOKE CREATE ON SCHEMA public FROM public",
    'GRANT USAGE ON SCHEMA public TO :"role"',
)

NO_FOREIGN_KEY = """
    DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE medical_records DROP CONSTRAINT %I', conname) FROM pg_constraint
    WHERE conrelid = 'medical_records'::regclass AND confrelid = 'patients'::regclass); END $$
"""

SEQUENCE_OF_OTHERS = (
    "ALTER TABLE medical_records ALTER id DROP IDENTITY",
    "CREATE SCHEMA numbers",
    "CREATE SEQUENCE numbers.of_records START 1000",
    "ALTER TABLE medical_records ALTER id SET DEFAULT nextval('numbers.of_records')",
)

EVERYTHING_TO_CLINIC_DATA = """
    DO $$ DECLARE relation text; BEGIN
        CREATE SCHEMA clinic_data;
        FOR relation IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER TABLE public.%I SET SCHEMA clinic_data', relation);
        END LOOP; END $$
"""

ROLES = {
    "a table of another owner": Remedy(
        (),
        "a table of another owner",
        prepared=(DAMAGED, "ALTER TABLE medical_records OWNER TO CURRENT_USER"),
    ),
    "a table that inherits is another owner's": Remedy(
        (),
        "a child of another owner",
        prepared=(DAMAGED, "CREATE TABLE old_records () INHERITS (medical_records)"),
    ),
    "it may not change the rows of its own table": Remedy(
        (),
        "reading and changing rows",
        prepared=(
            "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
            "UPDATE medical_records SET is_deleted = NULL WHERE id < 4",
            'REVOKE ALL ON medical_records FROM :"role"',
        ),
        converted=("medical_records.is_deleted",),
    ),
    "it may not add to another owner's history": Remedy(
        (),
        "reading and changing rows of another owner",
        prepared=(
            "DELETE FROM django_migrations WHERE app = 'sessions'",
            "ALTER TABLE django_migrations OWNER TO CURRENT_USER",
            'GRANT SELECT ON django_migrations TO :"role"',
        ),
    ),
    "another owner has to alter a table": Remedy(
        (),
        "altered by its owner",
        prepared=(
            "ALTER TABLE patient_photos SET UNLOGGED",
            "ALTER TABLE patient_photos OWNER TO CURRENT_USER",
            'GRANT SELECT ON patient_photos TO :"role"',
        ),
    ),
    "it may not create in the project's schema": Remedy(
        (),
        "CREATE on the project's schema",
        prepared=("DROP INDEX idx_medical_records_created", *NOT_ITS_SCHEMA),
    ),
    "it may not create temporary tables": Remedy(
        (), "TEMPORARY", prepared=(DAMAGED, 'REVOKE TEMPORARY ON DATABASE :"db" FROM public, :"role"')
    ),
    "it may not use the project's schema": Remedy(
        (),
        "USAGE on the schema",
        prepared=(EVERYTHING_TO_CLINIC_DATA, 'ALTER DATABASE :"db" SET search_path = clinic_data, public'),
    ),
    "it may not reference a parent": Remedy(
        (NO_FOREIGN_KEY,),
        "REFERENCES",
        prepared=("ALTER TABLE patients OWNER TO CURRENT_USER", 'GRANT SELECT ON patients TO :"role"'),
    ),
    "row-level security hides rows of a parent": Remedy(
        (NO_FOREIGN_KEY,),
        "hidden from another role",
        prepared=(
            "ALTER TABLE patients OWNER TO CURRENT_USER",
            'GRANT SELECT, REFERENCES ON patients TO :"role"',
            "ALTER TABLE patients ENABLE ROW LEVEL SECURITY",
        ),
    ),
    "it may not use a sequence": Remedy(
        (), "a sequence", prepared=(*SEQUENCE_OF_OTHERS, "GRANT USAGE ON SCHEMA numbers TO PUBLIC")
    ),
    "it may not use a sequence and its schema": Remedy((), "a sequence and its schema", prepared=SEQUENCE_OF_OTHERS),
    "another owner has to alter a sequence": Remedy(
        (),
        "a sequence of another owner",
        prepared=(
            *SEQUENCE_OF_OTHERS,
            "GRANT USAGE ON SCHEMA numbers TO PUBLIC",
            "GRANT ALL ON SEQUENCE numbers.of_records TO PUBLIC",
            "ALTER SEQUENCE numbers.of_records MAXVALUE 3000",
        ),
    ),
    "its transactions are read-only": Remedy(
        (),
        "read-only transactions",
        prepared=(
            DAMAGED,
            'ALTER ROLE :"role" SET default_transaction_read_only = on',
        ),
    ),
    "the path doesn't have the project's schema": Remedy(
        (),
        "a schema off the path",
        prepared=(
            DAMAGED,
            'ALTER DATABASE :"db" SET search_path = gone',
        ),
    ),
    "two schemas off the path have the project": Remedy(
        (),
        "several schemas off the path",
        prepared=(
            DAMAGED,
            "CREATE SCHEMA other",
            "CREATE TABLE other.django_migrations (id bigint PRIMARY KEY)",
            'ALTER DATABASE :"db" SET search_path = gone',
        ),
        person=('ALTER ROLE :"role" IN DATABASE :"db" SET search_path = public',),
        says=("Choose the schema that is this project's",),
    ),
}


@each_remedy(ROLES)
def test_41_roles(remedy: Remedy, database: Database, owner: Database):
    try_remedy(remedy, database, owner)


@tries("a role that owns nothing")
@pytest.mark.parametrize("damage", [DAMAGED, "DROP INDEX idx_medical_records_created", "DROP TABLE patient_photos"])
def test_41_a_role_that_owns_nothing(damage: str, database: Database, owner: Database, expected: Expectations):
    """As the server's may be: it is told who migrates, and not what would have to be granted to it."""
    with role_of(database, "web") as web:
        owner.execute(
            damage, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {web.role['user']}"
        )
        told = printed_refusals(web.migrate())
        assert [refusal["remedy"].strip() for refusal in told] == [f"Run migrate as {owner.role['user']}."]
        assert len(refusals_of(web)) == 1
        assert owner.migrate().status == 0
        expected.is_declared(database)
    has_met("a role that owns nothing", told)


NO_SCHEMAS = {
    "the role may create in none, and its own is on the path": Remedy(
        (), "a schema of its own", prepared=('ALTER DATABASE :"db" SET search_path = others, "$user"',)
    ),
    "the role may create in none": Remedy(
        (), "a schema of its own, on the path", prepared=('ALTER DATABASE :"db" SET search_path = others, public',)
    ),
    "there is none": Remedy((), "no such schema", prepared=('ALTER DATABASE :"db" SET search_path = gone',)),
    "the first one is PostgreSQL's own": Remedy(
        (), "PostgreSQL's own schema", prepared=('ALTER DATABASE :"db" SET search_path = pg_catalog',)
    ),
}


@each_remedy(NO_SCHEMAS)
@pytest.mark.parametrize("may_create_schemas", [True, False])
def test_41_an_empty_database_without_a_schema(may_create_schemas: bool, remedy: Remedy, empty_database: Database):
    """A role that may create none itself is told who may."""
    with role_of(empty_database) as role:
        empty_database.execute(
            "CREATE SCHEMA others",
            "GRANT USAGE ON SCHEMA others TO PUBLIC",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
        if may_create_schemas:
            empty_database.execute(f'GRANT CREATE ON DATABASE "{empty_database.name}" TO {role.role["user"]}')
        elif remedy.way == "PostgreSQL's own schema":
            empty_database.execute(f"GRANT CREATE ON SCHEMA public TO {role.role['user']}")
        try_remedy(remedy, empty_database, role)


@tries("a fixed path")
def test_41_the_connection_has_a_path_of_its_own(database: Database, owner: Database, monkeypatch: pytest.MonkeyPatch):
    options = {**connection.settings_dict["OPTIONS"], "options": "-c search_path=gone"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    remedy = Remedy((DAMAGED,), "a fixed path", says=('put "public" first there',))
    try_remedy(remedy, database, owner, decide=lambda: options.update(options="-c search_path=public,gone"))


@tries("locked")
def test_41_another_session_holds_a_lock(database: Database, owner: Database):
    settings = {"apps": "*", "lock_budget": 1, "build_budget": 1, "migration_budget": 2}
    with override_settings(RECONCILIATION=settings), contextlib.closing(owner.connect()) as other:
        with other.cursor() as cursor:
            cursor.execute(DAMAGED)
            cursor.execute("BEGIN; LOCK TABLE medical_records IN ACCESS SHARE MODE")
        remedy = Remedy((), "locked", says=(f"pid {other.get_backend_pid()}", "Wait until these sessions end"))
        end = f"SELECT pg_terminate_backend({other.get_backend_pid()})"
        try_remedy(remedy, database, owner, decide=lambda: owner.execute(end))


#: A content type that Django adds again.
ONE_CONTENT_TYPE_LESS = (
    "DELETE FROM auth_permission WHERE content_type_id IN (SELECT id FROM django_content_type WHERE model = 'patientphoto')",
    "DELETE FROM django_content_type WHERE model = 'patientphoto'",
)


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        ("django_migrations", ("DELETE FROM django_migrations WHERE app = 'sessions'",)),
        ("django_content_type", ONE_CONTENT_TYPE_LESS),
        ("auth_permission", ("DELETE FROM auth_permission WHERE codename = 'view_patientphoto'",)),
    ],
)
@tries("a column of Django's table that Django doesn't know")
def test_41_a_column_that_django_does_not_fill(
    table: str, missing: tuple[str, ...], database: Database, owner: Database
):
    """It is told before anything is changed, where Django has to add a row."""
    required = (
        f"ALTER TABLE {table} ADD more text NOT NULL DEFAULT 'x'",
        f"ALTER TABLE {table} ALTER more DROP DEFAULT",
    )
    owner.execute(*required)
    outcome = owner.migrate()
    assert outcome.status == 0, "no row is added"
    owner.execute(*missing, DAMAGED)
    told_everywhere(owner, "column-without-value", "more")
    before = row_versions(database)
    remedy = Remedy((), "a column of Django's table that Django doesn't know", says=("before repairs can begin",))
    assert owner.migrate().status == 1
    assert row_versions(database) == before
    try_remedy(remedy, database, owner)


@tries("Django's row lacks a value")
def test_41_a_column_that_a_handler_of_django_does_not_fill(database: Database, owner: Database):
    """What other handlers of post_migrate add isn't known before."""
    database.execute(
        "ALTER TABLE django_session ADD more text NOT NULL DEFAULT 'x'",
        "ALTER TABLE django_session ALTER more DROP DEFAULT",
    )
    before = fingerprints(database)
    with _adding_a_session():
        (told,) = printed_refusals(owner.migrate())
        (statement,) = re.findall(r"or run (ALTER .*?), then", told["remedy"])
        assert lost_or_changed(database, before, {}) == []
        owner.execute(statement)
        assert owner.migrate().status == 0
    has_met("Django's row lacks a value", [{**told, "statements": (statement,)}])


@contextlib.contextmanager
def _adding_a_session() -> Iterator[None]:
    def add(**kwargs: object) -> None:
        now = datetime.now(UTC)
        Session.objects.get_or_create(session_key="x", defaults={"session_data": "", "expire_date": now})

    post_migrate.connect(add)
    try:
        yield
    finally:
        post_migrate.disconnect(add)


@tries("Django's statement fails")
def test_41_a_trigger_that_does_not_let_django_add_rows(database: Database, owner: Database):
    owner.execute(
        *ONE_CONTENT_TYPE_LESS,
        "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more of these'; END $$",
        "CREATE TRIGGER forbid BEFORE INSERT ON django_content_type FOR EACH ROW EXECUTE FUNCTION forbid()",
    )
    (told,) = printed_refusals(owner.migrate())
    owner.execute("DROP TRIGGER forbid ON django_content_type")
    assert owner.migrate().status == 0
    has_met("Django's statement fails", [told])


@tries("nothing can be read")
def test_41_nothing_can_be_compared(database: Database, owner: Database):
    remedy = Remedy(
        (DAMAGED,),
        "nothing can be read",
        prepared=(
            "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no tables'; END $$",
            "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
        ),
        person=("DROP EVENT TRIGGER forbid",),
        says=("no tables",),
    )
    try_remedy(remedy, database, owner)


@tries("an extension")
def test_41_an_extension_that_only_a_superuser_creates(
    database: Database, owner: Database, monkeypatch: pytest.MonkeyPatch
):
    name = database.value(
        "SELECT name FROM pg_available_extension_versions WHERE superuser AND NOT trusted AND NOT installed"
        " AND requires IS NULL ORDER BY name LIMIT 1"
    )
    monkeypatch.setattr(extensions, "created_extensions", lambda: {("auth", "0001_initial"): [name]})
    try_remedy(Remedy((DAMAGED,), "an extension"), database, owner)


@pytest.fixture
def late_nulls(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Another session writes a NULL whenever all were set, until this is called."""
    finished = ConsoleReporter.finished

    def finish(self, step, seconds, rows):
        finished(self, step, seconds, rows)
        if step.backfill is not None:
            database.execute("UPDATE old_photos SET is_deleted = NULL WHERE id = 4")

    with monkeypatch.context() as patched:
        patched.setattr(ConsoleReporter, "finished", finish)
        yield patched.undo


@tries("NULLs that come back")
def test_41_nulls_that_another_session_writes(database: Database, owner: Database, late_nulls: Callable[[], None]):
    remedy = Remedy(
        (
            "ALTER TABLE patient_photos ALTER is_deleted DROP NOT NULL",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_is_deleted_not_null NOT NULL is_deleted NO INHERIT",
            "CREATE TABLE old_photos () INHERITS (patient_photos)",
            "INSERT INTO old_photos SELECT * FROM patient_photos",
            "UPDATE old_photos SET is_deleted = NULL WHERE id = 4",
        ),
        "NULLs that come back",
        says=("Find what sets it to NULL again",),
        converted=("old_photos.is_deleted", "patient_photos.is_deleted"),
        since=180000,
    )
    try_remedy(remedy, database, owner, decide=late_nulls)


# The history: of an app that is reconciled, its statements let migrate repair; else only a person can

UNRECORDED = (
    "DELETE FROM django_migrations WHERE app = 'sessions'",
    "ALTER TABLE django_session ADD more integer NOT NULL DEFAULT 1",
    "ALTER TABLE django_session ALTER more DROP DEFAULT",
)
#: Rows of auth's tables point to these.
LOST = (
    "CREATE TABLE backup AS TABLE django_content_type",
    "DELETE FROM django_migrations WHERE app = 'contenttypes'",
    "DROP TABLE django_content_type CASCADE",
)
RESTORED = (
    """CREATE TABLE IF NOT EXISTS django_content_type (
           id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
           app_label varchar(100) NOT NULL,
           model varchar(100) NOT NULL,
           CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model))""",
    'ALTER TABLE django_content_type OWNER TO :"role"',
    "INSERT INTO django_content_type SELECT id, app_label, model FROM backup",
    "SELECT setval(pg_get_serial_sequence('django_content_type', 'id'), max(id)) FROM backup",
    "DROP TABLE backup",
)
HISTORIES = {
    "unrecorded migrations of a reconciled app": Remedy(
        (*UNRECORDED, "DROP INDEX django_session_expire_date_a5c62663"), "unrecorded migrations of a reconciled app"
    ),
    "unrecorded migrations": Remedy(
        UNRECORDED,
        "unrecorded migrations",
        person=("ALTER TABLE django_session DROP more",),
        says=("Alter them to match one of its migrations",),
    ),
    "unrecorded dependencies of a reconciled app": Remedy(
        LOST, "unrecorded dependencies of a reconciled app", person=RESTORED, says=("Restore its tables",)
    ),
    "unrecorded dependencies": Remedy(
        LOST, "unrecorded dependencies", person=RESTORED, says=("Restore its tables, perhaps from a backup",)
    ),
}


@each_remedy(HISTORIES)
def test_41_histories(remedy: Remedy, database: Database, owner: Database):
    database.execute(f"INSERT INTO django_session SELECT md5(n::text), '', now() FROM generate_series(1, {ROWS}) n")
    apps = "*" if "reconciled" in remedy.way else ["medical_records"]
    with override_settings(RECONCILIATION={"apps": apps}):
        try_remedy(remedy, database, owner)
