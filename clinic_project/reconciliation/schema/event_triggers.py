"""The database's event triggers, which also fire for the temporary tables from which the declared schema is read."""

from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import Unsupported
from ..sqlstates import message_with_sqlstate
from .model import identifier

_ENABLED_TRIGGERS = """
    SELECT e.evtname, p.proname FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
    WHERE e.evtenabled <> 'D' ORDER BY e.evtname
"""


def disable_event_triggers(connection: BaseDatabaseWrapper, cursor: Any) -> None:
    """Disable event triggers until the end of the transaction, if the role may."""
    if _has_setting(connection):
        cursor.execute(
            "SELECT set_config('event_triggers', 'off', true) WHERE has_parameter_privilege('event_triggers', 'SET')"
        )


def _has_setting(connection: Any) -> bool:
    """Whether the server has the setting event_triggers, which superusers may change, and roles to which it is granted."""
    return bool(connection.pg_version >= 170000)


def raise_if_event_trigger(connection: BaseDatabaseWrapper, error: Error) -> None:
    """Raise Unsupported if an event trigger raised the error: its function is in the error's context."""
    context = getattr(getattr(error.__cause__, "diag", None), "context", None) or ""
    with connection.cursor() as cursor:
        cursor.execute(_ENABLED_TRIGGERS)
        names = [name for name, function in cursor.fetchall() if f"{function}(" in context]
    if not names:
        return
    grant = ""
    if _has_setting(connection):
        grant = " Or let this role disable it for itself: GRANT SET ON PARAMETER event_triggers TO …"
    disable = "; ".join(f"ALTER EVENT TRIGGER {identifier(name)} DISABLE" for name in names)
    raise Unsupported(
        f"Expected to create temporary tables, from which the declared schema is read, found that the event trigger"
        f" {', '.join(names)} prevents it: {message_with_sqlstate(error)}. Disable it while this runs:"
        f" {disable}.{grant}"
    ) from error
