"""The history of templates, records and photos as people read it: answers by their labels, and fields one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import models
from django.utils.translation import gettext

from clinic_project.api.fields import normalized_uuid
from clinic_project.audit.history import differ
from clinic_project.clinics import history
from clinic_project.clinics.earlier_states import State
from clinic_project.clinics.history import (
    Action,
    Done,
    History,
    ReadableChange,
    ReadableChanges,
    Reader,
    Row,
    ValueChange,
    Via,
    columns_of,
)

from .models import MedicalRecord, MedicalRecordTemplate
from .record_photos import PhotoHistories, RecordPhotos
from .template_fields import snapshot_fields

__all__ = [
    "Action",
    "History",
    "ReadableChange",
    "ValueChange",
    "Via",
    "field_changes",
    "read_histories",
    "read_history",
]


@dataclass(frozen=True, slots=True)
class RecordHistory(History):
    """The history of a record, with what its photos were."""

    photos: RecordPhotos

    def photos_in(self, state: State) -> list[Row]:
        """Return the columns of the photos that the record showed in a state of it, the oldest first."""
        change = state.change.recorded if state.change else None
        return self.photos.shown(change, columns_of(MedicalRecord, state.row))


def read_history(row: models.Model) -> History:
    """Return the history of a template, a record, a photo, a patient or a membership."""
    return next(read_histories([row]))


def read_histories(rows: Sequence[models.Model]) -> Iterator[History]:
    """Yield the history of each of `rows`, which are of one table; records are of one patient."""
    recorded = history.recorded_changes(rows)
    records = [row for row in rows if isinstance(row, MedicalRecord)]
    photos = PhotoHistories(records) if records else None
    for row in rows:
        readers = _READERS.get(type(row), {})
        tell_done = _done_to_record if isinstance(row, MedicalRecord) else history.tell_nothing
        changes = history.readable_history(row, readers, tell_done, recorded=recorded.get(row.pk, []))
        yield _with_photos(row, changes, photos) if isinstance(row, MedicalRecord) and photos else History(changes)


def _with_photos(record: MedicalRecord, changes: ReadableChanges, histories: PhotoHistories) -> RecordHistory:
    """Add to the changes of a record those of its photos that gave it another version."""
    photos = RecordPhotos(record, changes.recorded, histories)

    def with_links(change: ReadableChange) -> ReadableChange:
        if change.action not in {Action.CHANGED, Action.AMENDED}:
            return change
        return replace(change, changes=(*change.changes, *photos.links(change.recorded)))

    return RecordHistory(changes.with_each(with_links), photos)


def _done_to_record(before: Row, after: Row) -> Done | None:
    """Tell what became of a signature, or of a mark as entered in error."""

    def is_set(column: str) -> bool:
        return before.get(column) is None and after.get(column) is not None

    if is_set("signed_at"):
        return Done(Action.SIGNED)
    if before.get("signed_at") is not None and after.get("signed_at") is None:
        return Done(Action.AMENDED, after.get("amendment_reason"))
    if is_set("entered_in_error_at"):
        return Done(Action.ENTERED_IN_ERROR, after.get("entered_in_error_reason"))
    return None


def _answers(before: Row, after: Row) -> Iterator[ValueChange]:
    """Yield the answers that changed, by the labels that the snapshot has; nothing where they aren't by field id."""
    was, is_now = before.get("values"), after.get("values")
    if not (isinstance(was, dict) and isinstance(is_now, dict)):
        return
    fields = snapshot_fields(before.get("template_snapshot")) | snapshot_fields(after.get("template_snapshot"))
    labels = {field_id: _label(field) for field_id, field in fields.items()}
    position = {field_id: number for number, field_id in enumerate(labels)}
    for key in sorted(
        was.keys() | is_now.keys(), key=lambda key: (position.get(normalized_uuid(key), len(labels)), key)
    ):
        yield from _changed(f"values.{key}", labels.get(normalized_uuid(key), key), was.get(key), is_now.get(key))


def field_changes(before: Row, after: Row) -> Iterator[ValueChange]:
    """Yield the fields that were added and removed, and what changed of others; nothing where they have no ids."""
    was, is_now = _by_id(before.get("fields")), _by_id(after.get("fields"))
    if was is None or is_now is None:
        return
    for field_id in [*is_now, *(field_id for field_id in was if field_id not in is_now)]:
        yield from _field_changes(field_id, was.get(field_id), is_now.get(field_id))
    kept = [[field_id for field_id in one if field_id in other] for one, other in ((was, is_now), (is_now, was))]
    yield from _changed("fields", gettext("Sequence of the fields"), *kept)


def _field_changes(field_id: str, was: Row | None, is_now: Row | None) -> Iterator[ValueChange]:
    path, label = f"fields.{field_id}", _label(is_now or was or {})
    if was is None or is_now is None:
        yield ValueChange(path, label, was, is_now)
        return
    for name in [*is_now, *(name for name in was if name not in is_now)]:
        yield from _changed(f"{path}.{name}", f"{label}: {name}", was.get(name), is_now.get(name))


def _by_id(fields: Any) -> dict[str, Row] | None:
    """Return the fields of a template by their ids; None where they aren't what this API writes."""
    found = snapshot_fields({"fields": fields})
    return found if isinstance(fields, list) and len(found) == len(fields) else None


def _label(field: Row) -> str:
    label = field.get("label")
    return label if isinstance(label, str) and label.strip() else gettext("(no label)")


def _changed(path: str, label: str, before: Any, after: Any) -> Iterator[ValueChange]:
    if differ(before, after):
        yield ValueChange(path, label, before, after)


_READERS: Mapping[type[models.Model], Mapping[str, Reader]] = {
    MedicalRecordTemplate: {"fields": field_changes},
    MedicalRecord: {"values": _answers},
}
