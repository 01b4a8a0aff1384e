"""The database that every contender starts from: a large table of records, and what is wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..databases import BenchmarkDatabase, temporary_database
from ..processes import MIGRATE, run

TABLE = "medical_records"

#: One in so many rows has no is_deleted.
ROWS_A_NULL = 10

PARENTS = 1000

# What a row is made of follows from its number, n; `id` comes from the table's own sequence.
_ROWS = f"""
INSERT INTO clinics (name) SELECT 'Clinic ' || n FROM generate_series(1, 20) AS n;
INSERT INTO users (email) SELECT 'user' || n || '@clinic.example' FROM generate_series(1, {PARENTS}) AS n;
INSERT INTO patients (clinic_id, full_name) SELECT 1 + n % 20, 'Patient ' || n FROM generate_series(1, {PARENTS}) AS n;
INSERT INTO medical_record_templates (clinic_id, name, fields)
SELECT 1 + n % 20, 'Template ' || n, '[]' FROM generate_series(1, {PARENTS}) AS n;
"""
_RECORDS = f"""
INSERT INTO medical_records (clinic_id, patient_id, template_id, template_name, template_snapshot, values, version,
                             is_deleted, created_by_user_id, created_at, updated_at)
SELECT 1 + n %% 20, 1 + n %% {PARENTS}, 1 + n %% {PARENTS}, 'Template ' || 1 + n %% {PARENTS},
       jsonb_build_object('name', 'Template', 'fields', '[]'::jsonb),
       jsonb_build_object('pulse', 50 + n %% 70, 'notes', md5(n::text)), 1,
       CASE WHEN n %% {ROWS_A_NULL} > 0 THEN n %% 50 = 1 END, 1 + n %% {PARENTS},
       CASE WHEN n %% 100 = 0 THEN timestamptz '2025-03-01 08:00+00'
            ELSE timestamptz '2025-03-01 08:00+00' + n * interval '7 seconds' END, now()
FROM generate_series(1, %(rows)s) AS n
"""
_DAMAGE = (
    f"ALTER TABLE {TABLE} ALTER is_deleted DROP NOT NULL, ALTER is_deleted DROP DEFAULT",
    f"ALTER TABLE {TABLE} ALTER version DROP DEFAULT, ALTER updated_at DROP DEFAULT",
    f"ALTER TABLE {TABLE} ALTER created_at SET DEFAULT timestamptz '2025-03-01 08:00+00'",
)


@dataclass(frozen=True, slots=True)
class Start:
    """The database to copy, and the definitions of what is missing in it, as SQL: by name, but for the indexes."""

    template: BenchmarkDatabase
    indexes: tuple[str, ...]
    foreign_key: tuple[str, str]


@contextmanager
def starting_database(rows: int) -> Iterator[Start]:
    """Migrate a database from empty, damage its table of records, and fill that with `rows` rows."""
    with temporary_database(f"start_{rows}") as template:
        run(MIGRATE, template.environment)
        indexes = template.rows(
            f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{TABLE}' AND indexname LIKE 'idx%'"
        )
        ((key, definition),) = template.rows(
            f"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            f" WHERE conrelid = '{TABLE}'::regclass AND confrelid = 'medical_record_templates'::regclass"
        )
        dropped = [f"DROP INDEX {name}" for name, _ in indexes]
        template.execute(*dropped, f"ALTER TABLE {TABLE} DROP CONSTRAINT {key}", *_DAMAGE, _ROWS)
        with template.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # no foreign key looks at each row
            cursor.execute(_RECORDS, {"rows": rows})
        template.execute("VACUUM (FREEZE, ANALYZE)")
        yield Start(template, tuple(definition for _, definition in indexes), (key, definition))
