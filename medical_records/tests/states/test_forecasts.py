"""What `migrate` would refuse: every command that forecasts it says the same, and what `migrate` then says."""

import re

import pytest
from django.db import connection

from clinic_project.reconciliation.cached_declaration import _declared, inspect_database
from clinic_project.reconciliation.conf import Budgets
from clinic_project.reconciliation.pipeline import forecast
from clinic_project.reconciliation.tests.support.catalog import foreign_key
from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to
from clinic_project.reconciliation.tests.support.remedies import refusals_of, run_remedies, told_everywhere

from .damages import SMALL_DAMAGE

Refused = set[tuple[str, str]]

DAMAGES = {
    "nulls that a backfill will fill": SMALL_DAMAGE,
    "nulls without a default": (
        "ALTER TABLE patients ALTER full_name DROP NOT NULL",
        "UPDATE patients SET full_name = NULL WHERE id = 1",
    ),
    "orphans": (
        "ALTER TABLE medical_records DROP CONSTRAINT {medical_records.patient_id}",
        "UPDATE medical_records SET patient_id = 9999 WHERE id = 1",
    ),
    "a key that isn't unique, and what points to it": (
        "ALTER TABLE medical_records DROP CONSTRAINT {medical_records.template_id}",
        "ALTER TABLE medical_record_templates DROP CONSTRAINT medical_record_templates_pkey CASCADE",
        "UPDATE medical_record_templates SET id = 1 WHERE id = 2",
    ),
    "a type, and a column without a value": (
        "ALTER TABLE calendar_events ALTER event_type TYPE integer USING 1",
        "ALTER TABLE patients DROP COLUMN full_name",
    ),
    "nothing": (),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "all of it"])
def test_every_forecast_names_what_migrate_refuses(damage: str, database: Database):
    damages = DAMAGES.values() if damage == "all of it" else [DAMAGES[damage]]
    statements = [_filled_in(statement, database) for each in damages for statement in each]
    # The last two of the damages are both of one column.
    database.execute(*dict.fromkeys(s for s in statements if damage != "all of it" or "full_name" not in s))
    expected = {(refusal["code"], _label(refusal["table"], refusal["name"])) for refusal in refusals_of(database)}
    assert _printed_forecast(database, "reconcile") == expected
    assert _printed_forecast(database, "migrate") == expected
    assert _of_the_schema_page(database) == expected
    outcome = database.migrate()
    assert set(re.findall(r"^  (\S+) \[([a-z-]+)\]$", outcome.errors, re.MULTILINE)) == {(o, c) for c, o in expected}
    assert outcome.status == bool(expected)


def _filled_in(statement: str, database: Database) -> str:
    return re.sub(r"\{(\w+)\.(\w+)\}", lambda match: foreign_key(database, *match.groups()), statement)


def _label(table: str, name: str) -> str:
    return table if table == name else f"{table}.{name}"


def _printed_forecast(database: Database, command: str) -> Refused:
    outcome = database.manage(command, "--plan")
    assert outcome.status == 0
    return set(re.findall(r"refused: \[([a-z-]+)\] (\S+):", outcome.output))


def _of_the_schema_page(database: Database) -> Refused:
    _declared.cache_clear()
    with default_connection_to(database):
        found = forecast(connection, inspect_database(), Budgets(), timeout=5)
    _declared.cache_clear()
    assert found.complete
    return {(str(refusal.code), refusal.subject.label) for refusal in found.refusals}


def test_json_has_a_refusal_where_postgresql_lets_nothing_be_read(database: Database, owner: Database):
    """An event trigger, say, forbids what the comparison needs."""
    database.execute(
        "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no tables on Fridays'; END $$",
        "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
    )
    (refusal,) = refusals_of(owner)
    assert refusal["code"] == "statement-failed"
    assert "no tables on Fridays" in refusal["reason"]
    database.execute("DROP EVENT TRIGGER forbid")
    assert refusals_of(owner) == []


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("REVOKE TEMPORARY ON DATABASE {database} FROM public, {owner}", "may-not-create"),
        ("ALTER DATABASE {database} SET default_transaction_read_only = on", "read-only"),
        ("ALTER ROLE {owner} SET default_transaction_read_only = on", "read-only"),
    ],
)
def test_json_has_a_refusal_with_a_remedy_where_nothing_can_be_compared(
    damage: str, code: str, database: Database, owner: Database
):
    database.execute(*SMALL_DAMAGE)
    database.execute(damage.format(database=f'"{database.name}"', owner=owner.role["user"]))
    outcome = owner.migrate()
    assert outcome.status == 1
    assert f"{database.name} [{code}]" in outcome.errors
    told_everywhere(owner, code, database.name)
    assert run_remedies(database, owner).keys() == {code}
    assert owner.migrate().status == 0
    # The session that drops the role must be able to write.
    database.execute("SET default_transaction_read_only = off", f'ALTER DATABASE "{database.name}" RESET ALL')
