"""Event triggers of others, which also fire for the temporary tables that tell what the models mean."""

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import Unsupported
from ..sqlstates import message, sqlstate
from .model import identifier

#: The first server_version_num with the setting event_triggers, which superusers may change, and who was granted it.
CAN_BE_PASSED_BY = 170000

#: Lets none fire until the end of the transaction, where the role may.
SILENCE = "SELECT set_config('event_triggers', 'off', true) WHERE has_parameter_privilege('event_triggers', 'SET')"

_FIRING = """
    SELECT e.evtname, p.proname FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
    WHERE e.evtenabled <> 'D' ORDER BY e.evtname
"""


def blame_event_trigger(connection: BaseDatabaseWrapper, error: Error) -> None:
    """Raise Unsupported if it was an event trigger that made the error: its function is in the error's context."""
    context = getattr(getattr(error.__cause__, "diag", None), "context", None) or ""
    with connection.cursor() as cursor:
        cursor.execute(_FIRING)
        blamed = [name for name, function in cursor.fetchall() if f"{function}(" in context]
    if not blamed:
        return
    grant = ""
    if connection.pg_version >= CAN_BE_PASSED_BY:  # type: ignore[attr-defined]
        grant = " Or let this role pass them by: GRANT SET ON PARAMETER event_triggers TO …"
    disable = "; ".join(f"ALTER EVENT TRIGGER {identifier(name)} DISABLE" for name in blamed)
    raise Unsupported(
        f"Expected to be allowed temporary tables, which tell what the models mean and are rolled back, found the event"
        f" trigger {', '.join(blamed)} against it: {message(error)} (SQLSTATE {sqlstate(error)}). Disable it while this"
        f" runs: {disable}.{grant}"
    ) from error
