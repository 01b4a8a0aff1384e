"""The remedies that are told for refusals, run as they are told."""

import json
from typing import Any

from psycopg2.errors import InsufficientPrivilege

from clinic_project.reconciliation.tests.support.databases import Database


def refusals_of(database: Database) -> list[dict[str, Any]]:
    """Return the refusals of `reconcile --json`."""
    refusals: list[dict[str, Any]] = json.loads(database.manage("reconcile", "--json").output)["refusals"]
    return refusals


def run_remedies(database: Database, migrating: Database) -> dict[str, list[str]]:
    """Run the statements of all refusals; a superuser, as `database`, runs what the role may not. Return them by code."""
    by_code: dict[str, list[str]] = {}
    for refusal in refusals_of(migrating):
        statements = refusal["statements"]
        by_code.setdefault(refusal["code"], []).extend(statements)
        assert all(statement in refusal["remedy"] for statement in statements), "a remedy tells its statements"
        # A GRANT by a role that may not grant is a mere warning where it has any privilege on the object.
        if not statements or statements[0].startswith("GRANT"):
            database.execute(*statements)
            continue
        try:
            migrating.execute(*statements)
        except InsufficientPrivilege:
            database.execute(*statements)
    return by_code


def told_everywhere(migrating: Database, code: str, name: str) -> None:
    """Fail unless each forecast refuses `name` with that code, and says nothing of anything else."""
    assert {(refusal["code"], refusal["name"]) for refusal in refusals_of(migrating)} == {(code, name)}
    for command in (("reconcile", "--plan"), ("migrate", "--plan")):
        outcome = migrating.manage(*command)
        assert "Traceback" not in outcome.printed
        assert f"[{code}]" in outcome.printed, outcome.printed
