"""What the history costs in SQL, side by side with the same table without its triggers, and how fast it is verified.

    python -m clinic_project.benchmarks.history [--rows 100000] [--rounds 3]

Makes two databases of its own on the server that the project uses: in one of them, the triggers of the records are
disabled. The two take turns, so that whatever else the machine does slows both; the medians of the rounds are printed,
and of the ratio the median over the pairs.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from .databases import BenchmarkDatabase, temporary_database, without_checkpoints
from .output import write_line
from .processes import MIGRATE, run

#: Changes of one row each, one after the other.
SINGLE_CHANGES = 2_000

_FIELDS = """(SELECT jsonb_agg(jsonb_build_object('id', md5(i::text)::uuid, 'label', 'What was observed, ' || i, 'type',
    'text', 'required', false, 'order', i)) FROM generate_series(1, 8) AS i)"""

FILL = f"""
    INSERT INTO clinics (id, name) VALUES (1, 'Clinic');
    INSERT INTO patients (id, clinic_id, full_name) SELECT n, 1, 'Patient ' || n FROM generate_series(1, 1000) AS n;
    INSERT INTO medical_record_templates (id, clinic_id, name, fields) VALUES (1, 1, 'Visit', {_FIELDS});
"""
INSERT = """
    INSERT INTO medical_records (clinic_id, patient_id, template_id, template_name, template_snapshot, values)
    SELECT 1, 1 + mod(n, 1000), 1, 'Visit', (SELECT fields FROM medical_record_templates WHERE id = 1),
           jsonb_build_object(md5('1')::uuid, repeat('An answer of some length. ', 12), md5('2')::uuid, n)
    FROM generate_series(1, {rows}) AS n
"""
UPDATE = "UPDATE medical_records SET version = version + 1, updated_at = clock_timestamp()"

Measure = Callable[[BenchmarkDatabase], float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clinic_project.benchmarks.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with without_checkpoints(), temporary_database("recorded") as recorded, temporary_database("plain") as plain:
        for database in (recorded, plain):
            run(MIGRATE, database.environment)
            database.execute(FILL)
        plain.execute("ALTER TABLE medical_records DISABLE TRIGGER USER")
        insert = INSERT.format(rows=options.rows)
        write_line(f"{'':34} {'recorded':>10} {'plain':>10} {'ratio':>6}")
        _compare(
            f"{options.rows:,} rows in one INSERT", lambda database: _seconds(database, insert), recorded, plain, 1
        )
        _compare("the first change of each, in one", lambda database: _seconds(database, UPDATE), recorded, plain, 1)
        for database in (recorded, plain):
            database.execute("VACUUM ANALYZE")
        rounds = options.rounds
        _compare(
            f"{options.rows:,} rows in one UPDATE", lambda database: _seconds(database, UPDATE), recorded, plain, rounds
        )
        _compare("one row, an UPDATE and a commit", _single_changes, recorded, plain, rounds)
        _compare("one row, an INSERT and a commit", _single_inserts, recorded, plain, rounds)
        _describe(recorded)


def _compare(name: str, measure: Measure, recorded: BenchmarkDatabase, plain: BenchmarkDatabase, rounds: int) -> None:
    pairs = []
    for number in range(rounds):
        order = (recorded, plain) if number % 2 else (plain, recorded)
        seconds = {database.name: measure(database) for database in order}
        pairs.append((seconds[recorded.name], seconds[plain.name]))
    ours, theirs = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    write_line(f"{name:<34} {ours * 1000:7.1f} ms {theirs * 1000:7.1f} ms {ratio:6.2f}")


def _seconds(database: BenchmarkDatabase, statement: str) -> float:
    with database.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute(statement)
        return time.perf_counter() - started


def _single_changes(database: BenchmarkDatabase) -> float:
    """Return the seconds that one change takes."""
    return _each(database, f"{UPDATE} WHERE id = %s")


def _single_inserts(database: BenchmarkDatabase) -> float:
    """Return the seconds that one new row takes."""
    return _each(database, INSERT.format(rows=1) + " WHERE %s > 0")


def _each(database: BenchmarkDatabase, statement: str) -> float:
    with database.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        started = time.perf_counter()
        for number in range(1, SINGLE_CHANGES + 1):
            cursor.execute(statement, [number])
        return (time.perf_counter() - started) / SINGLE_CHANGES


def _describe(database: BenchmarkDatabase) -> None:
    ((entries, size, of_records),) = database.rows(
        "SELECT (SELECT count(*) FROM audit_history), pg_total_relation_size('audit_history'),"
        " pg_total_relation_size('medical_records')"
    )
    write_line(f"{entries:,} entries take {size / 2**20:,.0f} MB, the records themselves {of_records / 2**20:,.0f} MB.")
    for command in ("seal_history", "verify_history"):
        seconds = run((*MIGRATE[:-1], command), database.environment).seconds
        write_line(f"{command}: {seconds:.1f} s")


if __name__ == "__main__":
    main()
