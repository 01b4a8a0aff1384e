"""What a row was at any time."""

from typing import Any

import pytest

from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to

from ..history import Change, described, histories_of
from .patients import add_patient, unrecorded


def history(database: Database, row_id: int, table: str = "patients") -> list[Change]:
    """Return the history of a row, the oldest first."""
    with default_connection_to(database):
        return list(histories_of(table, [row_id]))[::-1]


def names(changes: list[Change]) -> list[Any]:
    return [change.after and change.after["full_name"] for change in changes]


def test_each_change_gives_the_row_before_and_after(database):
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada L'", "UPDATE patients SET notes = 'seen'")
    made, renamed, seen = history(database, patient)
    assert made.before is None
    assert made.after == renamed.before
    assert (renamed.before["full_name"], renamed.after["full_name"]) == ("Ada", "Ada L")
    assert renamed.changed == {"full_name"}
    assert seen.before["notes"] is None
    assert seen.after["notes"] == "seen"
    assert [change.sequence for change in (made, renamed, seen)] == [1, 2, 3]
    assert all(change.is_proven and change.unrecorded_until is None for change in (made, renamed, seen))


def test_a_row_that_is_gone_has_its_history(database):
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada L'", "DELETE FROM patients")
    changes = history(database, patient)
    assert names(changes) == ["Ada", "Ada L", None]
    assert all(change.is_proven for change in changes)


def test_a_row_that_comes_back_has_both_histories(database):
    patient = add_patient(database, "Ada")
    database.execute(
        "DELETE FROM patients", f"INSERT INTO patients (id, clinic_id, full_name) VALUES ({patient}, 1, 'Eve')"
    )
    changes = history(database, patient)
    assert names(changes) == ["Ada", None, "Eve"]
    assert all(change.is_proven for change in changes)


def test_what_was_changed_without_a_trigger_is_found_between_two_times(database):
    patient = add_patient(database, "Ada")
    unrecorded(database, "UPDATE patients SET full_name = 'Eve'")
    database.execute("UPDATE patients SET notes = 'seen'")
    made, seen = history(database, patient)
    assert made.unrecorded_until == seen.at
    assert not made.is_proven
    assert seen.is_proven
    assert seen.unrecorded_until is None
    assert seen.before["full_name"] == "Eve"


def test_what_was_changed_since_the_last_entry_is_found_too(database):
    patient = add_patient(database, "Ada")
    unrecorded(database, "UPDATE patients SET full_name = 'Eve'")
    (made,) = history(database, patient)
    assert made.unrecorded_until is not None
    assert not made.is_proven


@pytest.mark.parametrize("statement", ["DELETE FROM patients", "UPDATE patients SET id = id + 7"])
def test_a_row_that_was_removed_without_a_trigger_is_found(database, statement):
    patient = add_patient(database, "Ada")
    unrecorded(database, statement)
    (made,) = history(database, patient)
    assert made.after is None
    assert made.unrecorded_until is not None


def test_an_unrecorded_change_is_found_once_and_what_came_before_isnt_said_to_be_known(database):
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET notes = 'first'", "UPDATE patients SET notes = 'second'")
    unrecorded(database, "UPDATE patients SET full_name = 'Eve'")
    changes = history(database, patient)
    assert [change.unrecorded_until is not None for change in changes] == [False, False, True]
    assert [change.is_proven for change in changes] == [False, False, False]


def test_what_an_entry_kept_whole_is_known_whatever_came_after(database):
    unrecorded(database, "INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
    patient = database.value("SELECT id FROM patients")
    database.execute("UPDATE patients SET notes = 'first'", "DELETE FROM patients")
    database.execute(f"INSERT INTO patients (id, clinic_id, full_name) VALUES ({patient}, 1, 'Ada')")
    unrecorded(database, "UPDATE patients SET full_name = 'Eve'")
    first, gone, made = history(database, patient)
    assert first.before["full_name"] == "Ada"
    assert first.is_proven
    assert gone.before["notes"] == "first"
    assert gone.is_proven
    assert made.unrecorded_until is not None


@pytest.mark.parametrize("columns", ["insurer text", "insurer text NOT NULL DEFAULT 'none'", "a int, b int DEFAULT 7"])
def test_added_columns_are_no_change_of_the_rows(database, columns):
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET notes = 'seen'")
    database.execute(*(f"ALTER TABLE patients ADD COLUMN {column}" for column in columns.split(", ")))
    assert all(change.is_proven for change in history(database, patient))
    database.execute("UPDATE patients SET full_name = 'Ada L'")
    changes = history(database, patient)
    assert all(change.is_proven for change in changes)
    assert names(changes) == ["Ada", "Ada", "Ada L"]


def test_values_that_ddl_changes_are_found(database):
    patient = add_patient(database, "Ada")
    database.execute("ALTER TABLE patients ALTER COLUMN full_name TYPE varchar(255) USING upper(full_name)")
    (made,) = history(database, patient)
    assert made.unrecorded_until is not None


def test_a_wider_column_is_no_change(database):
    patient = add_patient(database, "Ada")
    database.execute(
        "ALTER TABLE patients ALTER COLUMN full_name TYPE text", "ALTER TABLE patients ALTER COLUMN id TYPE bigint"
    )
    assert all(change.is_proven for change in history(database, patient))


def test_the_same_is_read_in_any_session(database):
    patient = add_patient(database, "Ada")
    database.execute(f"ALTER DATABASE \"{database.name}\" SET timezone = 'Asia/Taipei'")
    database.execute(f'ALTER DATABASE "{database.name}" SET extra_float_digits = -5')
    database.execute("UPDATE patients SET notes = 'seen'")
    assert all(change.is_proven for change in history(database, patient))


@pytest.mark.parametrize("context", [None, "", "not JSON", "[1]", "7", '"text"'])
def test_a_context_that_is_no_object_says_nothing(context):
    assert described(context) == {}


def test_a_clock_that_was_set_back_does_not_change_the_order(database):
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada L'", "UPDATE patients SET full_name = 'Ada M'")
    database.execute(
        "ALTER TABLE audit_history DISABLE TRIGGER audit_history_append_only",
        "UPDATE audit_history SET recorded_at = '2026-01-01' WHERE id = 2",
        "UPDATE audit_history SET recorded_at = (SELECT recorded_at FROM audit_history WHERE id = 1) WHERE id = 3",
    )
    changes = history(database, patient)
    assert names(changes) == ["Ada", "Ada L", "Ada M"]
    assert all(change.is_proven for change in changes)


def test_a_number_that_is_written_otherwise_is_a_change(database):
    database.execute("ALTER TABLE patients ADD COLUMN answers jsonb DEFAULT '{\"a\": [1.0, 37.0]}'")
    patient = add_patient(database, "Ada")
    database.execute("""UPDATE patients SET answers = '{"a": [1, 37.0]}'""")
    made, changed = history(database, patient)
    assert made.is_proven
    assert changed.is_proven
    assert str(changed.before["answers"]["a"][0]) == "1.0"


def test_a_column_that_is_computed_when_it_is_read_is_no_change(database):
    if database.value("SHOW server_version_num") < "180000":
        pytest.skip("PostgreSQL 18 made columns that aren't stored")
    database.execute("ALTER TABLE patients ADD COLUMN shouted text GENERATED ALWAYS AS (upper(full_name)) VIRTUAL")
    patient = add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada L'")
    changes = history(database, patient)
    assert names(changes) == ["Ada", "Ada L"]
    assert all(change.is_proven for change in changes)
