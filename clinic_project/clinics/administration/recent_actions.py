"""What somebody has done in the admin lately, each object named as it is now, and each of its changes told once."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext

from clinic_project.api.converters import parse_row_id
from clinic_project.api.cross_site import is_asked_by_another_site
from clinic_project.audit.models import Access

from .base import ClinicModelAdmin
from .log_messages import log_message

#: Entries of the log that are read, and actions that are shown: who saves five times has done one thing.
MAX_READ, MAX_SHOWN = 50, 10

#: An object by its content type and key.
Key = tuple[int | None, str | None]


@dataclass(frozen=True, slots=True)
class RecentAction:
    """`url` is empty where the object is gone, or isn't the person's to see any more."""

    name: str
    what: str
    at: datetime
    url: str
    css_class: str


def recent_actions(request: HttpRequest) -> list[RecentAction]:
    """Return what the person at `request` has done, the latest first: a query for each kind of object.

    What it names is noted for the access log. To whom a page of another site sends here it names nothing, as `cross_site`
    says, and the page opens.
    """
    entries = LogEntry.objects.filter(user=request.user.pk).select_related("content_type")[:MAX_READ]
    latest: dict[tuple[Key, str], LogEntry] = {}
    for entry in entries:
        latest.setdefault((_key(entry), entry.change_message), entry)
    shown = list(latest.values())[:MAX_SHOWN]
    named = {} if is_asked_by_another_site(request) else dict(_named(request, shown))
    return [_action(entry, named.get(_key(entry))) for entry in shown]


def _key(entry: LogEntry) -> Key:
    return entry.content_type_id, entry.object_id


def _named(request: HttpRequest, entries: list[LogEntry]) -> Iterator[tuple[Key, tuple[str, str]]]:
    """Yield the name and the address of each object that the person may see."""
    keys: defaultdict[int | None, set[int]] = defaultdict(set)
    for entry in entries:
        if (pk := parse_row_id(entry.object_id or "")) is not None:
            keys[entry.content_type_id].add(pk)
    models = {entry.content_type_id: entry.content_type.model_class() for entry in entries if entry.content_type}
    for content_type_id, pks in keys.items():
        model = models.get(content_type_id)
        model_admin = admin.site._registry.get(model) if model else None
        if isinstance(model_admin, ClinicModelAdmin):
            objects = model_admin.named_objects(request, pks)
            model_admin.note_shown(request, objects, Access.Action.LIST)
            for obj in objects:
                named = model_admin.name_with_patient(obj), model_admin.object_url("change", obj.pk)
                yield (content_type_id, str(obj.pk)), named


def _action(entry: LogEntry, named: tuple[str, str] | None) -> RecentAction:
    name, url = named or (_unknown(entry), "")
    css_class = "addlink" if entry.is_addition() else "deletelink" if entry.is_deletion() else "changelink"
    return RecentAction(name, log_message(entry), entry.action_time, url, css_class)


def _unknown(entry: LogEntry) -> str:
    """Return what an object is and its number, all that may be said of it; the log has its name of then."""
    kind = entry.content_type.name if entry.content_type else gettext("Unknown object")
    return f"{capfirst(kind)} {entry.object_id or ''}".strip()
