"""Any mix of damage converges, or is refused by name with the rest repaired. No row is lost, and nothing is done twice.

The default profile tries a few mixes, the nightly one thousands (about one a second).
"""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic_project.reconciliation.tests.support.catalog import Key, differences, read_catalog, row_versions
from clinic_project.reconciliation.tests.support.databases import Database, temporary_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.idempotence import assert_changes_nothing
from clinic_project.reconciliation.tests.support.profiles import PROFILE

from .outcomes import Expectations
from .random_damages import Damage, all_damages
from .tables import TABLES

DAMAGES = all_damages()
BY_NAME = {damage.name: damage for damage in DAMAGES}


def may_stay(key: Key) -> bool:
    """Whether an undeclared object may be there afterwards: the damage added it."""
    return key.name.startswith(("undeclared_", "twin_of_", "ix_", "fk_", "pk_", "theirs"))


def converges_or_refuses(database: Database, expected: Expectations, damages: list[Damage]) -> None:
    applied = [damage for damage in damages if damage.apply(database)]
    backfilled = {place: value for damage in applied for place, value in damage.backfilled.items()}
    before = fingerprints(database, backfilled)
    outcome = database.migrate()
    assert "Traceback" not in outcome.printed
    assert lost_or_changed(database, before, backfilled) == []
    if outcome.status == 0:
        expected.is_declared(database, may_stay)
        assert database.manage("reconcile", "--check").status == 0
        assert_changes_nothing(database)
    else:
        refused_by_name(database, expected, outcome.errors)
    assert lost_or_changed(database, before, backfilled) == []


def refused_by_name(database: Database, expected: Expectations, errors: str) -> None:
    """Everything that isn't as declared is on a table that a refusal names; a second run changes nothing."""
    refusals = json.loads(database.manage("reconcile", "--json").output)["refusals"]
    assert refusals
    assert all(refusal[part] for refusal in refusals for part in ("code", "table", "name", "reason", "remedy"))
    named = {place["table"] for refusal in refusals for place in (refusal, *refusal["blocked"])}
    assert all(table in errors for table in named)
    left = [
        sentence
        for sentence in differences(expected.clean, read_catalog(database, TABLES), may_stay)
        if not any(f" {table}." in sentence or f"REFERENCES {table}(" in sentence for table in named)
    ]
    assert left == [], "\n".join([*left, errors])
    catalog = row_versions(database)
    assert database.migrate().status != 0
    assert row_versions(database) == catalog


@pytest.mark.slow
@PROFILE
@given(damages=st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=12, unique_by=lambda damage: damage.name))
def test_any_mix_of_damages(damages: list[Damage], template_with_rows: Database, expected: Expectations):
    with temporary_database(template_with_rows.name) as database:
        converges_or_refuses(database, expected, damages)


@pytest.mark.parametrize(
    "names",
    [
        ["idx_patient_photos_clinic takes idx_patient_photos_clinic_created"],
        ["medical_records.patient_id key renamed", "medical_records.patient_id key not deferrable"],
        ["patient_photos.patient_id key switched off", "patient_photos.patient_id key orphaned"],
    ],
)
def test_mixes_that_once_failed(names: list[str], database: Database, expected: Expectations):
    converges_or_refuses(database, expected, [BY_NAME[name] for name in names])


_NOT_DECLARED = re.compile(r"^(--|\\|SET |SELECT |ALTER TABLE ONLY \S+$)|\b(undeclared_|twin_of_|ix_|fk_|pk_|theirs)")


@pytest.fixture(scope="module")
def pg_dump(template_with_rows: Database) -> Callable[[Database], list[str]]:
    """Dumps the nine tables' schema with the server's own pg_dump; skips the test where there is none."""
    folder = Path(template_with_rows.value("SELECT setting FROM pg_config WHERE name = 'BINDIR'"))
    if not (folder / "pg_dump").exists():
        pytest.skip(f"no pg_dump in {folder}")

    def dump(database: Database) -> list[str]:
        tables = [f"--table={table}" for table in TABLES]
        command = [str(folder / "pg_dump"), "--schema-only", "--no-owner", *tables, database.url]
        dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # Columns that were added come last, and each dump has a token of its own: lines are compared in no order.
        lines = (line.strip().rstrip(",") for line in dumped.splitlines())
        return sorted(line for line in lines if line and not _NOT_DECLARED.search(line))

    return dump


@pytest.mark.slow
@PROFILE
@given(data=st.data())
def test_pg_dump_agrees(
    data: Any, template_with_rows: Database, pg_dump: Callable[[Database], list[str]], expected: Expectations
):
    """pg_dump agrees: the dump of a repaired database is that of a clean one."""
    repairable = [damage for damage in DAMAGES if not damage.name.endswith((" serial", " as text", " without zone"))]
    damages = data.draw(st.lists(st.sampled_from(repairable), min_size=1, max_size=8, unique_by=lambda d: d.name))
    with temporary_database(template_with_rows.name) as database:
        clean = pg_dump(database)
        for damage in damages:
            damage.apply(database)
        if not is_invisible(damages):
            assert (database.manage("reconcile", "--check").status == 0) == (pg_dump(database) == clean)
        if database.migrate().status == 0:
            assert pg_dump(database) == clean


def is_invisible(damages: list[Damage]) -> bool:
    """Whether there is damage that no dump shows: to rows, validity, sequences' values or disabled triggers."""
    words = ("forget", "behind", "invalidate", "switched off", "not valid")
    return any(word in damage.name for damage in damages for word in words)
