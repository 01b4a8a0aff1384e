"""How many rows the lists of the API and of the admin read, and how long that takes, as the clinics grow.

    python -m clinic_project.benchmarks.growth [--sizes 10000 1000000 10000000] [--runs 3]

For each size it makes a database of its own on the server that the project uses, with so many records: a fifth of them of
one huge clinic, a thousand of a small one, the others of a hundred clinics, and one clinic has none. It asks for each page
as a client does, and explains the queries that the project sends for it: what they read to show the page, and to count. It
says how much disk each size needs, and stops where there is less. 10,000,000 records are filled in four minutes.
"""

import argparse
import subprocess
import sys
import time

from .databases import PROJECT_FOLDER, BenchmarkDatabase, benchmark_server, temporary_database
from .output import write_line

#: Bytes of disk that a record takes here, with its indexes and its part of the patients; and what is written meanwhile.
BYTES_A_RECORD, FIXED_BYTES = 600, 2_000_000_000

EMPTY, SMALL, HUGE, FIRST_OTHER, OTHERS = 1, 2, 3, 4, 100
#: Patients have ten records each. A template of each clinic is used seldom.
RECORDS_A_PATIENT, SELDOM = 10, 2_000

#: Patients and records are numbered from 1, as time goes by. Of the patients, the small clinic has the first hundred, the
#: huge one every fifth; the records go round among the patients by this step.
_STEP = 7919
_CLINIC_OF = f"CASE WHEN p <= 100 THEN {SMALL} WHEN p % 5 = 0 THEN {HUGE} ELSE {FIRST_OTHER} + p % {OTHERS} END"

#: The huge clinic has put all its records since then into the trash, as after an import that went wrong.
_TAKEN_BACK = "2024-11-20"

#: Those of the month before were entered in error. Most older ones are signed.
_MONTH_IN_ERROR = f"at >= timestamp '{_TAKEN_BACK}' - interval '1 month' AND at < '{_TAKEN_BACK}'"
_SIGNED = "n / 7 % 50 <> 3 AND at < '2024-12-01'"

#: When number {number} of {numbers} was made, in ten years.
_MOMENT = "(timestamptz '2015-01-01 UTC' + interval '3650 days' * ({number} / {numbers}::float))"

#: The statements that fill a database, with the numbers of records and patients. Photos come before their records: these are
#: signed, and take none any more.
FILL = f"""
INSERT INTO clinics (id, name) SELECT n, 'Clinic ' || n FROM generate_series(1, {FIRST_OTHER + OTHERS - 1}) AS n;

INSERT INTO users (id, email, is_staff, is_superuser) VALUES (1, 'root@example.test', true, true);

INSERT INTO users (id, email, is_staff)
SELECT n + 1, 'member' || n || '@example.test', true FROM generate_series(1, 3) AS n;

INSERT INTO user_clinic_associations (user_id, clinic_id, full_name, roles)
SELECT n + 1, n, 'Member ' || n, '["admin"]' FROM generate_series(1, 3) AS n;

INSERT INTO medical_record_templates (id, clinic_id, name, fields)
SELECT c * 2 + seldom, c, CASE seldom WHEN 0 THEN 'Visit' ELSE 'Seldom' END, '[]'
FROM generate_series(1, {FIRST_OTHER + OTHERS - 1}) AS c, generate_series(0, 1) AS seldom;

INSERT INTO patients (id, clinic_id, full_name, phone_number, birthday, is_deleted)
SELECT p, {_CLINIC_OF}, chr(19968 + (p * 7919 % 500)::int) || chr(20000 + (p * 104729 % 3000)::int) || ' Patient ' || p,
       '09' || lpad((p * 7919 % 100000000)::text, 8, '0'), date '1940-01-01' + (p % 28000)::int,
       p % 1000 IN (17, 20)
FROM generate_series(1, {{patients}}::bigint) AS p;

INSERT INTO patient_photos (clinic_id, patient_id, medical_record_id, filename, storage_key, content_type, size_bytes,
                            is_pending, is_deleted, created_at)
SELECT {_CLINIC_OF}, p, CASE p % 2 WHEN 0 THEN {{patients}} + (p - 1) * {{inverse}} % {{patients}} END,
       p || '.jpg', 'photos/' || p, 'image/jpeg', 1000, p % 1000 = 40, p % 700 IN (5, 6), {{moment_of_patient}}
FROM generate_series(1, {{patients}}::bigint) AS p;

INSERT INTO medical_records (id, clinic_id, patient_id, template_id, template_name, template_snapshot, values,
                             created_at, updated_at, is_deleted, deleted_at, entered_in_error_at, signed_at, content_hash)
SELECT n, c, p, c * 2 + (n / 7 % {SELDOM} = 3)::int, 'Visit', '{{{{"fields": []}}}}', jsonb_build_object(md5(n::text), n),
       at, at, in_trash, CASE WHEN in_trash THEN at END,
       CASE WHEN NOT in_trash AND (n / 7 % 5000 = 5 OR (c = {HUGE} AND {_MONTH_IN_ERROR})) THEN at END,
       CASE WHEN NOT in_trash AND {_SIGNED} THEN at END, CASE WHEN NOT in_trash AND {_SIGNED} THEN md5(n::text) END
FROM generate_series(1, {{records}}::bigint) AS n
CROSS JOIN LATERAL (SELECT 1 + n * {_STEP} % {{patients}} AS p) AS of_patient
CROSS JOIN LATERAL (SELECT {_CLINIC_OF} AS c, {{moment_of_record}} AS at) AS clinic_and_time
CROSS JOIN LATERAL (SELECT n / 7 % 5000 = 3 OR (c = {HUGE} AND at >= '{_TAKEN_BACK}') AS in_trash) AS trash;

INSERT INTO calendar_events (id, user_id, clinic_id, event_type, date, start_time)
SELECT p, 1, {_CLINIC_OF}, 'appointment', {{moment_of_patient}}::date, time '08:00' + (p % 36) * interval '15 minutes'
FROM generate_series(1, {{patients}}::bigint) AS p;

INSERT INTO appointments (calendar_event_id, patient_id)
SELECT p, p FROM generate_series(1, {{patients}}::bigint) AS p
"""


#: A table is filled in a fraction of the time without its indexes and foreign keys, which `migrate` makes anew.
_WITHOUT_INDEXES = """
DO $$
DECLARE statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
        FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('DROP INDEX %s', indexrelid::regclass)
        FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        WHERE relnamespace = 'public'::regnamespace AND NOT indisunique
    LOOP
        EXECUTE statement;
    END LOOP;
END $$
"""


def fill_statements(records: int) -> list[str]:
    """Return the statements that fill a migrated database with so many records, and with patients, photos and visits."""
    patients = records // RECORDS_A_PATIENT
    filled = FILL.format(
        records=records,
        patients=patients,
        inverse=pow(_STEP, -1, patients),
        moment_of_record=_MOMENT.format(number="n", numbers=records),
        moment_of_patient=_MOMENT.format(number="p", numbers=patients),
    )
    return filled.split(";\n")


def main() -> None:
    options = _arguments()
    for records in options.sizes:
        require_room(benchmark_server(), records)
        with temporary_database(f"growth_{records}") as database:
            _measure_size(database, records, options.runs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000], help="numbers of records"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each page; medians are printed")
    return parser.parse_args()


def require_room(server: BenchmarkDatabase, records: int) -> None:
    """Say how much disk so many records need. Exits where the server has less."""
    server.require_room(f"{records:,} records", FIXED_BYTES + records * BYTES_A_RECORD, "name smaller --sizes")


def _measure_size(database: BenchmarkDatabase, records: int, runs: int) -> None:
    began = time.monotonic()
    environment = {**database.environment, "ALLOWED_HOSTS": "testserver", "DEBUG": "true"}
    _run(environment, "manage.py", "migrate", "--verbosity=0")
    patients = records // RECORDS_A_PATIENT
    database.execute(_WITHOUT_INDEXES, *fill_statements(records))
    _run(environment, "manage.py", "migrate", "--verbosity=0")
    database.execute("VACUUM (ANALYZE)")
    ((size,),) = database.rows("SELECT pg_size_pretty(pg_database_size(current_database()))")
    write_line(f"{records:,} records, {patients:,} patients, {size}, filled in {time.monotonic() - began:.0f} s")
    _run(environment, "-m", "clinic_project.benchmarks.growth_pages", f"--runs={runs}")


def _run(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=PROJECT_FOLDER, env=environment, check=True)  # noqa: S603 - nothing of others in it


if __name__ == "__main__":
    main()
