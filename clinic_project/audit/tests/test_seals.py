"""Seals, and what verify_history finds."""

import re
import threading

import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.roles import role_of
from clinic_project.reconciliation.tests.support.waiting import SECONDS, wait_until

from .patients import add_patient, entries, unrecorded


def tamper(database: Database, statement: str) -> None:
    """Change the history as its owner can: without the triggers that refuse it."""
    always = ("audit_history_append_only", "audit_history_by_destruction_alone")
    database.execute(
        "ALTER TABLE audit_history DISABLE TRIGGER USER",
        statement,
        *(f"ALTER TABLE audit_history ENABLE ALWAYS TRIGGER {name}" for name in always),
        "ALTER TABLE audit_history ENABLE TRIGGER audit_history_by_triggers_alone",
    )


def seal(database: Database, *arguments: str) -> str:
    """Return what a run prints. By itself it waits for a minute: transactions in any database hold a seal back."""
    outcome = database.manage("seal_history", *(arguments or ("--wait", str(SECONDS))))
    assert outcome.status == 0, outcome.printed
    return outcome.output


def sealed_at_last(database: Database) -> str:
    """Return what a run prints that seals something: it may have to wait for an autovacuum, too."""

    def sealed() -> str | None:
        printed = seal(database, "--wait", "0")
        return printed if printed.startswith("Sealed") else None

    return wait_until(sealed)


def head(database: Database) -> str:
    return database.manage("verify_history", "--head").output.strip()


def verified(database: Database, *arguments: str) -> bool:
    return database.manage("verify_history", *arguments).status == 0


def test_what_was_recorded_is_sealed_once(database):
    add_patient(database)
    database.execute("UPDATE patients SET notes = 'seen'")
    assert seal(database) == f"Sealed 2 entries. The hash of the seal is {head(database)}.\n"
    assert seal(database) == "Nothing was recorded since the last seal.\n"
    database.execute("UPDATE patients SET notes = NULL")
    assert seal(database).startswith("Sealed 1 entry. ")
    outcome = database.manage("verify_history")
    assert outcome.output == "Verified: 2 seals hold, and every recorded row is as its history says.\n"


def test_without_a_seal_there_is_no_head(database):
    outcome = database.manage("verify_history", "--head")
    assert outcome.status == 1
    assert outcome.errors == "CommandError: There is no seal yet. Run manage.py seal_history first.\n"


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            'UPDATE audit_history SET kept = \'{"notes": "other"}\' WHERE id = 2',
            "the entries 1 to 3 aren't what was sealed",
        ),
        (
            "UPDATE audit_history SET recorded_at = recorded_at - interval '1 day'",
            "the entries 1 to 3 aren't what was sealed",
        ),
        ("UPDATE audit_history SET context = 'somebody else'", "the entries 1 to 3 aren't what was sealed"),
        ("DELETE FROM audit_history WHERE id = 2", "the entries 1 to 3 were 3 when they were sealed, and are 2 now"),
    ],
)
def test_a_sealed_entry_that_was_changed_is_found(database, statement, text):
    add_patient(database)
    database.execute("UPDATE patients SET notes = 'one'", "UPDATE patients SET notes = 'two'")
    seal(database)
    tamper(database, statement)
    outcome = database.manage("verify_history")
    assert outcome.status == 1
    assert text in outcome.output
    assert outcome.output.startswith("seal 1 of ")


def test_an_entry_that_is_put_in_behind_a_seal_is_found(database):
    add_patient(database)
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE patients SET notes = 'never'")
        cursor.execute("ROLLBACK")
    database.execute("UPDATE patients SET notes = 'two'")
    assert [number for (number,) in entries(database, "id")] == [1, 3]
    seal(database)
    tamper(
        database,
        """INSERT INTO audit_history OVERRIDING SYSTEM VALUE
           SELECT 2, table_name, row_id, action, kept, is_whole, row_hash, transaction_id, recorded_at,
                  database_user, database_role, application_name, client_address, context
           FROM audit_history WHERE id = 1""",
    )
    assert "were 2 when they were sealed, and are 3 now" in database.manage("verify_history").output


@pytest.mark.parametrize("number", [-5, 0, 1_000_000])
def test_an_entry_with_a_number_that_no_seal_reaches_is_found(database, number):
    """It would be the oldest of its row, or one that can be changed for ever."""
    add_patient(database)
    seal(database)
    tamper(
        database,
        f"""INSERT INTO audit_history OVERRIDING SYSTEM VALUE
            SELECT {number}, table_name, row_id + 50, 'delete', '{{"full_name": "Eve"}}', true, NULL, transaction_id,
                   recorded_at, database_user, database_role, application_name, client_address, context
            FROM audit_history""",
    )
    found = "the history: entries with numbers that PostgreSQL never gave: 1, which were put in by hand\n"
    assert database.manage("verify_history").output == found


def test_a_seal_that_was_changed_or_removed_is_found(database):
    for notes in ("one", "two", "three"):
        add_patient(database, notes)
        seal(database)
    kept = head(database)
    assert verified(database, "--expect", kept)
    off = "ALTER TABLE audit_history_seals DISABLE TRIGGER audit_history_seals_append_only"
    database.execute(off, "UPDATE audit_history_seals SET entry_count = 7 WHERE id = 2")
    assert "seal 2 of" in database.manage("verify_history").output
    database.execute("DELETE FROM audit_history_seals WHERE id = 2")
    assert "it doesn't continue the seal before" in database.manage("verify_history").output


def test_a_seal_that_has_another_time_is_found(database):
    add_patient(database)
    seal(database)
    off = "ALTER TABLE audit_history_seals DISABLE TRIGGER audit_history_seals_append_only"
    database.execute(off, "UPDATE audit_history_seals SET sealed_at = sealed_at - interval '1 microsecond'")
    assert "it was changed itself" in database.manage("verify_history").output


def test_a_newest_seal_that_was_removed_is_found_by_the_head_that_was_kept(database):
    add_patient(database)
    seal(database)
    add_patient(database)
    seal(database)
    kept = head(database)
    off = "ALTER TABLE audit_history_seals DISABLE TRIGGER audit_history_seals_append_only"
    database.execute(off, "DELETE FROM audit_history_seals WHERE id = 2")
    assert verified(database)
    outcome = database.manage("verify_history", "--expect", kept)
    assert outcome.status == 1
    assert outcome.output == f"the seals: none has the hash {kept}: expected the one that was kept elsewhere\n"


def test_an_entry_of_a_transaction_that_still_runs_is_sealed_once_it_has_ended(database):
    add_patient(database, "before")
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'slow')")
        add_patient(database, "after")
        printed = seal(database, "--wait", "0")
        assert printed.endswith(
            "Up to 3 entries wait for transactions that still run. Run this again when these have ended.\n"
        )
        assert seal(database, "--wait", "0") == printed.splitlines(keepends=True)[-1]
        cursor.execute("COMMIT")
    assert seal(database).startswith("Sealed 3 entries. ")
    assert verified(database)


def test_what_was_settled_at_the_last_run_is_sealed_although_others_run(database):
    with database.cursor() as first, database.cursor() as second:
        first.execute("BEGIN")
        first.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'one')")
        seal(database, "--wait", "0")
        second.execute("BEGIN")
        second.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'two')")
        first.execute("COMMIT")
        assert sealed_at_last(database).startswith("Sealed 1 entry. ")
        second.execute("COMMIT")
    assert seal(database).startswith("Sealed 1 entry. ")
    assert verified(database)


def test_a_transaction_that_ends_soon_is_waited_for(database):
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'slow')")
        timer = threading.Timer(0.3, cursor.execute, ["COMMIT"])
        timer.start()
        assert seal(database, "--wait", str(SECONDS)).startswith("Sealed 1 entry. ")
        timer.join()


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("UPDATE patients SET full_name = 'Eve'", "it was changed between "),
        ("DELETE FROM patients", "it was removed between "),
        (
            "INSERT INTO patients (id, clinic_id, full_name) VALUES (700, 1, 'Eve')",
            "it was put in after the first seal",
        ),
    ],
)
def test_a_row_that_was_changed_without_a_trigger_is_found(database, statement, text):
    patient = add_patient(database, "Ada")
    seal(database)
    assert verified(database)
    unrecorded(database, statement)
    outcome = database.manage("verify_history")
    assert outcome.status == 1
    assert outcome.output.startswith(f"patients {700 if 'INSERT' in statement else patient}: {text}")
    assert outcome.errors == "CommandError: The history isn't whole: 1 found.\n"


def test_a_row_is_the_same_text_however_a_session_writes_dates(database):
    add_patient(database)
    database.execute("ALTER TABLE patients ADD COLUMN insured daterange")
    with database.cursor() as cursor:
        cursor.execute("SET datestyle = 'German'")
        cursor.execute("UPDATE patients SET insured = '[02.01.2026,03.02.2026)'")
    assert verified(database)


@pytest.mark.parametrize(
    "statements",
    [
        ("UPDATE patients SET full_name = 'Eve' WHERE full_name = 'before the history'",),
        ("DELETE FROM patients WHERE full_name = 'before the history'",),
        ("INSERT INTO patients (id, clinic_id, full_name) VALUES (-7, 1, 'Eve')",),
        ("UPDATE patients SET notes = 'Eve'", "UPDATE patients SET notes = NULL"),
        ("ALTER TABLE patients ADD COLUMN insurer text", "UPDATE patients SET insurer = 'Eve'"),
    ],
)
def test_what_the_readme_says_is_not_found(database, statements):
    unrecorded(database, "INSERT INTO patients (clinic_id, full_name) VALUES (1, 'before the history')")
    add_patient(database)
    seal(database)
    unrecorded(database, *statements)
    assert verified(database)


def test_seals_that_were_all_made_again_are_found_by_a_head_that_was_kept(database):
    add_patient(database)
    seal(database)
    kept = head(database)
    tamper(database, "UPDATE audit_history SET context = 'somebody else'")
    off = "ALTER TABLE audit_history_seals DISABLE TRIGGER audit_history_seals_append_only"
    database.execute(off, "DELETE FROM audit_history_seals")
    seal(database)
    assert verified(database)
    assert not verified(database, "--expect", kept)


def test_a_row_that_was_put_in_again_without_a_trigger_is_found(database):
    patient = add_patient(database, "Ada")
    database.execute("DELETE FROM patients")
    unrecorded(database, f"INSERT INTO patients (id, clinic_id, full_name) VALUES ({patient}, 1, 'Ada')")
    assert "it was put in again between" in database.manage("verify_history").output


def test_rows_that_were_there_before_the_history_are_as_they_were(database):
    unrecorded(database, "INSERT INTO patients (clinic_id, full_name) SELECT 1, n::text FROM generate_series(1, 5) n")
    add_patient(database)
    seal(database)
    assert verified(database)


def test_a_dump_keeps_history_and_seals(database, copy_of):
    add_patient(database)
    database.execute("UPDATE patients SET notes = 'seen'")
    seal(database)
    restored = copy_of(database)
    assert verified(restored, "--expect", head(database))
    restored.execute("UPDATE patients SET notes = 'again'")
    assert seal(restored).startswith("Sealed 1 entry. ")
    assert verified(restored)


def test_other_findings_are_counted(database):
    unrecorded(database)
    database.execute("INSERT INTO patients (clinic_id, full_name) SELECT 1, n::text FROM generate_series(1, 150) n")
    unrecorded(database, "UPDATE patients SET notes = 'changed'")
    outcome = database.manage("verify_history")
    assert len(outcome.output.splitlines()) == 100
    assert outcome.errors == "CommandError: The history isn't whole: 150 found. The first 100 are above.\n"


def test_a_role_that_only_reads_verifies_and_is_told_who_seals(database):
    add_patient(database)
    seal(database)
    add_patient(database)
    with role_of(database, "web") as web:
        database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {web.role['user']}")
        assert verified(web)
        outcome = web.manage("seal_history", "--wait", str(SECONDS))
    assert outcome.status == 1
    # Before PostgreSQL 18, the sequence of the entries is what it may not read.
    assert re.fullmatch(
        r"CommandError: PostgreSQL refused it: permission denied for (table|sequence) audit_history\w+ \(SQLSTATE 42501\)\."
        r" Nothing was changed\. Run this as the role that owns the tables, the one that migrates\.\n",
        outcome.errors,
    )


@pytest.mark.parametrize("command", ["seal_history", "verify_history"])
def test_where_the_history_is_missing_migrate_is_named(database, command):
    database.execute("DROP TABLE audit_history")
    outcome = database.manage(command)
    assert outcome.status == 1
    assert outcome.errors.endswith("Run manage.py migrate, then this again.\n")


def test_a_first_seal_tells_the_rows_that_are_there_from_those_put_in_later(database):
    unrecorded(database, "INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
    assert seal(database).startswith("Sealed 0 entries. ")
    assert seal(database) == "Nothing was recorded since the last seal.\n"
    assert verified(database)
    unrecorded(database, "INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Eve')")
    assert "it was put in after the first seal" in database.manage("verify_history").output


def test_without_a_seal_it_is_said_that_nothing_is_sealed(database):
    add_patient(database)
    outcome = database.manage("verify_history")
    assert outcome.status == 0
    assert outcome.output == (
        "Every recorded row is as its history says. Nothing is sealed: run manage.py seal_history.\n"
    )


def test_a_value_that_jsonb_cant_have_is_named(database):
    database.execute("ALTER TABLE patients ADD COLUMN answers json")
    add_patient(database)
    unrecorded(database, """UPDATE patients SET answers = '"\\u0000"'""")
    outcome = database.manage("verify_history")
    assert outcome.status == 1
    assert "A column of type json has a value that jsonb can't have" in outcome.errors
