"""The history of templates, records and photos: `…/{id}/history`, and the object as it was, `…/{id}/history/{sequence}`."""

from collections.abc import Collection
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse
from rest_framework.response import Response

from clinic_project.api.etags import hashed_etag, is_known, not_modified
from clinic_project.api.pagination import SequenceListing
from clinic_project.api.renderers import as_json
from clinic_project.api.serializers import Row
from clinic_project.clinics.earlier_states import State, state_at
from clinic_project.clinics.history import columns_of
from medical_records.history import History, ReadableChange, RecordHistory, read_history

from .base import Rows, TrashViewSet
from .serializers import PastSerializer, PhotoOutputSerializer


def as_it_was(serializer: type[PastSerializer]) -> dict[int, OpenApiResponse]:
    """Return what documents the response with an object of the past."""
    return {200: OpenApiResponse(serializer, description="As it was then.")}


class HistoryViewSet(TrashViewSet[Rows]):
    """Rows whose history is shown to those who see the row. What has been removed for good isn't seen any more."""

    #: The serializer of a row as it was.
    past_serializer: ClassVar[type[PastSerializer]]
    paged_actions = frozenset({"list", "history"})

    @property
    def shown_members(self) -> Collection[str]:
        return self.past_serializer._declared_fields

    def history_response(self, pk: int) -> Response:
        """Respond with a page of the changes of a row, the newest first, or with 304. Raises DoesNotExist."""
        _, history = self._read_history(pk)
        return self.page_response(SequenceListing(found=history.changes, row_of=entry_of), _Changes())

    def past_response(self, pk: int, sequence: int) -> Response:
        """Respond with a row as one of its changes left it, or with 304. Raises DoesNotExist, and Http404 for no change."""
        past = self._past(*self._read_history(pk), sequence)
        etag = hashed_etag(as_json(past))
        return not_modified(etag) if is_known(self.request, etag) else self.respond(past, etag)

    def _read_history(self, pk: int) -> tuple[Any, History]:
        row = self.get_queryset().get(pk=pk)
        self.note_shown(vars(row))
        return row, read_history(row)

    def _past(self, row: Any, history: History, sequence: int) -> Row:
        state = state_at(history.changes, sequence)
        if state is None:
            raise Http404
        columns = self.past_columns(row, state)
        shown = {**self.past_serializer.row_of(columns), "history": state.change and entry_of(state.change)}
        if isinstance(history, RecordHistory):
            now = {"record_entered_in_error": row.entered_in_error_at is not None}
            photos = [PhotoOutputSerializer.row_of({**photo, **now}) for photo in history.photos_in(state)]
            shown["photos"] = PhotoOutputSerializer.represent(photos)
        return self.past_serializer.represent([shown])[0]

    def past_columns(self, row: Any, state: State) -> Row:
        """Return the columns of a row in a state of it, and what `past_serializer` shows beside them."""
        return columns_of(type(row), state.row)


class _Changes:
    """Changes that are represented as they are read. Whose they are has been noted."""

    def identify(self, rows: Any) -> Any:
        return rows

    read = identify

    def represent(self, rows: list[Row]) -> list[Row]:
        return rows

    def note_shown(self, rows: list[Row]) -> None:
        pass


def entry_of(change: ReadableChange) -> Row:
    """Return a change as it is shown."""
    return {
        "sequence": change.sequence,
        "version": change.version,
        "at": change.at,
        "until": change.until,
        "action": change.action.value,
        "by": change.by and {"id": change.by.id, "name": change.by.name},
        "via": change.via and change.via.value,
        "request_id": change.request_id,
        "reason": change.reason,
        "is_proven": change.is_proven,
        "changes": [
            {"path": one.path, "label": one.label, "before": one.before, "after": one.after} for one in change.changes
        ],
    }
