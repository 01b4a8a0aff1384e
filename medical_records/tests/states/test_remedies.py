"""Every remedy is run as it is told: the `statements` of `reconcile --json`, then `migrate` converges and no row is lost."""

import pytest
from django.test import override_settings

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.remedies import Remedy, each_remedy, refusals_of, tries, try_remedy

from .rows import ROWS

pytestmark = pytest.mark.slow  # each migrates several times


def of_type(table: str, column: str, type_: str, using: str = "", **options: object) -> Remedy:
    """A column of another type; its default is dropped, as it may not have one of that type."""
    using = f" USING {using}" if using else ""
    damage = (
        f"ALTER TABLE {table} ALTER {column} DROP DEFAULT",
        f"ALTER TABLE {table} ALTER {column} TYPE {type_}{using}",
        *options.pop("then", ()),  # type: ignore[misc]
    )
    way = str(options.pop("way", "a type"))
    return Remedy(damage, way, converted=(f"{table}.{column}",), **options)  # type: ignore[arg-type]


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
        way="a type, in several steps",
    ),
    "roles as an array": Remedy(
        (
            "ALTER TABLE user_clinic_associations RENAME roles TO old",
            "ALTER TABLE user_clinic_associations ADD roles text[] NOT NULL DEFAULT '{}'",
            "UPDATE user_clinic_associations SET roles = ARRAY['admin', 'a,b', NULL] WHERE id % 5 = 0",
            "ALTER TABLE user_clinic_associations DROP old",
        ),
        "a type",
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
        says=("1 value doesn't fit (id 3)",),
    ),
    "json": of_type("medical_records", "template_snapshot", "json"),
    "instants without a zone": of_type(
        "medical_records",
        "created_at",
        "timestamp",
        "created_at AT TIME ZONE 'UTC'",
        then=("ALTER TABLE medical_records ALTER created_at SET DEFAULT now()",),
        says=("taken to be in UTC",),
        way="a type, in several steps",
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
    "days as numbers": of_type(
        "patients",
        "birthday",
        "integer",
        "birthday - date '1950-01-01'",
        way="a type without a conversion",
        person=(
            "ALTER TABLE patients ADD birthdate date",
            "UPDATE patients SET birthdate = date '1950-01-01' + birthday",
            "ALTER TABLE patients RENAME birthday TO days",
            "ALTER TABLE patients RENAME birthdate TO birthday",
        ),
        says=("Add a column of the declared type",),
        checks=("SELECT bool_and(birthday = date '1950-01-01' + days) FROM patients",),
    ),
    "a key of small integers": Remedy(
        (
            "DELETE FROM patient_photos",
            "ALTER TABLE patient_photos ALTER id DROP IDENTITY, ALTER id TYPE smallint",
            "CREATE SEQUENCE small AS smallint START 300 OWNED BY patient_photos.id",
            "ALTER TABLE patient_photos ALTER id SET DEFAULT nextval('small')",
        ),
        "a type",
    ),
    "an enumeration": of_type(
        "patients",
        "gender",
        "mood",
        "gender::mood",
        then=(),
    ),
    "a domain": of_type("patients", "phone_number", "phone", way="a type, in several steps"),
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
        "a type",
        checks=("SELECT bool_and(size_bytes = id * 2) FROM patient_photos",),
    ),
    "a stored generated column of another type": Remedy(
        (
            "ALTER TABLE patient_photos DROP size_bytes",
            "ALTER TABLE patient_photos ADD size_bytes numeric(9,2) GENERATED ALWAYS AS (id * 2) STORED NOT NULL",
        ),
        "a type, in several steps",
        converted=("patient_photos.size_bytes",),
        checks=("SELECT bool_and(size_bytes = id * 2) FROM patient_photos",),
    ),
    "a virtual generated column": Remedy(
        (
            "ALTER TABLE patient_photos DROP size_bytes",
            "ALTER TABLE patient_photos ADD size_bytes integer GENERATED ALWAYS AS (id * 2) VIRTUAL NOT NULL",
        ),
        "a type, in several steps",
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
        "a type, and what depends on it",
        says=("view public.record_report",),
        converted=("medical_records.values",),
        checks=("SELECT count(*) = 240 FROM record_report",),
    ),
    "a view over a shorter varchar": Remedy(
        (
            "ALTER TABLE medical_record_templates ALTER name TYPE varchar(100)",
            "CREATE VIEW names AS SELECT name FROM medical_record_templates",
        ),
        "a type, and what depends on it",
        checks=("SELECT count(*) = 240 FROM names",),
    ),
    "a view of another owner": Remedy(
        (),
        "a type, and what depends on it",
        prepared=(JSON_ARRAY, "CREATE VIEW theirs AS SELECT id, values FROM medical_records"),
        says=("If they aren't all of one owner, a superuser has to run it",),
        converted=("medical_records.values",),
        checks=("SELECT viewowner = current_user FROM pg_views WHERE viewname = 'theirs'",),
    ),
    "a trigger": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER on_version BEFORE UPDATE OF version ON medical_records FOR EACH ROW EXECUTE FUNCTION nothing()",
            "ALTER TABLE medical_records DISABLE TRIGGER on_version",
        ),
        "a type, and what depends on it",
        says=("trigger on_version",),
        checks=("SELECT tgenabled = 'D' FROM pg_trigger WHERE tgname = 'on_version'",),
    ),
    "a rule": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE RULE never AS ON UPDATE TO medical_records WHERE NEW.version < 0 DO INSTEAD NOTHING",
        ),
        "a type, and what depends on it",
        checks=("SELECT count(*) = 1 FROM pg_rules WHERE rulename = 'never'",),
    ),
    "a policy": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE POLICY own ON medical_records FOR UPDATE TO pg_monitor USING (version > 0) WITH CHECK (version > 1)",
        ),
        "a type, and what depends on it",
        checks=("SELECT qual = '(version > 0)' AND roles = '{pg_monitor}' FROM pg_policies WHERE policyname = 'own'",),
    ),
    "a publication's filter": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            "CREATE PUBLICATION part FOR TABLE medical_records (id, version, values) WHERE (version > 0)",
            "ALTER TABLE medical_records REPLICA IDENTITY FULL",
        ),
        "a type, and what depends on it",
        checks=(
            """SELECT rowfilter = '(version > 0)' AND attnames = '{id,values,version}' FROM pg_publication_tables
               WHERE tablename = 'medical_records'""",
        ),
        since=150000,
    ),
    "a column of its row type": Remedy(
        (
            "ALTER TABLE medical_record_templates ALTER name TYPE varchar(100)",
            "CREATE TABLE archive AS SELECT t AS was, t::text AS printed FROM medical_record_templates t",
            "INSERT INTO archive (was) VALUES (NULL)",
        ),
        "a type, and what depends on it",
        says=("column was of table public.archive",),
        checks=(
            "SELECT bool_and(was::text = printed) AND count(printed) = 240 AND count(*) = 241 FROM archive",
            "SELECT count(*) = 1 FROM archive WHERE was IS NOT DISTINCT FROM NULL",
        ),
    ),
    "a column of an array of its rows": Remedy(
        (
            JSON_ARRAY,
            "CREATE TABLE archive AS SELECT array_agg(r) AS were FROM medical_records r",
        ),
        "a type, and something in the way",
        person=("ALTER TABLE archive ALTER were TYPE json USING to_json(were)",),
        says=("column were of table public.archive", "give columns of other tables another type instead"),
        converted=("medical_records.values",),
        checks=("SELECT json_array_length(were) = 240 FROM archive",),
    ),
    "a function": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT, ALTER version TYPE smallint",
            """CREATE FUNCTION versions() RETURNS bigint LANGUAGE sql
               BEGIN ATOMIC SELECT sum(version) FROM medical_records; END""",
        ),
        "a type, and something in the way",
        person=("DROP FUNCTION versions()",),
        says=("function public.versions()", "Drop them"),
    ),
    "an undeclared check": Remedy(
        (
            "ALTER TABLE patients ALTER birthday TYPE text",
            "ALTER TABLE patients ADD CONSTRAINT filled CHECK (birthday <> '')",
        ),
        "a type, and something in the way",
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
        "another key",
    ),
    "a composite of another name": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            'ALTER TABLE patient_photos ADD CONSTRAINT "their key" PRIMARY KEY (clinic_id, id)',
        ),
        "another key",
    ),
    "with more columns in its index": Remedy(
        (
            "ALTER TABLE medical_record_templates DROP CONSTRAINT medical_record_templates_pkey CASCADE",
            """ALTER TABLE medical_record_templates
               ADD CONSTRAINT medical_record_templates_pkey PRIMARY KEY (id) INCLUDE (name)""",
        ),
        "another key, in several steps",
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
        "another key, in several steps",
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
        "another key",
        checks=("SELECT count(*) = 1 FROM pg_indexes WHERE indexdef LIKE '%UNIQUE%(storage_key)'",),
    ),
    "with duplicates": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (id, clinic_id)",
            """INSERT INTO patient_photos (id, clinic_id, patient_id, filename, storage_key, content_type, size_bytes)
               SELECT 5, 12, 1, 'f', 'k', 'image/jpeg', 1""",
        ),
        "another key",
        person=("UPDATE patient_photos SET id = 1000 WHERE id = 5 AND clinic_id = 12",),
        says=("1 value occurs more than once (id 5)",),
    ),
    "what depends on the present one can't be created again": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (id, clinic_id)",
            """CREATE FUNCTION names() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC
               SELECT filename FROM patient_photos GROUP BY id, clinic_id; END""",
        ),
        "another key, and something in the way",
        person=("DROP FUNCTION names()",),
        says=("function public.names()", "Drop them"),
    ),
    "its column is missing": Remedy(
        (
            "ALTER TABLE patient_photos DROP id",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (storage_key)",
        ),
        "another key, and no column",
    ),
    "an index's name is a type's": Remedy(
        ("DROP INDEX idx_patient_photos_dedup", "CREATE TYPE idx_patient_photos_dedup AS (one integer)"),
        "an index's name is a type's",
    ),
    "something depends on an index of the declared name": Remedy(
        (
            "DROP INDEX idx_patient_photos_dedup",
            "CREATE UNIQUE INDEX idx_patient_photos_dedup ON patient_photos (storage_key)",
            "CREATE TABLE copies (storage_key varchar REFERENCES patient_photos (storage_key))",
            "INSERT INTO copies SELECT storage_key FROM patient_photos",
        ),
        "something depends on an index",
        checks=("SELECT count(*) = 1 FROM pg_indexes WHERE indexname = 'idx_patient_photos_dedup_undeclared'",),
    ),
    "the name of a NOT NULL is another column's": Remedy(
        (
            "ALTER TABLE patient_photos RENAME is_pending TO theirs",
            "ALTER TABLE patient_photos ADD is_pending boolean NOT NULL DEFAULT true",
            "UPDATE patient_photos SET is_pending = theirs",
        ),
        "a constraint's name is another's",
        since=180000,
    ),
    "a replica identity, and no key to keep": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "DROP INDEX idx_patient_photos_dedup",
            "CREATE UNIQUE INDEX idx_patient_photos_dedup ON patient_photos (storage_key)",
            "ALTER TABLE patient_photos REPLICA IDENTITY USING INDEX idx_patient_photos_dedup",
            "UPDATE patient_photos SET id = 5 WHERE id = 6",
        ),
        "a replica identity, and no key",
        person=("UPDATE patient_photos SET id = 6 WHERE size_bytes = 6 * 1013",),
        checks=("SELECT relreplident = 'f' FROM pg_class WHERE relname = 'patient_photos'",),
    ),
    "a check of its name": Remedy(
        (
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey CHECK (size_bytes > 0)",
        ),
        "a constraint of another kind",
        checks=("SELECT count(*) = 1 FROM pg_constraint WHERE conname = 'patient_photos_pkey_undeclared'",),
    ),
    "its name is another table's": Remedy(
        (
            "ALTER TABLE patient_photos RENAME CONSTRAINT patient_photos_pkey TO patient_photos_pkey1",
            "CREATE TABLE before (id integer CONSTRAINT patient_photos_pkey PRIMARY KEY)",
        ),
        "an index's name is another table's index's",
    ),
    "a sequence is at its end": Remedy(
        ("SELECT setval('patient_photos_id_seq', 2147483647)",),
        "a sequence at its end",
        says=("no row gets a key any more.",),
        checks=("SELECT nextval('patient_photos_id_seq') <= max(id) + 9 FROM patient_photos",),
    ),
    "a sequence is at its end, and there are no rows": Remedy(
        ("DELETE FROM patient_photos", "SELECT setval('patient_photos_id_seq', 2147483647)"),
        "a sequence at its end",
    ),
    "a sequence that begins high is at its end": Remedy(
        (
            "ALTER TABLE patient_photos ALTER id SET MINVALUE 1000000 SET START 1000000 RESTART WITH 2147483647",
            "SELECT nextval('patient_photos_id_seq')",
        ),
        "a sequence at its end",
        checks=("SELECT nextval('patient_photos_id_seq') BETWEEN 1000000 AND 1000009",),
    ),
    "a sequence is past the end of its column": Remedy(
        (
            "ALTER TABLE patient_photos ALTER id DROP IDENTITY",
            "CREATE SEQUENCE numbers START 3000000000 OWNED BY patient_photos.id",
            "ALTER TABLE patient_photos ALTER id SET DEFAULT nextval('numbers')",
        ),
        "a sequence at its end",
    ),
    "all keys were given": Remedy(
        ("UPDATE patient_photos SET id = 2147483645 + id WHERE id IN (1, 2)",),
        "keys at the end of their type",
        says=("the highest is in a row",),
        checks=("SELECT nextval('patient_photos_id_seq') > 2147483647",),
    ),
    "all keys were given, and it counts down": Remedy(
        (
            "UPDATE patient_photos SET id = 2147483645 + id WHERE id IN (1, 2)",
            "ALTER TABLE patient_photos ALTER id SET INCREMENT -1 SET MINVALUE -99 RESTART WITH -1",
        ),
        "keys at the end of their type",
        checks=("SELECT nextval('patient_photos_id_seq') > 2147483647",),
    ),
    "the highest keys were given by mistake": Remedy(
        (
            "ALTER TABLE patient_photos ALTER id TYPE bigint",
            "UPDATE patient_photos SET id = 9223372036854775805 + id WHERE id IN (1, 2)",
        ),
        "keys at the end of the widest type",
        person=("UPDATE patient_photos SET id = id - 9223372036854775805 WHERE id > 9000",),
        checks=("SELECT nextval('patient_photos_id_seq') < 9000",),
    ),
    "an index's name is a sequence's": Remedy(
        ("DROP INDEX idx_patient_photos_dedup", "CREATE SEQUENCE idx_patient_photos_dedup"),
        "an index's name is a sequence's",
    ),
    "an index's name is a constraint's": Remedy(
        (
            "DROP INDEX idx_patient_photos_dedup",
            "ALTER TABLE patient_photos ADD CONSTRAINT idx_patient_photos_dedup UNIQUE (id, filename)",
        ),
        "an index's name is a constraint's",
    ),
    "a foreign key's name is a check's": Remedy(
        (
            """DO $$ DECLARE name text := (SELECT conname FROM pg_constraint WHERE conrelid = 'patient_photos'::regclass
                   AND contype = 'f' AND confrelid = 'patients'::regclass); BEGIN
               EXECUTE format('ALTER TABLE patient_photos RENAME CONSTRAINT %I TO elsewhere', name);
               EXECUTE format('ALTER TABLE patient_photos ADD CONSTRAINT %I CHECK (id > 0)', name); END $$""",
        ),
        "a constraint of another kind",
    ),
    "a replica identity": Remedy(
        (
            "DROP INDEX idx_patient_photos_dedup",
            "CREATE UNIQUE INDEX idx_patient_photos_dedup ON patient_photos (id)",
            "ALTER TABLE patient_photos REPLICA IDENTITY USING INDEX idx_patient_photos_dedup",
        ),
        "a replica identity",
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

#: A table in which a flag has to be set in a third of the rows, and a trigger's function.
UNSET = (
    "ALTER TABLE patient_photos ALTER is_deleted DROP NOT NULL",
    "UPDATE patient_photos SET is_deleted = NULL WHERE id % 3 = 0",
)


def trigger(name: str, body: str, timing: str = "BEFORE UPDATE") -> tuple[str, ...]:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$",
        f"CREATE TRIGGER {name} {timing} ON patient_photos FOR EACH ROW EXECUTE FUNCTION {name}()",
    )


ROWS_AND_TABLES = {
    "a view has the table's name": Remedy(
        (
            "ALTER TABLE patient_photos RENAME TO put_aside",
            "CREATE VIEW patient_photos AS SELECT id FROM put_aside",
        ),
        "a view of the table's name",
        person=("DROP VIEW patient_photos", "ALTER TABLE put_aside RENAME TO patient_photos"),
        says=("Rename or drop it",),
    ),
    "filled in another schema of the path": Remedy(
        ("ALTER TABLE patient_photos SET SCHEMA legacy",),
        "filled elsewhere",
        prepared=(
            'CREATE SCHEMA legacy AUTHORIZATION :"role"',
            'ALTER DATABASE :"db" SET search_path = public, legacy',
        ),
        says=("If it is this project's",),
    ),
    "moved to a schema that isn't on the path": Remedy(
        ("ALTER TABLE patients SET SCHEMA legacy",),
        "moved to another schema",
        prepared=('CREATE SCHEMA legacy AUTHORIZATION :"role"',),
        says=("If it is this project's", "found that foreign keys"),
    ),
    "partitioned": Remedy(
        (
            "ALTER TABLE patient_photos RENAME TO in_one_piece",
            "CREATE TABLE patient_photos (LIKE in_one_piece INCLUDING DEFAULTS) PARTITION BY HASH (id)",
            "CREATE TABLE first PARTITION OF patient_photos FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
            "CREATE TABLE second PARTITION OF patient_photos FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
            "INSERT INTO patient_photos SELECT * FROM in_one_piece",
            "DROP TABLE in_one_piece",
        ),
        "partitioned",
        person=(
            "ALTER TABLE patient_photos RENAME TO in_parts",
            "CREATE TABLE patient_photos AS TABLE in_parts",
            'ALTER TABLE patient_photos OWNER TO :"role"',
            "DROP TABLE in_parts",
        ),
        says=("make it an ordinary table",),
    ),
    "row-level security hides rows from the owner": Remedy(
        (
            "ALTER TABLE medical_records ALTER version DROP DEFAULT",
            "ALTER TABLE medical_records ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE medical_records FORCE ROW LEVEL SECURITY",
            "CREATE POLICY own ON medical_records USING (clinic_id = 1)",
        ),
        "hidden from the owner",
        checks=("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'medical_records'",),
    ),
    "renamed": Remedy(
        ("ALTER TABLE medical_records RENAME is_deleted TO trashed",),
        "renamed",
        converted=("medical_records.trashed",),
        checks=(f"SELECT count(*) FILTER (WHERE is_deleted) = {ROWS // 11} FROM medical_records",),
    ),
    "renamed, and there is no value for another": Remedy(
        ("ALTER TABLE medical_records RENAME template_name TO title",),
        "renamed, or a value is missing",
        converted=("medical_records.title",),
        checks=("SELECT bool_and(template_name = '評估 ' || id) FROM medical_records",),
    ),
    "renamed from one of several": Remedy(
        (
            "ALTER TABLE medical_records RENAME is_deleted TO trashed",
            "ALTER TABLE medical_records ADD archived boolean NOT NULL DEFAULT true",
        ),
        "renamed from one of several",
        person=("ALTER TABLE medical_records RENAME trashed TO is_deleted",),
        says=(", or ALTER TABLE",),
    ),
    "rows that a trigger would change": Remedy(
        (*UNSET, *trigger("stamp", "NEW.updated_at = now();")),
        "a trigger changes rows",
        converted=("patient_photos.is_deleted",),
    ),
    "rows that one of two triggers would change": Remedy(
        (*UNSET, *trigger("stamp", "NEW.updated_at = now();"), *trigger("seen", "NULL;", "AFTER UPDATE")),
        "a trigger changes rows, another doesn't",
        says=("It fires the trigger seen, which changed nothing else",),
        converted=("patient_photos.is_deleted",),
    ),
    "rows of another table that a trigger would change": Remedy(
        (*UNSET, *trigger("stamp", "UPDATE clinics SET name = 'x' WHERE id = NEW.clinic_id;", "AFTER UPDATE")),
        "a trigger changes other rows",
        says=("other rows of public.clinics would be changed",),
        converted=("patient_photos.is_deleted",),
    ),
    "a trigger that raises": Remedy(
        (*UNSET, *trigger("forbid", "RAISE 'photos are for ever';")),
        "a trigger raises",
        converted=("patient_photos.is_deleted",),
    ),
    "a statement that PostgreSQL refuses": Remedy(
        (
            "ALTER TABLE patients ADD CONSTRAINT on_tuesdays CHECK (full_name = 'nobody') NOT VALID",
            "ALTER TABLE patients ALTER is_deleted DROP NOT NULL",
        ),
        "a statement fails",
        prepared=(
            "ALTER TABLE patients ALTER is_deleted DROP NOT NULL",
            "UPDATE patients SET is_deleted = NULL WHERE id = 4",
        ),
        person=("ALTER TABLE patients DROP CONSTRAINT on_tuesdays",),
        says=("Resolve the cause that the message names",),
        converted=("patients.is_deleted",),
    ),
    "unlogged tables": Remedy(
        tuple(
            f"ALTER TABLE {table} SET UNLOGGED"
            for table in ("patient_photos", "medical_records", "medical_record_templates", "appointments")
        ),
        "unlogged",
    ),
    "an unlogged table whose row type is used": Remedy(
        (
            "ALTER TABLE patient_photos SET UNLOGGED",
            "CREATE TABLE archive AS SELECT p AS was, p::text AS printed FROM patient_photos p",
        ),
        "unlogged, with others",
        checks=("SELECT bool_and(was::text = printed) FROM archive",),
    ),
    "unlogged tables that reference each other": Remedy(
        (
            "ALTER TABLE patient_photos SET UNLOGGED",
            "ALTER TABLE medical_records SET UNLOGGED",
            "ALTER TABLE medical_records ADD photo_id integer",
            """ALTER TABLE medical_records
               ADD CONSTRAINT best_photo FOREIGN KEY (photo_id) REFERENCES patient_photos NOT VALID""",
        ),
        "unlogged, with others",
        checks=("SELECT NOT convalidated FROM pg_constraint WHERE conname = 'best_photo'",),
    ),
    "orphans": Remedy(
        (
            """DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE medical_records DROP CONSTRAINT %I', conname)
               FROM pg_constraint WHERE conrelid = 'medical_records'::regclass AND confrelid = 'patients'::regclass);
               END $$""",
            "UPDATE medical_records SET patient_id = 99999 WHERE id = 4",
        ),
        "orphans",
        person=("UPDATE medical_records SET patient_id = 4 WHERE id = 4",),
    ),
    "NULLs without a default": Remedy(
        (
            "ALTER TABLE medical_records ALTER template_name DROP NOT NULL",
            "UPDATE medical_records SET template_name = NULL WHERE id = 4",
        ),
        "NULLs without a default",
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
        "NULLs that a trigger keeps",
        person=("ALTER TABLE patient_photos DISABLE TRIGGER keeps",),
        converted=("patient_photos.is_deleted",),
    ),
    "a column without a value": Remedy(
        ("ALTER TABLE medical_records DROP template_name",),
        "a column without a value",
        then=("UPDATE medical_records SET template_name = 'x' WHERE template_name IS NULL",),
    ),
    "a missing key column": Remedy(("ALTER TABLE patient_photos DROP id",), "a column that rewrites"),
}


@pytest.fixture
def migrating(owner: Database, database: Database) -> Database:
    """The database as its owner sees it, with types that some cases use."""
    owner.execute("CREATE TYPE mood AS ENUM ('female', 'male')", "CREATE DOMAIN phone AS varchar(60)")
    return owner


@each_remedy(TYPES)
def test_15_types(remedy: Remedy, database: Database, migrating: Database):
    try_remedy(remedy, database, migrating)


@each_remedy(DEPENDENTS)
def test_15_what_depends_on_the_column_is_kept(remedy: Remedy, database: Database, migrating: Database):
    try_remedy(remedy, database, migrating)


def test_15_views_over_views_are_created_as_they_were(database: Database):
    database.execute(*SEVERAL_VIEWS)
    before = database.rows(VIEWS)
    assert len(before) == 3
    remedy = Remedy((), "a type, and what depends on it", converted=("medical_records.values",))
    try_remedy(remedy, database, database)
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


@each_remedy(KEYS)
def test_41_keys(remedy: Remedy, database: Database, migrating: Database):
    try_remedy(remedy, database, migrating)


@each_remedy(ROWS_AND_TABLES)
def test_41_rows_and_tables(remedy: Remedy, database: Database, migrating: Database):
    try_remedy(remedy, database, migrating)


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


@tries("a parent without a key")
@override_settings(MIGRATION_MODULES={"clinics": f"{__package__}.unmanaged_clinics"})
def test_41_a_parent_of_another_system_without_a_key(database: Database):
    """The key is told for the columns that foreign keys point to; then these are added."""
    damage = ("ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",)
    try_remedy(Remedy(damage, "a parent without a key"), database, database, "medical_records")
