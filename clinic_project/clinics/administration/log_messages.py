"""What Django's log says was done, in the reader's language: it is kept in English."""

import json

from django.contrib.admin.models import LogEntry
from django.utils.translation import gettext


def log_message(entry: LogEntry) -> str:
    """Return what `entry` says: a sentence of ours, or Django's own, which it keeps as JSON with the labels of fields."""
    kept = entry.change_message
    if not kept.startswith("["):
        return gettext(kept) if kept else ""
    parts = json.loads(kept)
    for done in (done for part in parts for done in part.values() if "fields" in done):
        done["fields"] = [_label(field) for field in done["fields"]]
    return LogEntry(change_message=json.dumps(parts)).get_change_message()


def _label(field: str) -> str:
    """Return the label of a field, which is its verbose name with a capital letter, unless the form has another."""
    names = (field, field[:1].lower() + field[1:])
    return next((gettext(name) for name in names if gettext(name) != name), field)
