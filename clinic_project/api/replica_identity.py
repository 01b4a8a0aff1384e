"""Whether REPLICA_URL names a standby of the primary: if it doesn't, all is read from the primary, and nothing else tells.

`manage.py check --database replica` says it, and the log, once for each process that meets a row that isn't the primary's.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, Error, connections

from clinic_project.reconciliation.sqlstates import message

logger = logging.getLogger(__name__)

REPLICA = "replica"

_IDENTITY = (
    "SELECT system_identifier, current_database()::text, current_schema()::text, pg_is_in_recovery(),"
    " pg_postmaster_start_time() FROM pg_control_system()"
)
_REMEDY = "Name a standby of the primary in REPLICA_URL, with the database and the schema of DATABASE_URL."


class Identity(NamedTuple):
    """What a connection leads to. A standby has the number of its primary's data, `system`."""

    system: int
    database: str
    schema: str | None
    is_standby: bool
    started: datetime

    def __str__(self) -> str:
        kind = "a standby" if self.is_standby else "a server that takes writes"
        return f"the schema {self.schema} of the database {self.database} on {kind} (system_identifier {self.system})"


def why_not_read(primary: Identity, replica: Identity) -> str | None:
    """Return why the one isn't read in the place of the other, in a sentence; None where it is: it may be the same."""
    if replica[:3] == primary[:3] and (replica.is_standby or replica.started == primary.started):
        return None
    expected = primary._replace(is_standby=True)
    return f"REPLICA_URL names no standby of the primary, and isn't read: expected {expected}, found {replica}."


def _found() -> str | None:
    return why_not_read(_identity(DEFAULT_DB_ALIAS), _identity(REPLICA))


def _identity(alias: str) -> Identity:
    with connections[alias].cursor() as cursor:
        cursor.execute(_IDENTITY)
        return Identity(*cursor.fetchone())


def warn_if_no_standby() -> None:
    """Log, once in this process, that the replica is none."""
    with suppress(Error):  # the next request asks again
        _warn()


@cache
def _warn() -> None:
    found = _found()
    if found is not None:
        logger.warning("%s %s", found, _REMEDY)


@checks.register(checks.Tags.database)
def check_replica(databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Compare the replica with the primary, with `check --database replica`."""
    if REPLICA not in (databases or ()):
        return []
    try:
        found = _found()
    except Error as error:
        return [checks.Warning(f"It can't be asked: {message(error)}.", obj=REPLICA, id="clinics_api.W001")]
    return [checks.Warning(found, hint=_REMEDY, obj=REPLICA, id="clinics_api.W002")] if found else []
