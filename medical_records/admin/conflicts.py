"""Two people's changes of one template, side by side: what one of them has saved, and what the other has typed."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext

from clinic_project.audit.history import differ
from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.history import Row

from ..filled_form import FilledForm, blank_form, entries_in_order
from ..history import ValueChange, field_changes
from .base import when_and_by
from .forms import TemplateForm
from .history_values import field_label, field_text


@dataclass(frozen=True, slots=True)
class Difference:
    """What one question, or the name or the description, is on either side; empty where it isn't there."""

    label: str
    saved: str
    typed: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """`saved_when` says when, and by whom; `saved` and `typed` are the whole forms."""

    saved_when: str
    differences: list[Difference]
    saved: FilledForm
    typed: FilledForm


def conflict_of(form: TemplateForm) -> Conflict | None:
    """Return the conflict that `form` has met; None if there was none."""
    now = form.conflict
    if now is None:
        return None
    saved: Row = {"name": now.name, "description": now.description or "", "fields": entries_in_order(now.fields)}
    typed = form.typed()
    return Conflict(
        saved_when=when_and_by(now.updated_at, now.updated_by_user_id, now.clinic_id),
        differences=list(_differences(saved, typed)),
        saved=blank_form(**saved),
        typed=blank_form(**typed),
    )


def _differences(saved: Row, typed: Row) -> Iterator[Difference]:
    columns = (("name", gettext("Name")), ("description", gettext("Description")))
    changes = [ValueChange(name, label, saved[name], typed[name]) for name, label in columns]
    saved, typed = _named(saved, "saved"), _named(typed, "typed")
    for change in [*changes, *field_changes(saved, typed)]:
        if differ(change.before, change.after):
            sides = (field_text(change.path, side, (saved, typed)) for side in (change.before, change.after))
            before, after = (
                as_text(side) if text is None else text
                for text, side in zip(sides, (change.before, change.after), strict=True)
            )
            yield Difference(field_label(change), before, after)


def _named(row: Row, prefix: str) -> Row:
    """Return `row` with an id for each field, as a comparison needs, and without their numbers."""
    fields = [
        {"id": f"{prefix}-{place}", **{name: value for name, value in field.items() if name != "order"}}
        for place, field in enumerate(row["fields"])
        if isinstance(field, dict)
    ]
    return {**row, "fields": fields}
