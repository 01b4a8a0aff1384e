"""What the database keeps of a change, whoever makes it and however."""

import json

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.databases import default_connection_to
from clinic_project.reconciliation.tests.support.roles import role_of
from clinic_project.reconciliation.tests.support.waiting import SECONDS

from ..functions import HISTORY_IS_APPEND_ONLY, TRUNCATE_LOSES_HISTORY
from .patients import add_patient, entries, unrecorded


def test_a_new_row_is_recorded_and_nothing_of_it_is_kept(database):
    patient = add_patient(database)
    assert entries(database, "row_id", "action", "kept", "is_whole") == [(patient, "insert", None, False)]


def test_a_change_keeps_what_changed_as_it_was(database):
    add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada L', notes = 'left' ")
    assert entries(database, "action", "kept", "is_whole")[1:] == [
        ("update", {"full_name": "Ada", "notes": None}, False)
    ]


def test_a_change_that_changes_nothing_leaves_no_entry(database):
    add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada'")
    assert len(entries(database, "id")) == 1


def test_a_removed_row_is_kept_whole(database):
    patient = add_patient(database, "Ada")
    database.execute("DELETE FROM patients")
    action, kept, whole, row_hash = entries(database, "action", "kept", "is_whole", "row_hash")[1]
    assert (action, whole, row_hash) == ("delete", True, None)
    assert (kept["id"], kept["full_name"], kept["clinic_id"]) == (patient, "Ada", 1)


def test_the_first_change_of_a_row_without_history_keeps_it_whole(database):
    unrecorded(database, "INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
    database.execute("UPDATE patients SET full_name = 'Ada L'", "UPDATE patients SET full_name = 'Ada M'")
    first, second = entries(database, "kept", "is_whole")
    assert first[1]
    assert first[0]["full_name"] == "Ada"
    assert "created_at" in first[0]
    assert second == ({"full_name": "Ada L"}, False)


def test_a_shard_of_citus_is_recorded_as_the_table_that_it_is_of(database):
    """There the triggers fire on tables of these names, which nothing but PostgreSQL is needed to have."""
    database.execute(
        'ALTER TRIGGER "00_patients_history" ON patients RENAME TO "00_patients_history_102046"',
        "ALTER TABLE patients RENAME TO patients_102046",
        "INSERT INTO patients_102046 (clinic_id, full_name) VALUES (1, 'Ada')",
    )
    assert database.rows("SELECT table_name, action FROM audit_history") == [("patients", "insert")]


def test_a_table_whose_name_ends_in_a_number_is_recorded_by_that(database):
    database.execute(
        "ALTER TABLE patients RENAME TO patients_2046",
        "INSERT INTO patients_2046 (clinic_id, full_name) VALUES (1, 'Ada')",
    )
    assert database.rows("SELECT table_name, action FROM audit_history") == [("patients_2046", "insert")]


def test_columns_that_no_model_declares_are_kept(database):
    database.execute("ALTER TABLE patients ADD COLUMN insurer json, ADD COLUMN place point")
    add_patient(database)
    database.execute("""UPDATE patients SET insurer = '{"no": 7}', place = '(1,2)'""")
    assert entries(database, "kept")[1] == ({"insurer": None, "place": None},)
    database.execute("UPDATE patients SET insurer = NULL")
    assert entries(database, "kept")[2] == ({"insurer": {"no": 7}},)


def test_columns_of_a_repair_that_is_under_way_are_not_kept(database):
    helper = "reconcile_new_0123456789abcdef"
    add_patient(database, "Ada")
    database.execute(
        f"ALTER TABLE patients ADD COLUMN {helper} bigint",
        f"UPDATE patients SET {helper} = id",
        f"UPDATE patients SET {helper} = id + 1, full_name = 'Ada L'",
        f"ALTER TABLE patients DROP COLUMN {helper}",
        "UPDATE patients SET full_name = 'Ada M'",
    )
    assert entries(database, "kept", "is_whole")[1:] == [({"full_name": "Ada"}, False), ({"full_name": "Ada L"}, False)]


def test_a_row_with_another_key_is_another_row(database):
    patient = add_patient(database, "Ada")
    database.execute(f"UPDATE patients SET id = {patient + 50}")
    assert entries(database, "row_id", "action")[1:] == [(patient, "delete"), (patient + 50, "insert")]


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE patients ALTER id DROP IDENTITY, ALTER id DROP NOT NULL; UPDATE patients SET id = NULL",
        "ALTER TABLE patients ALTER id DROP IDENTITY; ALTER TABLE patients ALTER id TYPE text",
        "ALTER TABLE patients ALTER id DROP IDENTITY; ALTER TABLE patients ALTER id TYPE numeric USING 1e30",
        "ALTER TABLE patients DROP COLUMN id CASCADE",
    ],
)
def test_rows_of_a_damaged_table_can_be_changed(database, damage):
    add_patient(database)
    database.execute("ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE", damage)
    database.execute("UPDATE patients SET full_name = 'Eve'", "DELETE FROM patients")
    assert [action for (action,) in entries(database, "action")][-2:] == ["update", "delete"]
    assert database.manage("seal_history", "--wait", str(SECONDS)).status == 0
    if "NULL" not in damage:
        found = "patients: it isn't there, or has no id of integers: run manage.py migrate, then this again\n"
        assert database.manage("verify_history").output == found


def test_the_database_says_who_it_was(database):
    with role_of(database, "legacy") as legacy:
        role = legacy.role["user"]
        database.execute(f"GRANT SELECT, INSERT, UPDATE ON patients TO {role}")
        database.execute(f"GRANT USAGE ON SEQUENCE patients_id_seq TO {role}")
        with legacy.cursor() as cursor:
            cursor.execute("SET application_name = 'reception'")
            cursor.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
            cursor.execute("SELECT pg_current_xact_id()")
        found = entries(database, "database_user", "database_role", "application_name", "context")
        assert found == [(role, None, "reception", None)]


def test_a_role_that_was_taken_is_told_beside_the_one_that_logged_in(database):
    with role_of(database, "legacy") as legacy, database.cursor() as cursor:
        role = legacy.role["user"]
        cursor.execute(f"GRANT SELECT, INSERT ON patients TO {role}")
        cursor.execute(f"GRANT USAGE ON SEQUENCE patients_id_seq TO {role}")
        cursor.execute(f"SET ROLE {role}")
        cursor.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
        cursor.execute("RESET ROLE")
        cursor.execute("SELECT session_user")
        assert entries(database, "database_user", "database_role") == [(cursor.fetchone()[0], role)]


def test_any_context_is_kept_as_it_is_and_none_stops_a_change(database):
    with database.cursor() as cursor:
        for context in ('{"by": 7}', "not JSON", ""):
            cursor.execute("SELECT set_config('audit.context', %s, false)", [context])
            cursor.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
    assert entries(database, "context") == [('{"by": 7}',), ("not JSON",), (None,)]


def test_replicas_and_foreign_search_paths_are_recorded_as_well(database):
    patient = add_patient(database)
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("CREATE SCHEMA other")
        cursor.execute("CREATE TABLE other.audit_history (LIKE audit_history)")
        cursor.execute("SET search_path = other")
        cursor.execute("SET timezone = 'Asia/Taipei'")
        cursor.execute("SET datestyle = 'German'")
        cursor.execute(f"UPDATE public.patients SET full_name = 'Eve' WHERE id = {patient}")
    assert entries(database, "action", "is_whole")[1:] == [("update", False)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_history SET context = 'me'",
        "DELETE FROM audit_history",
        "TRUNCATE audit_history",
        "INSERT INTO audit_history SELECT * FROM audit_history",
        "DELETE FROM audit_history_seals",
        "UPDATE audit_accesses SET user_id = 7",
        "DELETE FROM audit_accesses",
        "TRUNCATE audit_accesses",
    ],
)
def test_nobody_changes_the_history(database, owner, statement):
    add_patient(database)
    for anybody in (database, owner):
        with pytest.raises(psycopg2.Error) as refused:
            anybody.execute(statement)
        assert refused.value.pgcode == HISTORY_IS_APPEND_ONLY
    assert len(entries(database, "id")) == 1


@pytest.mark.parametrize("statement", ["TRUNCATE patients CASCADE", "TRUNCATE clinics CASCADE"])
def test_a_recorded_table_is_not_truncated(database, statement):
    add_patient(database)
    with pytest.raises(psycopg2.Error) as refused:
        database.execute(statement)
    assert refused.value.pgcode == TRUNCATE_LOSES_HISTORY
    assert database.value("SELECT count(*) FROM patients") == 1


def test_rows_that_change_while_another_change_is_rolled_back_leave_no_entry(database):
    add_patient(database, "Ada")
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE patients SET full_name = 'Eve'")
        cursor.execute("ROLLBACK")
    assert entries(database, "action") == [("insert",)]


def test_a_row_that_another_systems_trigger_changes_once_more_is_recorded_in_order(database):
    database.execute(
        """CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN UPDATE patients SET notes = 'seen' WHERE id = NEW.id; RETURN NULL; END $$""",
        "CREATE TRIGGER again AFTER UPDATE OF full_name ON patients FOR EACH ROW EXECUTE FUNCTION again()",
    )
    add_patient(database, "Ada")
    database.execute("UPDATE patients SET full_name = 'Ada L'")
    assert entries(database, "kept", "is_whole")[1:] == [({"full_name": "Ada"}, False), ({"notes": None}, False)]


def test_what_migrate_fills_in_is_recorded_as_its_own(database):
    add_patient(database, "Ada")
    database.execute(
        "ALTER TABLE patients ALTER COLUMN is_deleted DROP NOT NULL",
        "UPDATE patients SET is_deleted = NULL",
    )
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    kept, application = entries(database, "kept", "application_name")[-1]
    assert (kept, application) == ({"is_deleted": None}, "manage.py migrate")
    assert database.value("SELECT is_deleted FROM patients") is False


def test_twenty_changes_of_a_row_at_once_are_one_after_the_other(database):
    from concurrent.futures import ThreadPoolExecutor

    add_patient(database, "0")
    with ThreadPoolExecutor(20) as crowd:
        list(crowd.map(lambda n: database.execute(f"UPDATE patients SET full_name = '{n} ' || full_name"), range(20)))
    kept = entries(database, "kept", "is_whole")[1:]
    assert len(kept) == 20
    assert not any(whole for _, whole in kept)
    assert [len(old["full_name"].split()) for old, _ in kept] == list(range(1, 21))


def test_the_time_is_that_of_the_change_and_not_of_its_transaction(database):
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO patients (clinic_id, full_name) VALUES (1, 'Ada')")
        cursor.execute("SELECT pg_sleep(0.01)")
        cursor.execute("UPDATE patients SET full_name = 'Ada L'")
        cursor.execute("COMMIT")
    (one,), (two,) = entries(database, "recorded_at")
    assert one < two
    assert len({number for (number,) in entries(database, "transaction_id")}) == 1


def test_a_change_by_a_command_is_described(database):
    with default_connection_to(database):
        from clinic_project.clinics.models import Patient

        from ..transactions import atomic, changes_by, describe_changes

        with changes_by(via="command", command="purge_trash", reason=""):
            describe_changes(name="王小明")
            with atomic(), atomic():
                Patient.objects.create(clinic_id=1, full_name="Ada")
            Patient.objects.update(full_name="Ada L")
    ((context,), (later,)) = entries(database, "context")
    assert json.loads(context) == {"via": "command", "command": "purge_trash", "name": "王小明"}
    assert later is None


def test_no_other_role_makes_a_trigger_that_writes_the_history_as_its_owner(database):
    """Its table would be called patients too, and the cast of a type to json is code that the owner would run."""
    with role_of(database, "legacy") as legacy, legacy.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE patients (id integer, full_name text)")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="audit_record_change"):
            cursor.execute(
                "CREATE TRIGGER forged AFTER INSERT ON pg_temp.patients FOR EACH ROW"
                " EXECUTE FUNCTION public.audit_record_change()"
            )
        # Else the session drops it while the role is dropped.
        cursor.execute("DROP TABLE pg_temp.patients")


UNRECORDED = {
    "dropped": ('DROP TRIGGER "00_patients_history_update" ON patients',),
    "disabled": ('ALTER TABLE patients DISABLE TRIGGER "00_patients_history_update"',),
    "of the origin alone": (
        'ALTER TABLE patients ENABLE TRIGGER "00_patients_history_update"',
        "SET session_replication_role = replica",
    ),
    "replaced function": (
        "CREATE OR REPLACE FUNCTION audit_record_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ),
    "dropped function": ("DROP FUNCTION audit_record_change() CASCADE",),
    "dropped language": ("DROP EXTENSION plpgsql CASCADE",),
    "another condition": (
        'DROP TRIGGER "00_patients_history_update" ON patients',
        """CREATE TRIGGER "00_patients_history_update" AFTER UPDATE ON patients FOR EACH ROW WHEN (OLD.id < 0)
           EXECUTE FUNCTION audit_record_change()""",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("statements", UNRECORDED.values(), ids=UNRECORDED.keys())
def test_what_changes_without_the_triggers_is_found_and_migrate_puts_them_back(database, statements):
    patient = add_patient(database, "Ada")
    database.execute(*statements, "UPDATE patients SET full_name = 'Eve'")
    assert len(entries(database, "id")) == 1
    assert database.manage("reconcile", "--check").status != 0
    assert f"patients {patient}: it was changed between" in database.manage("verify_history").output
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    assert database.manage("reconcile", "--check").status == 0
    database.execute("UPDATE patients SET full_name = 'Ida'")
    assert entries(database, "kept")[-1] == ({"full_name": "Eve"},)


def test_a_json_value_that_jsonb_cant_have_is_refused(database):
    database.execute("ALTER TABLE patients ADD COLUMN answers json")
    add_patient(database)
    with pytest.raises(psycopg2.errors.UntranslatableCharacter):
        database.execute("""UPDATE patients SET answers = '"\\u0000"'""")


def test_rows_of_a_child_table_are_not_recorded(database):
    database.execute(
        "CREATE TABLE former_patients () INHERITS (patients)",
        "INSERT INTO former_patients (id, clinic_id, full_name, is_deleted, created_at) VALUES (7, 1, 'Ada', false, now())",
        "UPDATE patients SET full_name = 'Eve'",
    )
    assert entries(database, "id") == []
