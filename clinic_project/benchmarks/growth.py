"""How many rows the lists of the API and of the admin read, and how long that takes, as the clinics grow.

    python -m clinic_project.benchmarks.growth [--sizes 10000 1000000 10000000] [--runs 3]

For each size it makes a database of its own on the server that the project uses, with so many records: a fifth of them of
one huge clinic, a thousand of a small one, the others of a hundred clinics, and one clinic has none. It asks for each page
as a client does, and explains the queries that the project sends for it. A row is read where a scan returns it or filters
it out. 10,000,000 records take some 14 GB of disk; it stops if there is less room than a size needs.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .databases import PROJECT_FOLDER, BenchmarkDatabase, temporary_database
from .output import write_line

#: Bytes of disk that a record takes here, with its indexes, its part of the patients and what is written meanwhile.
BYTES_A_RECORD = 1_400

EMPTY, SMALL, HUGE, FIRST_OTHER, OTHERS = 1, 2, 3, 4, 100
#: Patients have ten records each. A template of each clinic is used seldom.
RECORDS_A_PATIENT, SELDOM = 10, 2_000

#: Records are numbered from 1: the small clinic has the first thousand, the huge one of each five the first.
_CLINIC_OF = f"CASE WHEN p <= 100 THEN {SMALL} WHEN p % 5 = 0 THEN {HUGE} ELSE {FIRST_OTHER} + p % {OTHERS} END"

#: The statements that fill a database, with the numbers of records and patients.
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

INSERT INTO patients (id, clinic_id, full_name, phone_number, birthday)
SELECT p, {_CLINIC_OF}, chr(19968 + (p * 7919 % 500)::int) || chr(20000 + (p * 104729 % 3000)::int) || ' Patient ' || p,
       '09' || lpad((p * 7919 % 100000000)::text, 8, '0'), date '1940-01-01' + (p % 28000)::int
FROM generate_series(1, {{patients}}::bigint) AS p;

INSERT INTO medical_records (id, clinic_id, patient_id, template_id, template_name, template_snapshot, values,
                             created_at, updated_at, is_deleted, deleted_at)
SELECT n, c, p, c * 2 + (n % {SELDOM} = 0)::int, 'Visit', '{{{{"fields": []}}}}', jsonb_build_object(md5(n::text), n),
       at, at, n % 5000 = 0, CASE WHEN n % 5000 = 0 THEN at END
FROM generate_series(1, {{records}}::bigint) AS n
CROSS JOIN LATERAL (SELECT (n + {RECORDS_A_PATIENT} - 1) / {RECORDS_A_PATIENT} AS p) AS of_patient
CROSS JOIN LATERAL (
    SELECT {_CLINIC_OF} AS c, timestamptz '2015-01-01' + (n * 7919 % {{records}}) * interval '30 seconds' AS at
) AS clinic_and_time;

INSERT INTO patient_photos (clinic_id, patient_id, filename, storage_key, content_type, size_bytes, is_pending)
SELECT {_CLINIC_OF}, p, p || '.jpg', 'photos/' || p, 'image/jpeg', 1000, false
FROM generate_series(1, {{patients}}::bigint, 2) AS p
"""


def main() -> None:
    options = _arguments()
    for records in options.sizes:
        with _room_for(records), temporary_database(f"growth_{records}") as database:
            _measure_size(database, records, options.runs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000], help="numbers of records"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each page; medians are printed")
    return parser.parse_args()


@contextmanager
def _room_for(records: int) -> Iterator[None]:
    needed, free = records * BYTES_A_RECORD, shutil.disk_usage(".").free
    if needed > free:
        sys.exit(f"{records:,} records need {needed / 1e9:.0f} GB of disk; {free / 1e9:.0f} GB are free here.")
    yield


def _measure_size(database: BenchmarkDatabase, records: int, runs: int) -> None:
    began = time.monotonic()
    environment = {**database.environment, "ALLOWED_HOSTS": "testserver", "DEBUG": "true"}
    _run(environment, "manage.py", "migrate", "--verbosity=0")
    patients = records // RECORDS_A_PATIENT
    database.execute(*FILL.format(records=records, patients=patients).split(";\n"), "VACUUM (ANALYZE)")
    ((size,),) = database.rows("SELECT pg_size_pretty(pg_database_size(current_database()))")
    write_line(f"{records:,} records, {patients:,} patients, {size}, filled in {time.monotonic() - began:.0f} s")
    _run(environment, "-m", "clinic_project.benchmarks.growth_pages", f"--runs={runs}")


def _run(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=PROJECT_FOLDER, env=environment, check=True)  # noqa: S603 - nothing of others in it


if __name__ == "__main__":
    main()
