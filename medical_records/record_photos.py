"""Which photos a record had at each of its changes, by the photos' own histories.

A photo is linked and unlinked in the transaction that gives its record the next version. A photo that has been removed for
good isn't found any more, though the database keeps its history.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import attrgetter

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext

from clinic_project.audit.history import Change, database_of, histories_of
from clinic_project.audit.models import HistoryEntry
from clinic_project.clinics.history import Row, ValueChange, columns_of

from .models import MedicalRecord, PatientPhoto
from .querysets import PhotoQuerySet

_TABLE = PatientPhoto._meta.db_table
#: What is further apart wasn't made by one transaction.
_LONGEST_TRANSACTION = timedelta(hours=1)


class PhotoHistories:
    """The photos that are on some records of one patient, or have been, with their histories."""

    def __init__(self, records: Sequence[MedicalRecord]) -> None:
        self.rows: dict[int, Row] = {row["id"]: dict(row) for row in _photos_of(records).values()}
        found = histories_of(_TABLE, list(self.rows), using=database_of(records[0])) if self.rows else ()
        #: Each photo's changes, the newest first.
        self.changes = {photo_id: list(history) for photo_id, history in groupby(found, attrgetter("row_id"))}


class RecordPhotos:
    """The photos that `record` has and has had, which are among `photos`; `changes` are all of its own."""

    def __init__(self, record: MedicalRecord, changes: Sequence[Change], photos: PhotoHistories) -> None:
        self._record_id = record.pk
        self._first_entry = min((change.entry for change in changes), default=0)
        self._rows = photos.rows
        changes_of_record = _by_transaction(changes)
        #: Each photo's changes, the newest first, with the entry of the record's change that they were made with.
        self._histories = {
            photo_id: [(one, _made_with(one, changes_of_record)) for one in history]
            for photo_id, history in photos.changes.items()
        }

    def shown(self, change: Change | None, record: Row) -> list[Row]:
        """Return the photos, the oldest first, that the record, which was `record` then, showed after a change of it.

        None stands for the time before its first change.
        """
        photos = [photo for photo in self._photos(change) if self._is_shown(photo, record)]
        # As texts, all of them in UTC: a column that was missing for a while is None.
        return sorted(photos, key=lambda photo: (str(photo["created_at"]), photo["id"]))

    def links(self, change: Change) -> Iterator[ValueChange]:
        """Yield which photos were linked before a change of the record and after it, if these aren't the same."""
        after = {photo["id"] for photo in self._photos(change) if self._is_linked(photo)}
        before = set(after)
        for photo_id, history in self._histories.items():
            made = [one for one, made_with in history if made_with == change.entry]
            if made and self._is_linked(columns_of(PatientPhoto, made[-1].before)):
                before.add(photo_id)
            elif made:
                before.discard(photo_id)
        if before != after:
            yield ValueChange("photos", gettext("Photos"), sorted(before), sorted(after))

    def _photos(self, change: Change | None) -> list[Row]:
        found = (columns_of(PatientPhoto, self._state(photo_id, change)) for photo_id in self._rows)
        return [photo for photo in found if photo]

    def _state(self, photo_id: int, change: Change | None) -> Row | None:
        """Return a photo as it was after a change of the record; None where it wasn't there."""
        history = self._histories.get(photo_id)
        if not history:
            return self._rows[photo_id]
        made = (one.after for one, made_with in history if self._is_made(one, made_with, change))
        return next(made, history[-1][0].before)

    def _is_made(self, one: Change, made_with: int | None, change: Change | None) -> bool:
        """Whether a change of a photo had been made when `change` of the record was complete."""
        if change is None:
            return made_with is None and one.entry < self._first_entry
        return one.entry < change.entry or made_with == change.entry

    def _is_shown(self, photo: Row, record: Row) -> bool:
        if record["is_deleted"]:
            is_shown = photo["is_deleted"] and photo["deleted_at"] == record["deleted_at"]
        else:
            is_shown = not photo["is_deleted"]
        return bool(is_shown) and photo["medical_record_id"] == self._record_id

    def _is_linked(self, photo: Row) -> bool:
        is_in_use = not (photo.get("is_pending") or photo.get("is_deleted"))
        return is_in_use and photo.get("medical_record_id") == self._record_id


def _by_transaction(changes: Iterable[Change]) -> dict[int, list[Change]]:
    """Return a row's changes, the oldest first, by their transactions."""
    found: dict[int, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=attrgetter("entry")):
        found[change.transaction_id].append(change)
    return found


def _made_with(one: Change, changes: Mapping[int, Sequence[Change]]) -> int | None:
    """Return the entry of the record's change that a change of a photo was made with; None where it was made alone."""
    # A dump that is restored elsewhere meets the numbers of its transactions again.
    together = [
        change.entry for change in changes.get(one.transaction_id, ()) if abs(change.at - one.at) < _LONGEST_TRANSACTION
    ]
    return max((entry for entry in together if entry < one.entry), default=together[0]) if together else None


def _photos_of(records: Sequence[MedicalRecord]) -> PhotoQuerySet:
    """Return the photos of a patient that are on one of `records`, or have been."""
    first, ids = records[0], [record.pk for record in records]
    was_on_one = HistoryEntry.objects.filter(table_name=_TABLE, row_id=OuterRef("pk"), kept__medical_record_id__in=ids)
    photos = PatientPhoto.objects.for_clinic(first.clinic_id).filter(patient_id=first.patient_id)
    return photos.filter(Q(medical_record__in=ids) | Exists(was_on_one))
