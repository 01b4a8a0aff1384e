"""Cursors: where a page of a list begins. They are signed, so that PostgreSQL is only given what it gave.

Whoever passes a URL on may log it, so no cursor has a name in it. Where a list is ordered by names, its cursors have ids of
rows in their place, each with a keyed digest of that row's values in the ordering: a row that was renamed since is at
another place now, and the page begins beyond the row before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db.models import Model
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import ValidationError

#: How many rows a cursor names at most, where it names rows: the nearest that is as it was counts.
NAMED_ROWS = 3

_FORGED = "Not a cursor of this list. Take it from `next` or `previous`."
_STALE = "The rows at which this page begins were renamed or removed. Begin again, without a cursor."


@dataclass(frozen=True, slots=True)
class Edge:
    """The row that a page begins after, by its values in the list's ordering; `backwards`: the page ends before it."""

    values: Sequence[Any]
    backwards: bool


class Cursors:
    """The cursors of lists in one ordering, which `salt` names: they have the values of a row in it."""

    def __init__(self, salt: str) -> None:
        self.salt = salt
        self._signer = Signer(salt=salt)

    def encode(self, rows: Sequence[Sequence[Any]], *, backwards: bool) -> str:
        """Return the cursor of the page beyond `rows`, given by their values in the ordering.

        These are the nearest, NAMED_ROWS at most, the nearest first.
        """
        return self._signer.sign_object([backwards, *self._encoded(rows)])

    def decode(self, cursor: str) -> Edge:
        """Return the edge. Raises ValidationError for a cursor that isn't one of these, or leads nowhere any more."""
        try:
            backwards, *encoded = self._signer.unsign_object(cursor)
        except (BadSignature, ValueError) as error:
            raise ValidationError({"cursor": [_FORGED]}) from error
        return Edge(self._decoded(encoded), backwards)

    def _encoded(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [value if isinstance(value, int) else str(value) for value in rows[0]]

    def _decoded(self, encoded: Sequence[Any]) -> Sequence[Any]:
        return encoded


class RowCursors(Cursors):
    """Cursors that name rows of `model` by their ids, the last of the `columns` that the list is ordered by."""

    def __init__(self, salt: str, model: type[Model], columns: Sequence[str]) -> None:
        super().__init__(salt)
        self.model = model
        self.columns = columns

    def _encoded(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [[row[-1], self._digest(row, settings.SECRET_KEY)] for row in rows]

    def _decoded(self, encoded: Sequence[Any]) -> Sequence[Any]:
        # Whichever of them the list shows now: one that was put into the trash is still at its place.
        rows = self.model._base_manager.filter(pk__in=[key for key, _ in encoded]).values_list(*self.columns)
        values = {row[-1]: row for row in rows}
        for key, digest in encoded:
            if key in values and digest in self._digests(values[key]):
                return values[key]
        raise ValidationError({"cursor": [_STALE]})

    def _digests(self, row: Sequence[Any]) -> list[str]:
        return [self._digest(row, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]

    def _digest(self, row: Sequence[Any], secret: str | bytes) -> str:
        return salted_hmac(self.salt, repr(tuple(row)), secret=secret, algorithm="sha256").hexdigest()[:16]
