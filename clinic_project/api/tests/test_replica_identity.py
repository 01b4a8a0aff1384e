"""What the check of REPLICA_URL says of where it leads."""

from datetime import UTC, datetime, timedelta

import pytest

from clinic_project.api.replica_identity import Identity, why_not_read

PRIMARY = Identity(77, "clinic", "public", is_standby=False, started=datetime(2026, 1, 1, tzinfo=UTC))
STANDBY = PRIMARY._replace(is_standby=True, started=PRIMARY.started + timedelta(days=1))


def test_a_standby_of_the_primary_is_read_and_after_a_failover_the_primary_itself():
    assert why_not_read(PRIMARY, STANDBY) is None
    assert why_not_read(PRIMARY, PRIMARY) is None


@pytest.mark.parametrize(
    ("replica", "found"),
    [
        (STANDBY._replace(system=78), "public of the database clinic on a standby (system_identifier 78)"),
        (STANDBY._replace(database="copy"), "public of the database copy on a standby (system_identifier 77)"),
        (STANDBY._replace(schema="north"), "north of the database clinic on a standby (system_identifier 77)"),
        (
            STANDBY._replace(is_standby=False),
            "public of the database clinic on a server that takes writes (system_identifier 77)",
        ),
    ],
)
def test_any_other_is_named_with_what_was_expected(replica, found):
    assert why_not_read(PRIMARY, replica) == (
        "REPLICA_URL names no standby of the primary, and isn't read: expected the schema public of the database clinic on"
        f" a standby (system_identifier 77), found the schema {found}."
    )
