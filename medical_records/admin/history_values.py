"""What changed within a record's answers and a template's fields, as text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.utils.translation import gettext

from clinic_project.api.fields import normalized_uuid
from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.history import Row

from ..filled_form import answer_text
from ..history import ReadableChange, ValueChange
from ..models import PatientPhoto
from ..template_fields import range_text, snapshot_fields


class AnswerReader:
    """Tells the answers of a record as its form shows them, and its photos by their captions, read in one query."""

    def __init__(self, changes: Sequence[ReadableChange]) -> None:
        values = [value for change in changes for value in change.changes if value.path == "photos"]
        photo_ids = {photo_id for value in values for photo_id in (*value.before, *value.after)}
        photos = PatientPhoto.objects.filter(pk__in=photo_ids)
        self._captions = {photo.pk: photo.description or photo.filename for photo in photos}

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
    is_field = path.startswith("fields.") and isinstance(side, dict)
    return "\n".join(_field_lines(side)) if is_field else None


def _labels(field_ids: list[Any], rows: Iterable[Row]) -> Iterator[str]:
    fields: dict[str, Row] = {}
    for row in rows:
        fields |= snapshot_fields({"fields": row.get("fields")})
    for field_id in field_ids:
        yield as_text(fields.get(field_id, {}).get("label") if isinstance(field_id, str) else field_id)


def _field_lines(field: Row) -> Iterator[str]:
    required = gettext("required") if field.get("required") is True else ""
    kind = gettext("A field of type %(type)s") % {"type": as_text(field.get("type"))}
    yield ", ".join(filter(None, [kind, range_text(field), required]))
    if field.get("options"):
        yield gettext("Options: %(options)s") % {"options": as_text(field["options"])}
    if field.get("description"):
        yield as_text(field["description"])
