"""Rows that are destroyed with their history: what the log keeps, what is refused, and what verify_history finds."""

import hashlib

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.roles import role_of

from ..functions import ENTRY, HISTORY_IS_APPEND_ONLY, NO_SUCH_ROW, ROW_IS_RETAINED
from .patients import add_patient, entries, unrecorded
from .test_seals import seal, verified

pytestmark = pytest.mark.slow

DESTROY = "INSERT INTO audit_destructions (table_name, row_id) VALUES ('patients', {})"


def retained(database: Database, until: str) -> None:
    """Let patients be retained until then: this project never destroys one."""
    database.execute(
        "CREATE OR REPLACE FUNCTION patients_retained_until(row_id bigint) RETURNS timestamptz LANGUAGE sql"
        f" AS $$SELECT CAST({until} AS timestamptz)$$"
    )


@pytest.fixture
def patient(database: Database) -> int:
    """A patient with three entries, who may go."""
    retained(database, "'2020-01-01Z'")
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET notes = 'seen'", "UPDATE patients SET notes = 'left'")
    return patient


def log(database: Database, *columns: str):
    return database.rows(f"SELECT {', '.join(columns)} FROM audit_destructions ORDER BY id")


def sqlstate_of(database: Database, *statements: str) -> str:
    with pytest.raises(psycopg2.DatabaseError) as refused:
        database.execute(*statements)
    return refused.value.pgcode or ""


def without_guards(database: Database, *statements: str) -> None:
    """Run statements as the owner of the database can, with no trigger of the audit's own tables."""
    tables = ("audit_history", "audit_destructions", "audit_destroyed_entries")
    modes = database.rows("SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal")
    words = {"O": "ENABLE", "A": "ENABLE ALWAYS"}
    database.execute(
        *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables),
        *statements,
        *(f'ALTER TABLE {table} {words[mode]} TRIGGER "{name}"' for table, name, mode in modes if table in tables),
    )


# What it does


def test_a_row_goes_with_its_history(database, patient):
    other = add_patient(database, "Bea")
    database.execute(DESTROY.format(patient))
    assert database.rows("SELECT id FROM patients") == [(other,)]
    assert {row for (row,) in entries(database, "row_id")} == {other}
    assert database.value("SELECT count(*) FROM audit_destroyed_entries") == 4


def test_the_log_says_what_was_destroyed_and_by_whom_and_nothing_of_its_content(database, patient):
    row = database.value("SELECT to_jsonb(patients)::text FROM patients")
    with database.cursor() as cursor:
        cursor.execute("SET application_name = 'reception'")
        cursor.execute("SELECT set_config('audit.context', '{\"by\": 7}', false)")
        cursor.execute(DESTROY.format(patient))
    [found] = log(
        database,
        *("table_name", "row_id", "clinic_id", "patient_id", "retained_until::text", "entry_count", "content_hash"),
        *("application_name", "context", "database_user = session_user", "transaction_id > 0", "destroyed_at <= now()"),
    )
    assert found[:6] == ("patients", patient, 1, None, "2020-01-01 00:00:00+00", 4)
    assert bytes(found[6]) == hashlib.sha256(row.encode()).digest()
    assert found[7:] == ("reception", '{"by": 7}', True, True, True)
    everything = database.value("SELECT string_agg(log::text, '') FROM audit_destructions AS log")
    everything += database.value("SELECT string_agg(entry::text, '') FROM audit_history AS entry")
    assert "Ada" not in everything
    assert "seen" not in everything


def test_whatever_else_is_given_is_filled_in_anew(database, patient):
    database.execute(
        f"""INSERT INTO audit_destructions (table_name, row_id, retained_until, destroyed_at, clinic_id, entry_count,
            content_hash, entries_hash, transaction_id, database_user)
            VALUES ('patients', {patient}, '1990-01-01', '1990-01-01', 700, 0, '', '', 1, 'somebody else')"""
    )
    [(year, clinic, number, user)] = log(
        database, "extract(year FROM destroyed_at)", "clinic_id", "entry_count", "database_user"
    )
    assert (year > 2000, clinic, number, user != "somebody else") == (True, 1, 4, True)


@pytest.mark.parametrize("conflict", ["", " ON CONFLICT DO NOTHING", " ON CONFLICT (id) DO NOTHING"])
def test_no_number_that_is_given_keeps_a_destruction_out_of_the_log(database, patient, conflict):
    others = [add_patient(database, name) for name in ("Bea", "Cem")]
    with database.cursor() as cursor:
        cursor.execute(DESTROY.format(patient))
        cursor.execute(
            "INSERT INTO audit_destructions (id, table_name, row_id) SELECT log.id, 'patients', other"
            f" FROM audit_destructions AS log, unnest(%s::bigint[]) AS other{conflict}",
            [others],
        )
    assert {row for (row,) in log(database, "row_id")} == {patient, *others}
    assert database.value("SELECT count(*) FROM patients") == 0
    assert verified(database)


def test_a_row_without_a_history_can_be_destroyed(database):
    retained(database, "NULL")
    unrecorded(
        database, "INSERT INTO patients (id, clinic_id, full_name) OVERRIDING SYSTEM VALUE VALUES (900, 1, 'Ada')"
    )
    database.execute(DESTROY.format(900))
    assert log(database, "retained_until", "entry_count") == [(None, 1)], "its removal has an entry"
    assert verified(database)


def test_what_another_systems_trigger_keeps_is_not_logged(database, patient):
    database.execute(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER theirs BEFORE DELETE ON patients FOR EACH ROW EXECUTE FUNCTION theirs()",
        DESTROY.format(patient),
    )
    assert log(database, "id") == []
    assert len(entries(database, "id")) == 3


# What is refused


def test_a_row_that_is_retained_stays(database, patient):
    retained(database, "now() + interval '1 second'")
    assert sqlstate_of(database, DESTROY.format(patient)) == ROW_IS_RETAINED
    assert len(entries(database, "id")) == 3
    assert log(database, "id") == []


def test_one_that_is_retained_keeps_all_that_are_destroyed_with_it(database, patient):
    other = add_patient(database, "Bea")
    database.execute(
        f"""CREATE OR REPLACE FUNCTION patients_retained_until(row_id bigint) RETURNS timestamptz LANGUAGE sql
            AS $$SELECT CASE row_id WHEN {other} THEN now() + interval '1 day' END$$"""
    )
    assert sqlstate_of(database, f"{DESTROY.format(patient)}, ('patients', {other})") == ROW_IS_RETAINED
    assert database.value("SELECT count(*) FROM patients") == 2


@pytest.mark.parametrize(
    ("table", "row", "state"),
    [
        ("patients", 700, NO_SUCH_ROW),
        ("clinics", 1, "42883"),  # of which no app says how long they are retained
        ("audit_history", 1, "42883"),
        ("no such table; --", 1, "42P01"),
    ],
)
def test_what_is_not_there_or_is_never_destroyed(database, patient, table, row, state):
    assert (
        sqlstate_of(database, f"INSERT INTO audit_destructions (table_name, row_id) VALUES ('{table}', {row})") == state
    )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_history WHERE table_name = 'patients'",
        "DELETE FROM audit_history WHERE id = (SELECT min(id) FROM audit_history)",
        "UPDATE audit_history SET kept = NULL",
        "INSERT INTO audit_destroyed_entries VALUES (1, '', 1)",
        "UPDATE audit_destroyed_entries SET entry_hash = ''",
        "DELETE FROM audit_destroyed_entries",
        "TRUNCATE audit_destroyed_entries",
        "UPDATE audit_destructions SET context = 'somebody else'",
        "DELETE FROM audit_destructions",
        "TRUNCATE audit_destructions",
    ],
)
def test_nobody_removes_a_history_or_changes_the_log_by_hand(database, patient, statement):
    database.execute(DESTROY.format(add_patient(database, "Bea")))
    before = database.rows("SELECT * FROM audit_history"), log(database, "*")
    assert sqlstate_of(database, statement) == HISTORY_IS_APPEND_ONLY
    assert (database.rows("SELECT * FROM audit_history"), log(database, "*")) == before


def test_a_destruction_lets_go_the_history_of_no_other_row(database, patient):
    other = add_patient(database, "Bea")
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(DESTROY.format(other))
        with pytest.raises(psycopg2.DatabaseError) as refused:
            cursor.execute(f"DELETE FROM audit_history WHERE row_id = {patient} AND table_name = 'patients'")
        cursor.execute("ROLLBACK")
    assert refused.value.pgcode == HISTORY_IS_APPEND_ONLY


def test_a_role_needs_nothing_but_to_insert_into_the_log(database, patient):
    with role_of(database, "web") as web:
        role = web.role["user"]
        database.execute(
            f"GRANT INSERT, SELECT ON audit_destructions TO {role}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        )
        assert sqlstate_of(web, "DELETE FROM patients") == "42501"
        web.execute(DESTROY.format(patient))
        assert log(database, "database_user") == [(role,)]

        retained(database, "now() + interval '1 day'")
        other = add_patient(database, "Bea")
        with web.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE patients (id int)")
            cursor.execute(f"INSERT INTO patients VALUES ({other})")
            cursor.execute(
                "CREATE FUNCTION pg_temp.patients_retained_until(bigint) RETURNS timestamptz"
                " LANGUAGE sql AS 'SELECT NULL::timestamptz'"
            )
            cursor.execute("SET search_path = pg_temp, public")
            with pytest.raises(psycopg2.DatabaseError) as refused:
                cursor.execute(DESTROY.format(other))
        assert refused.value.pgcode == ROW_IS_RETAINED


# Seals


def test_seals_hold_before_after_and_between(database, patient):
    other, third = add_patient(database, "Bea"), add_patient(database, "Cyd")
    seal(database)
    database.execute("UPDATE patients SET notes = 'again'")
    database.execute(DESTROY.format(other))
    seal(database)
    assert verified(database)
    database.execute(DESTROY.format(patient))
    assert verified(database)
    database.execute("UPDATE patients SET notes = 'more'", DESTROY.format(third))
    seal(database)
    assert database.manage("verify_history").output.startswith("Verified: 3 seals hold")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("DELETE FROM audit_history WHERE id = 2", "were 3 when they were sealed, and are 2 now"),
        ("DELETE FROM audit_destroyed_entries WHERE id = 4", "were 3 when they were sealed, and are 2 now"),
        ("UPDATE audit_destroyed_entries SET entry_hash = '\\x00'", "aren't what was sealed"),
        ("UPDATE audit_destructions SET context = 'somebody else'", "it was changed between"),
        ("DELETE FROM audit_destructions", "it was removed between"),
    ],
)
def test_what_was_changed_in_the_log_without_its_guards_is_found(database, patient, statement, text):
    seal(database)
    database.execute(DESTROY.format(add_patient(database, "Bea")))
    seal(database)
    without_guards(database, statement)
    outcome = database.manage("verify_history")
    assert outcome.status == 1
    assert text in outcome.output


def test_a_history_that_went_without_its_row_is_found(database, patient):
    """The owner removes it as if a destruction had: number and hash are right, and there is a log entry to name."""
    other = add_patient(database, "Bea")
    database.execute(DESTROY.format(other))
    seal(database)
    assert verified(database)
    without_guards(
        database,
        "SET TimeZone = 'UTC'",
        "SET extra_float_digits = 1",
        f"""INSERT INTO audit_destroyed_entries
            SELECT id, sha256(convert_to({ENTRY}, 'UTF8')), 1 FROM audit_history WHERE row_id = {patient}
            AND table_name = 'patients'""",
        f"DELETE FROM audit_history WHERE row_id = {patient} AND table_name = 'patients'",
    )
    found = database.manage("verify_history").output
    assert found == "destruction 1: the entries that are said to have gone with it aren't those of the log\n"


def test_a_log_entry_that_was_put_in_by_hand_is_found(database, patient):
    seal(database)
    without_guards(
        database,
        """INSERT INTO audit_destructions (table_name, row_id, destroyed_at, content_hash, entry_count, entries_hash,
           transaction_id, database_user) VALUES ('patients', 7, now(), '', 0, sha256(''), 1, 'nobody')""",
    )
    assert "audit_destructions 1: it was put in after the first seal" in database.manage("verify_history").output


def test_an_entry_that_comes_back_is_found(database, patient):
    database.execute("CREATE TABLE kept AS SELECT * FROM audit_history", DESTROY.format(patient))
    seal(database)
    without_guards(database, "INSERT INTO audit_history OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    assert "when they were sealed" in database.manage("verify_history").output


# Side by side


def test_of_two_at_once_one_destroys(database, patient):
    with database.cursor() as first:
        first.execute("BEGIN")
        first.execute(DESTROY.format(patient))
        with database.cursor() as second:
            second.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                second.execute(DESTROY.format(patient))
        first.execute("COMMIT")
    assert sqlstate_of(database, DESTROY.format(patient)) == NO_SUCH_ROW
    assert len(log(database, "id")) == 1


def test_nothing_is_gone_until_it_is_committed(database, patient):
    seal(database)
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(DESTROY.format(patient))
        cursor.execute("ROLLBACK")
    assert len(entries(database, "id")) == 3
    assert verified(database)
