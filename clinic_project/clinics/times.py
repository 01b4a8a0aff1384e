"""Times on pages and paper: in the clinic's time zone, the setting TIME_ZONE, with its name where it matters."""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import gettext

#: Of the formats in `clinic_project.formats`, beside Django's own: to the second.
EXACT = "EXACT_DATETIME_FORMAT"


def zoned(moment: datetime, form: str = "DATETIME_FORMAT") -> str:
    """Return a time in the format of that name, with its zone: "26 Nov 2026, 14:05 (Asia/Taipei)".

    In the hour that comes twice when clocks are set back, it says which one: "(Europe/Berlin, UTC+02:00)".
    """
    local = localtime(moment)
    zone = ", ".join(filter(None, [get_current_timezone_name(), _offset_in_doubt(local)]))
    return gettext("%(time)s (%(zone)s)") % {"time": date_format(local, form), "zone": zone}


def exact(moment: datetime) -> str:
    """Return a time to the second, where the zone is said beside; with its offset where it comes twice."""
    local = localtime(moment)
    offset = _offset_in_doubt(local)
    return f"{date_format(local, EXACT)} ({offset})" if offset else date_format(local, EXACT)


def _offset_in_doubt(local: datetime) -> str:
    """Return the offset of a local time that comes twice; empty for others."""
    comes_twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    return f"UTC{local.isoformat()[-6:]}" if comes_twice else ""
