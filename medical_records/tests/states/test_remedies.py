"""Every remedy is run as it is told: the `statements` of `reconcile --json`, then `migrate` converges and no row is lost."""

import contextlib
from dataclasses import dataclass

import psycopg2
import pytest
from django.test import override_settings

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .remedies import refusals_of, run_remedies
from .rows import ROWS

pytestmark = pytest.mark.slow  # each migrates several times

#: A remedy may bring the next thing to light.
ROUNDS = 3


@dataclass(frozen=True)
class Remedy:
    """A damage, the code of its refusal, what a person does before the statements and after them, and queries that are true
    in the end; `since` is the version of the server that has such a thing.

    `converted` are the columns, as table.column, whose values the remedy converts: all others stay to the letter.
    """

    damage: tuple[str, ...]
    code: str
    person: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    since: int = 0


def of_type(table: str, column: str, type_: str, using: str = "", **options: object) -> Remedy:
    """A column of another type; its default is dropped, as it may not have one of that type."""
    using = f" USING {using}" if using else ""
    damage = (
        f"ALTER TABLE {table} ALTER {column} DROP DEFAULT",
        f"ALTER TABLE {table} ALTER {column} TYPE {type_}{using}",
        *options.pop("then", ()),  # type: ignore[misc]
    )
    return Remedy(damage, "column-type", converted=(f"{table}.{column}",), **options)  # type: ignore[arg-type]


def flag(type_: str, using: str, default: str, *then: str, **options: object) -> Remedy:
    then = (f"ALTER TABLE patient_photos ALTER is_deleted SET DEFAULT {default}", *then)
    counted = f"SELECT count(*) FILTER (WHERE is_deleted) = {ROWS // 13} FROM patient_photos"
    options = {"checks": (counted,), **options}
    return of_type("patient_photos", "is_deleted", type_, using, then=then, **options)


TYPES = {
    "integer flags": flag("integer", "is_deleted::integer", "0"),
    "smallint flags": flag("smallint", "is_deleted::integer::smallint", "'0'"),
    "flags that are 0 or 1 by a check": flag(
        "smallint",
        "is_deleted::integer::smallint",
        "0",
        "ALTER TABLE patient_photos ADD CONSTRAINT flag CHECK (is_deleted IN (0, 1))",
    ),
    "flags between 0 and 1 by a check": flag(
        "integer",
        "is_deleted::integer",
        "0",
        "ALTER TABLE patient_photos ADD CONSTRAINT flag CHECK (is_deleted BETWEEN 0 AND 1)",
    ),
    "flags as text": flag("varchar(5)", "is_deleted::text", "'false'"),
    "flags as bits": flag("bit(1)", "is_deleted::integer::bit", "B'0'"),
    "flags that are neither 0 nor 1": flag(
        "integer",
        "is_deleted::integer",
        "0",
        "UPDATE patient_photos SET is_deleted = -1 WHERE id IN (13, 26)",
        person=("UPDATE patient_photos SET is_deleted = 1 WHERE is_deleted = -1",),
        says=("2 values don't fit (id ",),
    ),
    "a partial index for flags": flag(
        "integer",
        "is_deleted::integer",
        "0",
        "DROP INDEX idx_patient_photos_deleted",
        "CREATE INDEX idx_patient_photos_deleted ON patient_photos (clinic_id) WHERE is_deleted = 0",
    ),
    "roles as an array": Remedy(
        (
            "ALTER TABLE user_clinic_associations RENAME roles TO old",
            "ALTER TABLE user_clinic_associations ADD roles text[] NOT NULL DEFAULT '{}'",
            "UPDATE user_clinic_associations SET roles = ARRAY['admin', 'a,b', NULL] WHERE id % 5 = 0",
            "ALTER TABLE user_clinic_associations DROP old",
        ),
        "column-type",
        converted=("user_clinic_associations.roles",),
        checks=(
            """SELECT bool_and(roles = CASE id % 5 WHEN 0 THEN '["admin", "a,b", null]'::jsonb ELSE '[]' END)
               FROM user_clinic_associations""",
        ),
    ),
    "JSON as text": of_type(
        "medical_records",
        "values",
        "text",
        checks=("""SELECT bool_and(values -> md5(id::text) ->> 2 = '1e400') FROM medical_records""",),
    ),
    "text that isn't JSON": of_type(
        "medical_record_templates",
        "fields",
        "text",
        then=("UPDATE medical_record_templates SET fields = 'none' WHERE id = 3",),
        person=("UPDATE medical_record_templates SET fields = '[]' WHERE id = 3",),
    ),
    "json": of_type("medical_records", "template_snapshot", "json"),
    "instants without a zone": of_type(
        "medical_records",
        "created_at",
        "timestamp",
        "created_at AT TIME ZONE 'UTC'",
        then=("ALTER TABLE medical_records ALTER created_at SET DEFAULT now()",),
        says=("taken to be in UTC",),
        checks=("SELECT min(created_at) = '2025-03-01 08:37+00' FROM medical_records",),
    ),
    "instants as dates": of_type("medical_records", "deleted_at", "date", "NULL::date", says=("taken to be in UTC",)),
    "instants as text": of_type("patient_photos", "updated_at", "text"),
    "dates as text": of_type(
        "patients",
        "birthday",
        "text",
        then=("UPDATE patients SET birthday = '1950-04-08 10:00' WHERE id = 1",),
        person=("UPDATE patients SET birthday = '1950-04-08' WHERE id = 1",),
        says=("1 value doesn't fit",),
        checks=("SELECT birthday = '1950-04-08' FROM patients WHERE id = 1",),
    ),
    "dates as instants": of_type("patients", "birthday", "timestamp"),
    "times as text": of_type("calendar_events", "end_time", "text"),
    "numbers as text": of_type(
        "patient_photos",
        "size_bytes",
        "varchar(20)",
        then=("UPDATE patient_photos SET size_bytes = '' WHERE id = 5",),
        person=("UPDATE patient_photos SET size_bytes = 5 WHERE id = 5",),
        says=("1 value doesn't fit (id 5)",),
    ),
    "numbers with fractions": of_type(
        "patient_photos",
        "size_bytes",
        "numeric(12,2)",
        then=("UPDATE patient_photos SET size_bytes = 5.5 WHERE id = 5",),
        person=("UPDATE patient_photos SET size_bytes = 5 WHERE id = 5",),
        says=("1 value doesn't fit (id 5)",),
    ),
    "numbers as floats": of_type("patient_photos", "size_bytes", "double precision"),
    "smaller integers": of_type("medical_records", "version", "smallint"),
    "a key of small integers": Remedy(
        (
            "DELETE FROM patient_photos",
            "ALTER TABLE patient_photos ALTER id DROP IDENTITY, ALTER id TYPE smallint",
            "CREATE SEQUENCE small AS smallint START 300 OWNED BY patient_photos.id",
            "ALTER TABLE patient_photos ALTER id SET DEFAULT nextval('small')",
        ),
        "column-type",
    ),
    "an enumeration": of_type(
        "patients",
        "gender",
        "mood",
        "gender::mood",
        then=(),
    ),
    "a domain": of_type("patients", "phone_number", "phone"),
    "longer text": of_type(
        "medical_records",
        "template_name",
        "text",
        then=(
            "UPDATE medical_records SET template_name = repeat('é', 300) WHERE id IN (7, 8)",
            "UPDATE medical_records SET template_name = 'x' || repeat(' ', 300) WHERE id = 9",
        ),
        person=("UPDATE medical_records SET template_name = left(template_name, 255) WHERE id IN (7, 8, 9)",),
        says=("3 values don't fit (id ",),
        checks=("SELECT char_length(template_name) = 255 FROM medical_records WHERE id = 9",),
    ),
    "text of another length": of_type("patient_photos", "content_type", "character varying(500)"),
    "padded text": of_type("patients", "gender", "character(20)"),
    "another collation": of_type("patients", "full_name", 'varchar(255) COLLATE "C"'),
    "a stored generated column": Remedy(
        (
            "ALTER TABLE patient_photos DROP size_bytes",
            "ALTER TABLE patient_photos ADD size_bytes integer GENERATED ALWAYS AS (id * 2) STORED NOT NULL",
        ),
        "column-type",
        checks=("SELECT bool_and(size_bytes = id * 2) FROM patient_photos",),
    ),
    "a stored generated column of another type": Remedy(
        (
            "ALTER TABLE patient_photos DROP size_bytes",
            "ALTER TABLE patient_photos ADD size_bytes numeric(9,2) GENERATED ALWAYS AS (id * 2) STORED NOT NULL",
        ),
        "column-type",
        converted=("patient_photos.size_bytes",),
        checks=("SELECT bool_and(size_bytes = id * 2) FROM patient_photos",),
    ),
    "a virtual generated column": Remedy(
        (
            "ALTER TABLE patient_photos DROP size_bytes",
            "ALTER TABLE patient_photos ADD size_bytes integer GENERATED ALWAYS AS (id * 2) VIRTUAL NOT NULL",
        ),
        "column-type",
        checks=("SELECT bool_and(size_bytes = id * 2) FROM patient_photos",),
        since=180000,
    ),
}

SEVERAL_VIEWS = (
    "CREATE SCHEMA reports",
    "ALTER TABLE medical_records ALTER values TYPE json USING values::json",
    """CREATE VIEW reports."by clinic" WITH (security_barrier) AS
       SELECT id AS "the id", values, clinic_id FROM medical_records""",
    """CREATE VIEW reports.deeper AS SELECT "the id", values ->> 'a' AS a FROM reports."by clinic" """,
    """CREATE MATERIALIZED VIEW reports.counted AS
       SELECT b.clinic_id, count(d.a) FROM reports."by clinic" b JOIN reports.deeper d USING ("the id") GROUP BY 1""",
    "CREATE UNIQUE INDEX counted_clinic ON reports.counted (clinic_id)",
    "CREATE RULE nothing AS ON DELETE TO reports.deeper DO INSTEAD NOTHING",
    "ALTER VIEW reports.deeper ALTER COLUMN a SET DEFAULT 'x'",
    "COMMENT ON VIEW reports.deeper IS 'it''s for the board'",
    "COMMENT ON COLUMN reports.deeper.a IS 'a'",
    "GRANT SELECT ON reports.deeper TO pg_monitor WITH GRANT OPTION",
    "GRANT UPDATE (a) ON reports.deeper TO PUBLIC",
    'GRANT SELECT ON reports."by clinic" TO pg_database_owner',
    "ALTER VIEW reports.deeper OWNER TO pg_database_owner",
)
#: What is known of the views, of which nothing may change.
VIEWS = """
    SELECT c.relname, c.relkind, c.reloptions, pg_get_userbyid(c.relowner), pg_get_viewdef(c.oid),
           ARRAY(SELECT g::text FROM unnest(c.relacl) g ORDER BY g::text), obj_description(c.oid, 'pg_class'),
           ARRAY(SELECT (a.attname, a.attacl, col_description(c.oid, a.attnum))::text FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum),
           ARRAY(SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = c.oid),
           ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid),
           ARRAY(SELECT pg_get_ruledef(r.oid) FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND n.nspname = 'reports' ORDER BY c.relname
"""

JSON_ARRAY = "ALTER TABLE medical_records ALTER values TYPE json USING values::json"
DEPENDENTS = {
    "a view": Remedy(
        (JSON_ARRAY, "CREATE VIEW record_report AS SELECT id, values FROM medical_records"),
        "column-type",
        says=("view public.record_report",),
        converted=("medical_records.values",),
        checks=("SELECT count(*) = 240 FROM record_report",),
    ),
    "a view over a shorter varchar": Remedy(
        (
            "ALTER TABLE medical_record_templates ALTER name TYPE varchar(100)",
            "CREATE VIEW names AS SELECT name FROM medical_record_templates",
        ),
        "column-type",
        checks=("SELECT count(*) = 240 FROM names",),
    ),
    "a trigger": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER on_version BEFORE UPDATE OF version ON medical_records FOR EACH ROW EXECUTE FUNCTION nothing()",
            "ALTER TABLE medical_records DISABLE TRIGGER on_version",
        ),
        "column-type",
        says=("trigger on_version",),
        checks=("SELECT tgenabled = 'D' FROM pg_trigger WHERE tgname = 'on_version'",),
    ),
    "a rule": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE RULE never AS ON UPDATE TO medical_records WHERE NEW.version < 0 DO INSTEAD NOTHING",
        ),
        "column-type",
        checks=("SELECT count(*) = 1 FROM pg_rules WHERE rulename = 'never'",),
    ),
    "a policy": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE POLICY own ON medical_records FOR UPDATE TO pg_monitor USING (version > 0) WITH CHECK (version > 1)",
        ),
        "column-type",
        checks=("SELECT qual = '(version > 0)' AND roles = '{pg_monitor}' FROM pg_policies WHERE policyname = 'own'",),
    ),
    "a publication's filter": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE PUBLICATION part FOR TABLE medical_records (id, version, values) WHERE (version > 0)",
            "ALTER TABLE medical_records REPLICA IDENTITY FULL",
        ),
        "column-type",
        checks=(
            """SELECT rowfilter = '(version > 0)' AND attnames = '{id,values,version}' FROM pg_publication_tables
               WHERE tablename = 'medical_records'""",
        ),
        since=150000,
    ),
    "a function": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            """CREATE FUNCTION versions() RETURNS bigint LANGUAGE sql
               BEGIN ATOMIC SELECT sum(version) FROM medical_records; END""",
        ),
        "column-type",
        person=("DROP FUNCTION versions()",),
        says=("function public.versions()", "Drop them"),
    ),
    "an undeclared check": Remedy(
        (
            "ALTER TABLE patients ALTER birthday TYPE text",
            "ALTER TABLE patients ADD CONSTRAINT filled CHECK (birthday <> '')",
        ),
        "column-type",
        person=("ALTER TABLE patients DROP CONSTRAINT filled",),
        says=("constraint filled",),
    ),
}

KEYS = {
    "a composite": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (id, clinic_id)",
        ),
        "other-key",
    ),
    "a composite of another name": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            'ALTER TABLE patient_photos ADD CONSTRAINT "their key" PRIMARY KEY (clinic_id, id)',
        ),
        "other-key",
    ),
    "with more columns in its index": Remedy(
        (
            "ALTER TABLE medical_record_templates DROP CONSTRAINT medical_record_templates_pkey CASCADE",
            """ALTER TABLE medical_record_templates
               ADD CONSTRAINT medical_record_templates_pkey PRIMARY KEY (id) INCLUDE (name)""",
        ),
        "other-key",
    ),
    "to which others point": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (id, clinic_id)",
            """CREATE TABLE tags (photo integer, clinic integer,
               CONSTRAINT of FOREIGN KEY (photo, clinic) REFERENCES patient_photos ON DELETE CASCADE)""",
            "INSERT INTO tags SELECT id, clinic_id FROM patient_photos",
            "CREATE VIEW one AS SELECT id, clinic_id, filename FROM patient_photos GROUP BY id, clinic_id",
        ),
        "other-key",
        checks=(
            "SELECT convalidated AND confdeltype = 'c' FROM pg_constraint WHERE conname = 'of'",
            "SELECT count(*) = 240 FROM one",
        ),
    ),
    "another column": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (storage_key)",
        ),
        "other-key",
        checks=("SELECT count(*) = 1 FROM pg_indexes WHERE indexdef LIKE '%UNIQUE%(storage_key)'",),
    ),
    "with duplicates": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (id, clinic_id)",
            """INSERT INTO patient_photos (id, clinic_id, patient_id, filename, storage_key, content_type, size_bytes)
               SELECT 5, 12, 1, 'f', 'k', 'image/jpeg', 1""",
        ),
        "other-key",
        person=("UPDATE patient_photos SET id = 1000 WHERE id = 5 AND clinic_id = 12",),
        says=("1 value occurs more than once (id 5)",),
    ),
    "a check of its name": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey CHECK (size_bytes > 0)",
        ),
        "other-key",
        checks=("SELECT count(*) = 1 FROM pg_constraint WHERE conname = 'patient_photos_pkey_undeclared'",),
    ),
    "its name is another table's": Remedy(
        (
            "ALTER TABLE patient_photos RENAME CONSTRAINT patient_photos_pkey TO patient_photos_pkey1",
            "CREATE TABLE before (id integer CONSTRAINT patient_photos_pkey PRIMARY KEY)",
        ),
        "name-taken",
    ),
    "an index's name is a sequence's": Remedy(
        ("DROP INDEX idx_patient_photos_dedup", "CREATE SEQUENCE idx_patient_photos_dedup"), "name-taken"
    ),
    "an index's name is a constraint's": Remedy(
        (
            "DROP INDEX idx_patient_photos_dedup",
            "ALTER TABLE patient_photos ADD CONSTRAINT idx_patient_photos_dedup UNIQUE (id, filename)",
        ),
        "name-taken",
    ),
    "a foreign key's name is a check's": Remedy(
        (
            """DO $$ DECLARE name text := (SELECT conname FROM pg_constraint WHERE conrelid = 'patient_photos'::regclass
                   AND contype = 'f' AND confrelid = 'patients'::regclass); BEGIN
               EXECUTE format('ALTER TABLE patient_photos RENAME CONSTRAINT %I TO elsewhere', name);
               EXECUTE format('ALTER TABLE patient_photos ADD CONSTRAINT %I CHECK (id > 0)', name); END $$""",
        ),
        "other-key",
    ),
    "a replica identity": Remedy(
        (
            "DROP INDEX idx_patient_photos_dedup",
            "CREATE UNIQUE INDEX idx_patient_photos_dedup ON patient_photos (id)",
            "ALTER TABLE patient_photos REPLICA IDENTITY USING INDEX idx_patient_photos_dedup",
        ),
        "replica-identity",
        checks=("SELECT relreplident = 'd' FROM pg_class WHERE relname = 'patient_photos'",),
    ),
    "duplicates": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "UPDATE patient_photos SET id = 5 WHERE id = 6",
        ),
        "duplicates",
        person=("UPDATE patient_photos SET id = 6 WHERE size_bytes = 6 * 1013",),
    ),
}

ROWS_AND_TABLES = {
    "unlogged tables": Remedy(
        tuple(
            f"ALTER TABLE {table} SET UNLOGGED"
            for table in ("patient_photos", "medical_records", "medical_record_templates", "appointments")
        ),
        "unlogged",
    ),
    "unlogged tables that reference each other": Remedy(
        (
            "ALTER TABLE patient_photos SET UNLOGGED",
            "ALTER TABLE medical_records SET UNLOGGED",
            "ALTER TABLE medical_records ADD photo_id integer",
            """ALTER TABLE medical_records
               ADD CONSTRAINT best_photo FOREIGN KEY (photo_id) REFERENCES patient_photos NOT VALID""",
        ),
        "unlogged",
        checks=("SELECT NOT convalidated FROM pg_constraint WHERE conname = 'best_photo'",),
    ),
    "orphans": Remedy(
        (
            """DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE medical_records DROP CONSTRAINT %I', conname)
               FROM pg_constraint WHERE conrelid = 'medical_records'::regclass AND confrelid = 'patients'::regclass);
               END $$""",
            "UPDATE medical_records SET patient_id = 99999 WHERE id = 4",
        ),
        "orphan-rows",
        person=("UPDATE medical_records SET patient_id = 4 WHERE id = 4",),
    ),
    "NULLs without a default": Remedy(
        (
            "ALTER TABLE medical_records ALTER template_name DROP NOT NULL",
            "UPDATE medical_records SET template_name = NULL WHERE id = 4",
        ),
        "nulls-without-default",
        person=("UPDATE medical_records SET template_name = '' WHERE id = 4",),
    ),
    "NULLs that a trigger keeps": Remedy(
        (
            "ALTER TABLE patient_photos ALTER is_deleted DROP NOT NULL",
            "UPDATE patient_photos SET is_deleted = NULL WHERE id = 4",
            """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN NEW.is_deleted := OLD.is_deleted; RETURN NEW; END'""",
            "CREATE TRIGGER keeps BEFORE UPDATE ON patient_photos FOR EACH ROW EXECUTE FUNCTION keep()",
        ),
        "nulls-kept",
        person=("ALTER TABLE patient_photos DISABLE TRIGGER keeps",),
        converted=("patient_photos.is_deleted",),
    ),
    "a column without a value": Remedy(
        ("ALTER TABLE medical_records DROP template_name",),
        "column-without-value",
        then=("UPDATE medical_records SET template_name = 'x' WHERE template_name IS NULL",),
    ),
    "a missing key column": Remedy(("ALTER TABLE patient_photos DROP id",), "column-needs-rewrite"),
}


@pytest.fixture
def migrating(owner: Database, database: Database) -> Database:
    """The database as its owner sees it, with types that some cases use."""
    owner.execute("CREATE TYPE mood AS ENUM ('female', 'male')", "CREATE DOMAIN phone AS varchar(60)")
    return owner


def try_remedy(remedy: Remedy, database: Database, migrating: Database) -> None:
    if remedy.since > migrating.value("SELECT current_setting('server_version_num')::int"):
        pytest.skip("this version has no such thing")
    migrating.execute(*remedy.damage)
    converted = dict.fromkeys(remedy.converted)
    before = fingerprints(database, converted)
    outcome = migrating.migrate()
    assert outcome.status == 1, outcome.printed
    assert f"[{remedy.code}]" in outcome.printed, outcome.printed
    assert [words for words in remedy.says if words not in outcome.printed.replace("\n", " ")] == [], outcome.printed
    assert lost_or_changed(database, before, converted) == []
    if remedy.person:
        # Before that, what is told changes no row: it fails as a whole, or isn't about them.
        with contextlib.suppress(psycopg2.DataError, psycopg2.IntegrityError):
            run_remedies(database, migrating)
        assert lost_or_changed(database, before, converted) == []
        database.execute(*remedy.person)
        before = fingerprints(database, converted)
    _converges(remedy, database, migrating)
    assert lost_or_changed(database, before, converted) == []
    assert [check for check in remedy.checks if database.rows(check) != [(True,)]] == []


def _converges(remedy: Remedy, database: Database, migrating: Database) -> None:
    """Run the remedies until `migrate` has none to tell, and with what a person has to do between them."""
    for _ in range(ROUNDS):
        run_remedies(database, migrating)
        database.execute(*remedy.then)
        outcome = migrating.migrate()
        if outcome.status == 0:
            break
    assert outcome.status == 0, outcome.printed
    assert migrating.manage("reconcile", "--check").status == 0


@pytest.mark.parametrize("name", TYPES)
def test_15_types(name: str, database: Database, migrating: Database):
    try_remedy(TYPES[name], database, migrating)


@pytest.mark.parametrize("name", DEPENDENTS)
def test_15_what_depends_on_the_column_is_kept(name: str, database: Database, migrating: Database):
    try_remedy(DEPENDENTS[name], database, migrating)


def test_15_views_over_views_are_created_as_they_were(database: Database):
    database.execute(*SEVERAL_VIEWS)
    before = database.rows(VIEWS)
    assert len(before) == 3
    try_remedy(Remedy((), "column-type", converted=("medical_records.values",)), database, database)
    assert database.rows(VIEWS) == before


def test_15_a_foreign_key_of_another_schema_is_not_dropped(database: Database):
    """Its table and its name are as a declared one's, but nobody would add it again."""
    database.execute(
        "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_medical_record_id_45044f9d_fk_medical_records_id",
        "ALTER TABLE medical_records ALTER id DROP IDENTITY",
        "ALTER TABLE medical_records ALTER id TYPE text",
        "CREATE SCHEMA archive",
        "CREATE TABLE archive.patient_photos (medical_record_id text)",
        "ALTER TABLE archive.patient_photos ADD CONSTRAINT patient_photos_medical_record_id_45044f9d_fk_medical_records_id"
        " FOREIGN KEY (medical_record_id) REFERENCES medical_records",
    )
    (refusal,) = [r for r in refusals_of(database) if r["code"] == "column-type"]
    assert refusal["statements"] == []
    assert "on table archive.patient_photos" in refusal["remedy"]


@pytest.mark.parametrize("name", KEYS)
def test_41_keys(name: str, database: Database, migrating: Database):
    try_remedy(KEYS[name], database, migrating)


@pytest.mark.parametrize("name", ROWS_AND_TABLES)
def test_41_rows_and_tables(name: str, database: Database, migrating: Database):
    try_remedy(ROWS_AND_TABLES[name], database, migrating)


def test_15_wider_integers_are_as_good(database: Database, migrating: Database):
    """Keys, what points to them, and defaults: no difference, a note, and nothing is changed."""
    migrating.execute(
        "ALTER TABLE patient_photos ALTER id TYPE bigint, ALTER size_bytes TYPE bigint",
        "ALTER TABLE medical_records ALTER id TYPE bigint, ALTER version TYPE bigint, ALTER template_id TYPE bigint",
        "ALTER TABLE medical_records ALTER version SET DEFAULT 1::bigint",
        "ALTER TABLE medical_record_templates ALTER id DROP IDENTITY, ALTER id TYPE bigint",
        "CREATE SEQUENCE template_keys START 1000 OWNED BY medical_record_templates.id",
        "ALTER TABLE medical_record_templates ALTER id SET DEFAULT nextval('template_keys')",
        "ALTER TABLE patient_photos DROP CONSTRAINT IF EXISTS none",
    )
    before = fingerprints(database)
    outcome = migrating.migrate()
    assert outcome.status == 0, outcome.printed
    assert "patient_photos.id: is bigint" in outcome.printed
    assert migrating.manage("reconcile", "--check").status == 0
    assert lost_or_changed(database, before, {}) == []


def test_15_a_foreign_key_to_a_wider_key_is_added(database: Database, migrating: Database):
    names = database.rows(
        "SELECT conname FROM pg_constraint WHERE confrelid = 'medical_records'::regclass AND contype = 'f'"
    )
    migrating.execute(
        *(f'ALTER TABLE patient_photos DROP CONSTRAINT "{name}"' for (name,) in names),
        "ALTER TABLE medical_records ALTER id DROP IDENTITY, ALTER id TYPE bigint",
    )
    outcome = migrating.migrate()
    assert outcome.status == 0, outcome.printed
    assert names == database.rows(
        "SELECT conname FROM pg_constraint WHERE confrelid = 'medical_records'::regclass AND contype = 'f' AND convalidated"
    )
    assert migrating.manage("reconcile", "--check").status == 0


def test_41_a_parent_of_another_system_without_a_key(database: Database):
    """The key is told for the columns that foreign keys point to; then these are added."""
    keys = """SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)
              FROM pg_constraint WHERE conname = 'patients_pkey'"""
    with override_settings(MIGRATION_MODULES={"clinics": f"{__package__}.unmanaged_clinics"}):
        database.execute(database.value(keys))
        before = fingerprints(database)
        outcome = database.migrate("medical_records")
        assert outcome.status == 1, outcome.printed
        assert "[parent-without-key]" in outcome.printed
        run_remedies(database, database)
        outcome = database.migrate("medical_records")
        assert outcome.status == 0, outcome.printed
        assert lost_or_changed(database, before, {}) == []
