"""Other years than those that the database was migrated with."""

import pytest
from django.test import override_settings

from clinic_project.audit.tests.conftest import clinic_template, copy_of, database, owner, unblocked

__all__ = ["clinic_template", "copy_of", "database", "owner", "unblocked"]

pytestmark = pytest.mark.slow

UNTIL = "SELECT retention_ends('2020-03-03Z', {})::date::text"


def test_other_years_are_a_difference_until_the_next_migrate(database):
    assert database.migrate().status == 0
    assert database.manage("reconcile", "--check").status == 0
    with override_settings(RETENTION_YEARS=10, AGE_OF_MAJORITY=20):
        checked = database.manage("reconcile", "--check")
        assert checked.status != 0
        assert "retention_ends" in checked.printed
        assert database.value(UNTIL.format("NULL")) == "2027-03-03", "the database decides"
        assert database.migrate().status == 0
        assert database.value(UNTIL.format("NULL")) == "2030-03-03"
        assert database.value(UNTIL.format("'2018-05-05'")) == "2048-05-05"
        assert database.manage("reconcile", "--check").status == 0


@pytest.mark.parametrize("damage", ["retention_ends(timestamptz, date)", "audit_destroy() CASCADE"])
def test_a_function_that_is_missing_comes_back(database, damage):
    database.execute(f"DROP FUNCTION {damage}")
    assert database.manage("reconcile", "--check").status != 0
    assert database.migrate().status == 0
    assert database.manage("reconcile", "--check").status == 0


def test_a_function_that_somebody_altered_is_as_declared_again(database):
    database.execute(
        "CREATE OR REPLACE FUNCTION retention_ends(last_change timestamptz, birthday date) RETURNS timestamptz"
        " LANGUAGE sql AS 'SELECT NULL::timestamptz'"
    )
    assert "retention_ends" in database.manage("reconcile", "--check").printed
    assert database.migrate().status == 0
    assert database.value(UNTIL.format("NULL")) == "2027-03-03"
