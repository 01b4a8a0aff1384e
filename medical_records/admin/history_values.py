"""What changed of a record and of a template, in the words of their pages: answers, signatures and questions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.api.fields import normalized_uuid
from clinic_project.clinics.administration.history_texts import ShownChange, ShownValue, column_text
from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.history import Row, columns_of
from clinic_project.clinics.listing import listed
from clinic_project.clinics.people import without_address

from ..filled_form import answer_text
from ..history import Action, ReadableChange, ValueChange
from ..models import MedicalRecord, PatientPhoto
from ..template_fields import range_text, snapshot_fields, type_label

#: What the question editor calls the members of a field.
_MEMBERS = {
    "label": _("Question"),
    "type": _("Type"),
    "required": _("Required"),
    "description": _("Description"),
    "placeholder": _("Placeholder"),
    "options": _("Options"),
    "unit": _("Unit"),
    "min": _("Smallest number"),
    "max": _("Largest number"),
}

#: The columns of a record that say what the line of a signature, or of a mark, does, or the change itself.
_SIGNATURE_COLUMNS = {
    "signed_at",
    "signed_by_user_id",
    "signed_by_name",
    "content_hash",
    "amended_at",
    "amendment_reason",
}
_MARK_COLUMNS = {f"entered_in_error_{name}" for name in ("at", "by_user_id", "by_name", "reason")}


class AnswerReader:
    """Tells the answers of a record as its form shows them, and its photos by their captions, read in one query."""

    def __init__(self, changes: Sequence[ReadableChange]) -> None:
        values = [value for change in changes for value in change.changes if value.path == "photos"]
        photo_ids = {photo_id for value in values for photo_id in (*value.before, *value.after)}
        photos = PatientPhoto.objects.filter(pk__in=photo_ids)
        self._captions = {photo.pk: photo.caption for photo in photos}

    def __call__(self, change: ReadableChange, value: ValueChange, side: Any) -> str | None:
        name, _, field_id = value.path.partition(".")
        if value.path == "photos":
            return "\n".join(_photo_line(photo_id, self._captions.get(photo_id, "")) for photo_id in side)
        return answer_text(_field(change, field_id), side) if name == "values" and field_id else None


def _photo_line(photo_id: int, caption: str) -> str:
    return gettext("%(caption)s (photo %(id)d)") % {"caption": caption, "id": photo_id}


def _field(change: ReadableChange, field_id: str) -> Row:
    """Return the field that the record's snapshot has under that id; an empty one if it has none."""
    snapshots = [(row or {}).get("template_snapshot") for row in (change.after, change.before)]
    fields = [snapshot_fields(snapshot).get(normalized_uuid(field_id)) for snapshot in snapshots]
    return next(filter(None, fields), {})


def field_in_history(change: ReadableChange, value: ValueChange, side: Any) -> str | None:
    """Return a whole field of a template, or the sequence of its fields, as text; None for other columns."""
    return field_text(value.path, side, [row for row in (change.before, change.after) if row])


def field_text(path: str, side: Any, rows: Iterable[Row]) -> str | None:
    """Return what `field_in_history` does; `rows` are the template's, whose labels name the fields of a sequence."""
    if path == "fields" and isinstance(side, list):
        return "\n".join(_labels(side, rows))
    if not path.startswith("fields."):
        return None
    if isinstance(side, dict):
        return "\n".join(_field_lines(side))
    return _member_text(path.rpartition(".")[2], side)


def _member_text(name: str, value: Any) -> str | None:
    """Return what a member of a field is, as its input has it; None for those whose text is the value."""
    if name == "type" and value is not None:
        return as_text(type_label(value))
    if name == "required" and isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    return "\n".join(map(as_text, value)) if name == "options" and isinstance(value, list) else None


def field_label(value: ValueChange) -> str:
    """Return what a change of a template is about, as the question editor calls it."""
    if value.path == "fields":
        return gettext("Order of the questions")
    name = value.path.rpartition(".")[2]
    if not (value.path.startswith("fields.") and value.label.endswith(f": {name}")):
        return value.label
    words = {"question": value.label.removesuffix(f": {name}"), "input": _MEMBERS.get(name, name)}
    return gettext("%(question)s: %(input)s") % words


def template_change(shown: ShownChange) -> ShownChange:
    """Tell of a template's fields in the words of the question editor, and of their numbers as their order alone."""
    told = list(zip(shown.change.changes, shown.values, strict=True))
    if any(value.path == "fields" for value in shown.change.changes):
        told = [(value, text) for value, text in told if not value.path.endswith(".order")]
    return replace(shown, values=[replace(text, label=field_label(value)) for value, text in told])


def record_change(shown: ShownChange) -> ShownChange:
    """Tell what became of a signature, or of a mark as entered in error, in a line for each instead of its columns."""
    change = shown.change
    if change.action in {Action.SIGNED, Action.AMENDED}:
        return _told_as(shown, _SIGNATURE_COLUMNS, gettext("Signature"), _signature)
    if change.action is Action.ENTERED_IN_ERROR:
        return _told_as(shown, _MARK_COLUMNS, gettext("Entered in error"), _mark)
    if change.action is Action.CHANGED and _mark(change.before) and not _mark(change.after):
        undone = replace(shown, action=gettext("No longer entered in error"))
        return _told_as(undone, _MARK_COLUMNS, gettext("Entered in error"), _mark)
    return shown


def _told_as(
    shown: ShownChange, columns: Collection[str], label: str, tell: Callable[[Row | None], str]
) -> ShownChange:
    others = [text for value, text in zip(shown.change.changes, shown.values, strict=True) if value.path not in columns]
    before, after = tell(shown.change.before), tell(shown.change.after)
    return replace(shown, values=[ShownValue(label, before, after, []), *others])


def _signature(row: Row | None) -> str:
    record = columns_of(MedicalRecord, row)
    if record.get("signed_at") is None:
        return ""
    return gettext("Signed by %(name)s, %(when)s") % _name_and_time(record["signed_by_name"], record["signed_at"])


def _mark(row: Row | None) -> str:
    record = columns_of(MedicalRecord, row)
    if record.get("entered_in_error_at") is None:
        return ""
    words = _name_and_time(record["entered_in_error_by_name"], record["entered_in_error_at"])
    return gettext("Marked by %(name)s, %(when)s") % words


def _name_and_time(name: str | None, when: Any) -> dict[str, str]:
    return {"name": without_address(name) or gettext("somebody"), "when": column_text(None, when)}


def _labels(field_ids: list[Any], rows: Iterable[Row]) -> Iterator[str]:
    fields: dict[str, Row] = {}
    for row in rows:
        fields |= snapshot_fields({"fields": row.get("fields")})
    for field_id in field_ids:
        yield as_text(fields.get(field_id, {}).get("label") if isinstance(field_id, str) else field_id)


def _field_lines(field: Row) -> Iterator[str]:
    required = gettext("required") if field.get("required") is True else ""
    kind = as_text(type_label(field.get("type")))
    yield listed(filter(None, [kind, range_text(field), required]))
    if options := _member_text("options", field.get("options")):
        yield gettext("Options: %(options)s") % {"options": listed(options.split("\n"))}
    if field.get("description"):
        yield as_text(field["description"])
