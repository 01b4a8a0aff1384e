"""Rows whose time is over, and databases in which none has one."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from clinic_project.audit.destruction import retained_until as read_retained_until
from clinic_project.audit.functions import RETAINED_UNTIL

#: Long enough for the 7 years of the settings.
LONG_AGO = timedelta(days=8 * 366)


@pytest.fixture
def no_retention(db: None, settings: Any) -> None:
    """Nothing is retained, as with no years at all."""
    settings.RETENTION_YEARS = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION retention_ends(last_change timestamptz, birthday date) RETURNS timestamptz"
            " LANGUAGE sql AS 'SELECT NULL::timestamptz'"
        )


def long_ago(days: float = 0) -> datetime:
    """Return a time that is so many days more than 8 years ago."""
    return timezone.now() - LONG_AGO - timedelta(days=days)


def now_of_the_database() -> datetime:
    """Return when the test's transaction began, as the functions of the database do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        found: datetime = cursor.fetchone()[0]
        return found


def in_trash_since(moment: datetime) -> dict[str, object]:
    """Return the columns of a row that was made and moved to the trash then."""
    return {"created_at": moment, "is_deleted": True, "deleted_at": moment}


def end_of_retention(row) -> datetime:
    """Return until when a row is or was retained."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {RETAINED_UNTIL.format(table=row._meta.db_table)}(%s)", [row.pk])
        found: datetime = cursor.fetchone()[0]
        return found


def retained_until(row) -> datetime | None:
    return read_retained_until(row._meta.db_table, row.pk)
