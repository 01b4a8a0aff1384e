"""The changes of an object's history as the admin's page writes them: who, by which way, and each value as text."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.history import Change
from clinic_project.audit.models import Destruction

from ..history import Action, ReadableChange, ValueChange, Via, python_value
from ..models import User
from ..people import names_of, without_address
from ..times import EXACT
from .json_text import as_json, as_text
from .text_changes import Part, text_changes

#: Tells a value within a column, one of `change`, as text; None leaves it to what the column is.
ReadValue = Callable[[ReadableChange, ValueChange, Any], str | None]

ACTIONS = {
    Action.CREATED: _("Created"),
    Action.CHANGED: _("Changed"),
    Action.DELETED: _("Moved to the trash"),
    Action.RESTORED: _("Restored from the trash"),
    Action.SIGNED: pgettext_lazy("what was done", "Signed"),
    Action.AMENDED: _("Amended"),
    Action.ENTERED_IN_ERROR: _("Entered in error"),
    Action.REMOVED: _("Removed for good"),
    Action.FOUND_CHANGED: _("Found changed, by nobody known"),
}
VIA = {
    Via.API: _("through the API"),
    Via.ADMIN: _("in the admin"),
    Via.COMMAND: _("a command of manage.py"),
    Via.MIGRATE: _("while migrate ran"),
    Via.SQL: _("in SQL"),
}


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value that changed. `parts` is both as one text, where that is easier to read."""

    label: str
    before: str
    after: str
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change with its texts. `by` and `via` are what the request said; `session` is what the database knows itself.

    `by` is empty where only the database says who it was.
    """

    change: ReadableChange
    action: str
    by: str
    via: str
    session: str
    values: list[ShownValue]


def shown_changes(
    changes: Sequence[ReadableChange], model: type[models.Model], request: HttpRequest, read_value: ReadValue
) -> list[ShownChange]:
    """Return `changes` with their texts. What they refer to is read together: a query for each model at most."""
    texts = _Texts(changes, model, request, read_value)
    return [
        ShownChange(
            change=change,
            action=str(ACTIONS[change.action]),
            by=texts.by(change),
            via=str(VIA[change.via]) if change.via else "",
            session=session_of(change.recorded),
            values=[texts.shown(change, value) for value in change.changes],
        )
        for change in changes
    ]


def session_of(recorded: Change | Destruction) -> str:
    """Return what the database knows of who did something: "clinic_app (psql, 10.0.0.7)"."""
    user = recorded.database_user
    if recorded.database_role and recorded.database_role != user:
        user = gettext("%(user)s as %(role)s") % {"user": user, "role": recorded.database_role}
    more = ", ".join(filter(None, [recorded.application_name, recorded.client_address]))
    return f"{user} ({more})" if more else user


class _Texts:
    """`_names` are those of the objects that foreign keys and people's ids lead to, by model and key."""

    def __init__(
        self,
        changes: Sequence[ReadableChange],
        model: type[models.Model],
        request: HttpRequest,
        read_value: ReadValue,
    ) -> None:
        self._fields = {field.column: field for field in model._meta.concrete_fields}
        self._read_value = read_value
        self._names = {related: _names(related, keys, request) for related, keys in self._keys(changes).items()}

    def by(self, change: ReadableChange) -> str:
        if change.by is None:
            return ""
        return without_address(change.by.name) or self._name(User, change.by.id)

    def shown(self, change: ReadableChange, value: ValueChange) -> ShownValue:
        before, after = (self._text(change, value, side) for side in (value.before, value.after))
        if before == after:
            # None and an empty text, or 5 and "5".
            before, after = as_json(value.before), as_json(value.after)
        is_text = isinstance(value.before, str) and isinstance(value.after, str)
        return ShownValue(value.label, before, after, text_changes(before, after) if is_text else [])

    def _text(self, change: ReadableChange, value: ValueChange, side: Any) -> str:
        told = self._read_value(change, value, side)
        if told is not None:
            return told
        if value.path.endswith("_by_name"):
            return without_address(side)
        field = self._fields.get(value.path)
        if side is not None and field is not None and field.related_model:
            return self._name(field.related_model, side)
        return column_text(field, side)

    def _name(self, model: Any, key: Any) -> str:
        return self._names.get(model, {}).get(key) or f"{model._meta.verbose_name} {key}"

    def _keys(self, changes: Sequence[ReadableChange]) -> dict[Any, set[int]]:
        """Return the keys of all objects that `changes` refer to, by model."""
        keys: defaultdict[Any, set[int]] = defaultdict(set)
        for change in changes:
            if change.by and change.by.id and not change.by.name:
                keys[User].add(change.by.id)
            for value in change.changes:
                field = self._fields.get(value.path)
                if field is not None and field.related_model:
                    keys[field.related_model] |= {key for key in (value.before, value.after) if isinstance(key, int)}
        return keys


def _names(model: Any, keys: set[int], request: HttpRequest) -> Mapping[int | None, str]:
    """Return the names of those objects that the person may see, and of all people: who did what is no secret."""
    if model is User:
        return names_of(keys)
    objects = model._default_manager.all()
    if admin.site.is_registered(model):
        objects = admin.site.visible(request, model)  # type: ignore[attr-defined]
    return {found.pk: str(found) for found in objects.filter(pk__in=keys)}


def column_text(field: Any, value: Any) -> str:
    """Return the value of a column as people read it; `field` is None where no model declares it."""
    found = value if field is None or value is None else python_value(field, value)
    if isinstance(found, datetime):
        return date_format(localtime(found) if is_aware(found) else found, EXACT)
    if isinstance(found, date):
        return date_format(found)
    return as_text(found)
