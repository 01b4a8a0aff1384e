"""What Django's log says was done, in the reader's language: it is kept in English."""

import json

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.text import capfirst
from django.utils.translation import gettext, override


def log_message(entry: LogEntry) -> str:
    """Return what `entry` says: a sentence of ours, or Django's own, which it keeps as JSON with the labels of fields."""
    kept = entry.change_message
    if not kept.startswith("["):
        return gettext(kept) if kept else ""
    parts = json.loads(kept)
    labels = _labels_of(entry)
    for done in (done for part in parts for done in part.values() if "fields" in done):
        done["fields"] = [labels.get(field) or _label(field) for field in done["fields"]]
    return LogEntry(change_message=json.dumps(parts)).get_change_message()


def _labels_of(entry: LogEntry) -> dict[str, str]:
    """Return the verbose names of the object's fields by what Django's log has them as, in English."""
    model = ContentType.objects.get_for_id(entry.content_type_id).model_class() if entry.content_type_id else None
    names = [field.verbose_name for field in model._meta.fields] if model else []
    with override("en"):
        english = [capfirst(str(name)) for name in names]
    return {label: capfirst(str(name)) for label, name in zip(english, names, strict=True)}


def _label(field: str) -> str:
    """Return the label of a form's own field."""
    names = (field, field[:1].lower() + field[1:])
    return next((gettext(name) for name in names if gettext(name) != name), field)
