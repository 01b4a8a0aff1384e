"""Reading what a clinic has from a replica, which may be behind the primary: never without the user's own writes.

`DATABASES["replica"]` is there where REPLICA_URL is set. Who asks and what they may see is read from the primary, and
everything is written there. A request that may have changed something counts up the `LastWrite` of its user when it is done;
a GET reads from the replica if the row of its user has got there. A replica has changes in the order of their commits: with
that row, it has all that was committed before. How far it is behind is told by the newest row of the access log, which
nearly each request adds to. What can't be read from the replica, for whatever reason, is read from the primary.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import SAFE_METHODS

from clinic_project.audit.accesses import forget_shown
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import current_description
from clinic_project.reconciliation.sqlstates import (
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    SCHEMA_IS_BEHIND,
    message,
    sqlstate,
)

from .models import LastWrite
from .replica_identity import REPLICA, warn_if_no_standby
from .stalled_connections import hung_up_after

logger = logging.getLogger(__name__)

Given = ParamSpec("Given")
Response = TypeVar("Response")

#: Seconds that what others wrote may be unseen: a replica that is further behind isn't read.
MAX_LAG = 5
#: Seconds for which a process leaves the replica alone after an error there.
PAUSE = 5
#: Seconds until what hasn't been read there is read from the primary.
MAX_SECONDS = 10
#: Seconds between two attempts to note a write.
RETRY = 0.2
#: Where a write can't be noted because of these, no replica is read: without the table, the privilege to write there, or
#: the user, who was just deleted.
_NEVER_READ = {*SCHEMA_IS_BEHIND, INSUFFICIENT_PRIVILEGE, FOREIGN_KEY_VIOLATION}
#: No longer does a query wait for a lock that the primary's transactions have on the replica, too.
LOCK_TIMEOUT = "1s"

_reading: ContextVar[bool] = ContextVar("whether the replica is read", default=False)


class ReplicaRouter:
    """Leads the queries of a handler that is `reading_replica` there, and all others to the primary."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return REPLICA if _reading.get() else DEFAULT_DB_ALIAS

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """Unless told, Django would write a row where it was read."""
        return DEFAULT_DB_ALIAS

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:
        """Whichever of the two servers they were read from, they are rows of one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if db == REPLICA else None


class LastWriteMiddleware:
    """Counts requests that may have changed something. Within the middleware that describes changes, which knows by whom."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if REPLICA not in settings.DATABASES:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user_id = current_description().get("by")
        # Whatever its status: who was refused because of what another has changed has to see that change. Of what failed,
        # nothing is promised, and it may have failed because the primary is away.
        if request.method not in SAFE_METHODS and user_id is not None:
            _note(user_id, MAX_LAG if response.status_code < 500 else 0)
        return response


def _note(user_id: int, seconds: float) -> None:
    """Count a write of the user. Where that fails, try again for so long: nobody is told before that it was done.

    It fails where the primary is lost right after the write. After MAX_LAG seconds it isn't needed any more: a replica that
    hasn't got the write is too far behind by then.
    """
    deadline = time.monotonic() + seconds
    while not _is_noted(user_id, deadline):
        time.sleep(RETRY)
        connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()


def _is_noted(user_id: int, deadline: float) -> bool:
    """Count a write, and return whether that is done, or was the last attempt."""
    try:
        LastWrite.objects.note(user_id)
    except Error as error:
        if sqlstate(error) not in _NEVER_READ and time.monotonic() < deadline:
            return False
        logger.exception("a user's last write isn't noted")  # what was done stays done
    return True


def reading_replica(handler: Callable[Given, Response], user_id: int) -> Callable[Given, Response]:
    """Return `handler`, which only reads, as one that reads from the replica if that has what the user wrote.

    If it hasn't, or if anything is wrong there, a row that isn't there yet as well, the handler runs on the primary.
    """
    if REPLICA not in settings.DATABASES:
        return handler

    @wraps(handler)
    def handle(*args: Given.args, **kwargs: Given.kwargs) -> Response:
        if _pause.is_over():
            try:
                with _replica_with_writes_of(user_id):
                    return handler(*args, **kwargs)
            except Error as error:
                _pause.begin(error)
            except _Behind:
                warn_if_no_standby()
            except Exception:  # noqa: BLE001, S110 - if it is the handler's own, it comes again
                pass
            forget_shown()
        return handler(*args, **kwargs)

    return handle


class _Behind(Exception):
    """The replica lacks what the user wrote, or is too far behind."""


@contextmanager
def _replica_with_writes_of(user_id: int) -> Iterator[None]:
    """Read from the replica inside, in one transaction: behind a pooler, another may be another server. Raises _Behind."""
    with hung_up_after(MAX_SECONDS, connections[REPLICA]), transaction.atomic(REPLICA):
        if not _has_writes_of(user_id):
            raise _Behind
        _pause.end()
        token = _reading.set(True)
        try:
            yield
        finally:
            _reading.reset(token)


_WRITES, _ACCESSES = LastWrite._meta.db_table, Access._meta.db_table
_NUMBER = f"coalesce((SELECT number FROM {_WRITES} WHERE user_id = %s), 0)"
_ON_REPLICA = (
    f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SELECT {_NUMBER}, id, at FROM {_ACCESSES} ORDER BY id DESC LIMIT 1"
)
#: Where the role may not count writes, none are known. Both times are the primary's, whatever the clocks of the machines
#: say. No other database has the same row of that time.
_ON_PRIMARY = (
    f"SELECT {_NUMBER} <= %s"
    f" AND has_table_privilege('{_WRITES}', 'INSERT') AND has_table_privilege('{_WRITES}', 'UPDATE') AND EXISTS"
    f" (SELECT 1 FROM {_ACCESSES} WHERE id = %s AND at = %s AND at >= now() - %s * interval '1 second')"
)


def _has_writes_of(user_id: int) -> bool:
    """Whether the replica is one of this database, has the user's writes, and isn't too far behind."""
    with connections[REPLICA].cursor() as cursor:
        cursor.execute(_ON_REPLICA, [user_id])
        found = cursor.fetchone()
    if found is None:
        return False
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_ON_PRIMARY, [user_id, *found, MAX_LAG])
        return bool(cursor.fetchone()[0])


class _Pause:
    """Leaves the replica alone after an error, but for one request every PAUSE seconds that tries whether it is back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._until: float | None = None

    def is_over(self) -> bool:
        if self._until is None:
            return True
        with self._lock:
            if self._until is not None and time.monotonic() < self._until:
                return False
            self._until = time.monotonic() + PAUSE  # of the others: a machine that is silent keeps who tries waiting
            return True

    def begin(self, error: Error) -> None:
        self._until = time.monotonic() + PAUSE
        state = sqlstate(error)
        # What the server says of a query may quote what was asked for. Who isn't let in is told by libpq why.
        found = f"SQLSTATE {state}" if state else message(error)
        logger.warning("the replica can't be read, and the primary is read instead: %s", found)

    def end(self) -> None:
        self._until = None


_pause = _Pause()
