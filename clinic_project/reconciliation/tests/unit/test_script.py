"""A plan as a script for psql."""

from dataclasses import replace

from clinic_project.reconciliation.planning.plan import (
    Backfill,
    CountPhrase,
    Lock,
    Phase,
    Plan,
    Refusal,
    RefusalCode,
    Repair,
    Step,
    ViolationQuery,
)
from clinic_project.reconciliation.planning.rollback import Drop
from clinic_project.reconciliation.planning.script import ScriptSettings, plan_sql, psql_script, rollback_sql
from clinic_project.reconciliation.schema.model import Server, UpdateTrigger, literal

SERVER = Server("clinic", "18.1", 180001, "owner", "public", '"$user", public', False, False, True, True)
SETTINGS = ScriptSettings(SERVER, "on", "500ms", "3600000ms", 1000, 1)

REFUSAL = Refusal(RefusalCode.ORPHAN_ROWS, "a\nb", "it's \\", "found\r\n{rows}.", "Correct them.")
QUERY = ViolationQuery("SELECT 1, 'keys'", REFUSAL, CountPhrase("row", "rows"), ())
STEP = Step(("ALTER 1", "ALTER 2"), "patients", Lock.ACCESS_EXCLUSIVE, "alter it")
BUILD = Step(("CREATE INDEX CONCURRENTLY i",), "patients", Lock.SHARE_UPDATE_EXCLUSIVE, "build i", transactional=False)


def plan(*steps: Step) -> Plan:
    return Plan((Repair(Phase.COLUMNS, "patients", ("name",), steps),))


def test_each_step_is_a_transaction_but_for_concurrent_ones():
    lines = plan_sql(plan(STEP, BUILD), SETTINGS)
    first = lines.index("-- patients: alter it (ACCESS EXCLUSIVE)")
    assert lines[first:] == [
        "-- patients: alter it (ACCESS EXCLUSIVE)",
        "BEGIN;",
        "ALTER 1;",
        "ALTER 2;",
        "COMMIT;",
        "-- patients: build i (SHARE UPDATE EXCLUSIVE)",
        "SET lock_timeout = '3600000ms';",
        "CREATE INDEX CONCURRENTLY i;",
        "SET lock_timeout = '500ms';",
    ]


def test_a_script_stops_at_the_first_error_and_has_the_timeouts_of_migrate():
    lines = psql_script(plan(STEP), SETTINGS)
    assert {r"\set ON_ERROR_STOP on", "SET lock_timeout = '500ms';", "SET statement_timeout = 0;"} <= set(lines)
    assert "SET transaction_timeout = 0;" in lines
    older = replace(SETTINGS, server=replace(SERVER, version_number=160004))
    assert "SET transaction_timeout = 0;" not in psql_script(plan(STEP), older)


def test_a_backfill_that_fires_triggers_says_what_only_migrate_checks():
    backfill = Backfill("patients", "name", "''", triggers=(UpdateTrigger("stamp", "patients", before=False),))
    script = "\n".join(psql_script(plan(replace(STEP, backfill=backfill)), SETTINGS))
    assert "-- It fires triggers. Only migrate compares all rows before and after" in script
    quiet = replace(STEP, backfill=replace(backfill, triggers=()))
    assert "It fires triggers" not in "\n".join(psql_script(plan(quiet), SETTINGS))


def test_a_line_break_ends_no_comment():
    (refused,) = (line for line in psql_script(Plan(refusals=(REFUSAL,)), SETTINGS) if "REFUSED" in line)
    assert refused.startswith("-- REFUSED: a b.it's")
    assert not {"\n", "\r"} & set(refused)


def test_the_rest_of_a_repair_is_skipped_where_a_check_finds_rows():
    checked = replace(STEP, violations=QUERY, check_first=True)
    lines = psql_script(plan(STEP, checked), SETTINGS)
    start = next(number for number, line in enumerate(lines) if line.startswith(r"\set refused"))
    assert lines[start] == r"\set refused 'REFUSED: a b.it''s \\ [orphan-rows]: manage.py migrate says what to do.'"
    assert lines[start + 2 : start + 5] == [r"\if :violated", r"\warn :refused", r"\else"]
    assert lines[-2:] == ["COMMIT;", r"\endif"]
    assert not [line for line in plan_sql(plan(checked), SETTINGS) if "\\" in line]


def test_nothing_to_do_needs_no_sql():
    assert plan_sql(Plan(), SETTINGS) == rollback_sql([], SETTINGS) == []


def test_a_name_ends_no_dollar_quote():
    drop = Drop("t", replace(STEP, statements=("LOCK", 'DROP TABLE "$drop$ $drop_$"')), "SELECT true", "rows")
    _, _, statement = drop.statements
    assert statement.startswith("DO $drop__$ BEGIN IF NOT (SELECT true)")
    assert statement.endswith(" $drop__$")


def test_a_literal_means_the_same_whatever_standard_conforming_strings_is():
    assert literal("it's") == "'it''s'"
    assert literal("back\\slash") == r"E'back\\slash'"
