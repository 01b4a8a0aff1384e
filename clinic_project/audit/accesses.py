"""Who looked: a response that shows what patients have leaves one row of the access log, written before it begins.

Whatever shows something says so while the response is made, and AccessLogMiddleware writes the row once that is there: after
the view's transactions, which it is no part of, and before the first byte.

    show(records=[(12, 7)])     # (id, patient_id)
"""

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import compress
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.http import HttpRequest, HttpResponseBase

from clinic_project.reconciliation.sqlstates import sqlstate

from .models import Access
from .transactions import current_description

logger = logging.getLogger(__name__)

#: Who looked is written where changes are, whatever database the response was read from.
ALIAS = DEFAULT_DB_ALIAS

#: A response doesn't wait longer for whoever has locked the table, to rebuild it say.
LOCK_TIMEOUT = "1s"

#: Statuses beside 200 to 299 whose responses show something: the client has it already, or gets what is there now.
_SHOWING = frozenset({304, 409, 412})

#: A thing's id, and that of the patient whose it is.
Owned = tuple[int, int]


@dataclass
class Shown:
    """What a response shows: the patients of records and of photos, by the ids of these; and patients themselves."""

    records: dict[int, int] = field(default_factory=dict)
    photos: dict[int, int] = field(default_factory=dict)
    patients: set[int] = field(default_factory=set)
    #: The ids of the clinics whose these are.
    clinics: set[int] = field(default_factory=set)
    action: str = Access.Action.VIEW
    user_name: str | None = None

    def __bool__(self) -> bool:
        return bool(self.records or self.photos or self.patients)

    @property
    def clinic_id(self) -> int | None:
        """The only clinic."""
        return next(iter(self.clinics)) if len(self.clinics) == 1 else None

    @property
    def patient_ids(self) -> list[int]:
        """What the column of this name has: see `Access`."""
        owners = [*self.records.values(), *self.photos.values()]
        distinct = {*owners, *self.patients}
        return [*distinct] if len(distinct) == 1 else [*owners, *distinct.difference(owners)]


def things_of(
    patient_id: int, patient_ids: list[int], record_ids: list[int], photo_ids: list[int]
) -> tuple[list[int], list[int]]:
    """Return which of the records and photos of an access are this patient's, by the columns of `Access`."""
    things = [*record_ids, *photo_ids]
    owners = patient_ids if len(patient_ids) > 1 else patient_ids * len(things)
    own = [owner == patient_id for owner in owners[: len(things)]]
    return [*compress(record_ids, own)], [*compress(photo_ids, own[len(record_ids) :])]


_shown: ContextVar[Shown | None] = ContextVar("what the response shows", default=None)


def show(*, records: Iterable[Owned] = (), photos: Iterable[Owned] = (), patients: Iterable[int] = ()) -> None:
    """Say that the response that is being made shows these."""
    shown = _shown.get()
    if shown is not None:
        shown.records.update(records)
        shown.photos.update(photos)
        shown.patients.update(patients)


def describe_access(action: str | None = None, clinic_ids: Iterable[int] = (), user_name: str | None = None) -> None:
    """Say of the response that is being made what it is, whose clinic's, and who asked where `changes_by` doesn't know."""
    shown = _shown.get()
    if shown is not None:
        shown.action = action or shown.action
        shown.clinics.update(clinic_ids)
        shown.user_name = user_name or shown.user_name


def forget_shown() -> None:
    """Take back what was said: another response is given, which doesn't show it."""
    shown = _shown.get()
    if shown is not None:
        shown.records, shown.photos, shown.patients = {}, {}, set()


class AccessLogMiddleware:
    """Writes the row of a response. Within the middleware that describes changes, which says whose request it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        shown = Shown()
        token = _shown.set(shown)
        try:
            response = self.get_response(request)
        finally:
            _shown.reset(token)
        if shown and (200 <= response.status_code < 300 or response.status_code in _SHOWING):
            write_access(shown)
        return response


_COLUMNS = (
    *("user_id", "user_name", "clinic_id", "patient_ids", "record_ids", "photo_ids", "action", "via", "request_id"),
)
#: One simple query, and so one transaction. It waits for no standby: while none is attached, nobody could read anything.
#: Not SET LOCAL: Citus would send the workers all of the query with it.
_INSERT = (
    f"SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}', true), CASE WHEN current_setting('synchronous_commit') <> 'off'"
    " THEN set_config('synchronous_commit', 'local', true) END;"
    f" INSERT INTO {Access._meta.db_table} ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
)


def write_access(shown: Shown) -> None:
    """Write the row; where the database doesn't take it, the same to the log: a patient isn't left without their record."""
    row = _row(shown)
    try:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(_INSERT, [_as_array(value) if isinstance(value, list) else value for value in row])
    except Error as error:
        fields = {name: value for name, value in zip(_COLUMNS, row, strict=True) if name != "user_name"}
        fields |= {"at": datetime.now(UTC).isoformat(), "sqlstate": sqlstate(error)}
        logger.warning("an access isn't in %s, but here", Access._meta.db_table, extra={"fields": fields})


def _row(shown: Shown) -> list[Any]:
    who = current_description()
    return [
        who.get("by"),
        shown.user_name or who.get("name"),
        shown.clinic_id,
        shown.patient_ids,
        [*shown.records],
        [*shown.photos],
        str(shown.action),
        who.get("via"),
        who.get("request_id"),
    ]


def _as_array(ids: list[int]) -> str:
    """Write an array for PostgreSQL, several times as fast as the driver does."""
    return f"{{{str(ids)[1:-1]}}}"
