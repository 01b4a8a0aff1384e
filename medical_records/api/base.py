"""The base viewsets of templates, records and photos."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error
from django.db.models import F
from rest_framework.response import Response

from clinic_project.api.database_errors import refused_by_database
from clinic_project.api.problems import Problem, Unavailable
from clinic_project.api.serializers import Row
from clinic_project.api.versions import ExpectedVersions, etag, expected_versions
from clinic_project.audit import transactions
from clinic_project.audit.destruction import DestructionImpossible
from clinic_project.audit.history import replaced_by_last_change
from clinic_project.clinics.api.viewsets import ClinicViewSet
from clinic_project.clinics.models import Clinic
from clinic_project.clinics.people import member_names
from clinic_project.clinics.querysets import TrashQuerySet
from clinic_project.reconciliation.sqlstates import sqlstate
from medical_records.exceptions import (
    ChangeRefused,
    EnteredInError,
    InTrash,
    MissingAnswers,
    NotEnteredInError,
    NotInTrash,
    NotSigned,
    Retained,
    Signed,
    StaleVersion,
    Suppressed,
    Unsignable,
    UnusableReference,
)
from medical_records.functions import SIGNED
from medical_records.photos.storage import STORAGE_FAILS
from medical_records.querysets import VersionedQuerySet

Rows = TypeVar("Rows", bound=TrashQuerySet[Any])
VersionedRows = TypeVar("VersionedRows", bound=VersionedQuerySet[Any])

#: The problems of refusals: the last part of the type, and the title.
_REFUSALS: Mapping[type[ChangeRefused], tuple[str, str]] = {
    InTrash: ("in-trash", "In the trash"),
    NotInTrash: ("not-in-trash", "Not in the trash"),
    Retained: ("retained", "Has to be kept"),
    Signed: ("signed", "Signed"),
    NotSigned: ("not-signed", "Not signed"),
    EnteredInError: ("entered-in-error", "Entered in error"),
    NotEnteredInError: ("not-entered-in-error", "Not entered in error"),
    MissingAnswers: ("missing-required", "Answers are missing"),
    Unsignable: ("unsignable", "It can't be signed"),
    UnusableReference: ("unusable-reference", "Can't be used for this"),
}


class TrashViewSet(ClinicViewSet[Rows]):
    """Rows of a TrashQuerySet: every change responds with the row as it is then, or is refused with a problem."""

    #: Set by `validated_change`; says with which status a stale change is refused.
    _expected: ExpectedVersions | None = None

    def validated_change(self) -> tuple[frozenset[int], dict[str, Any]]:
        """Return the versions that this request may replace, and its body, validated for the action.

        Raises Problem (428) where it names no version.
        """
        self._expected = expected_versions(self.request)
        given = {name: value for name, value in self.request.data.items() if name != "version"}
        return self._expected.versions, self.validated(given)

    def as_api_error(self, exc: Exception) -> Exception:
        # Signed since this had looked, or by a way that doesn't look: the database refuses it.
        error = Signed() if isinstance(exc, Error) and sqlstate(exc) == SIGNED else exc
        match error:
            case ChangeRefused() if type(error) in _REFUSALS:
                return Problem(409, *_REFUSALS[type(error)], str(error), **_members(error))
            case Suppressed():
                return refused_by_database(str(error))
            case DestructionImpossible():
                return Unavailable("schema-behind", "The database is out of date", str(error), seconds=60)
            case StaleVersion() if self._expected:
                return self._stale_error(error, self._expected.stale_status)
        return super().as_api_error(error)

    def current_row(self, stale: StaleVersion) -> Row:
        """Return what is there instead of the version that a change was made from; raises DoesNotExist."""
        return self.row(stale.current.pk)

    def _stale_error(self, stale: StaleVersion, status: int) -> Exception:
        try:
            return self._stale_version(stale, status)
        except (ObjectDoesNotExist, Error) as meanwhile:  # the row has gone, or the database
            return super().as_api_error(meanwhile)

    def _stale_version(self, stale: StaleVersion, status: int) -> Problem:
        current = self.current_row(stale)
        return Problem(
            status,
            "stale-version",
            "Changed since you read it",
            str(stale),
            headers={"ETag": etag(current["version"])},
            current=current,
            changed_at=current["updated_at"] or current["created_at"],
            changed_by=_member(self.clinic, current["updated_by_user_id"] or current["created_by_user_id"]),
        )


class VersionedViewSet(TrashViewSet[VersionedRows]):
    """Templates and records: a change names the versions that it may replace, and every row has its version as ETag."""

    @transactions.atomic
    def change(self, pk: int) -> Response:
        """Change a row as the body says, and respond with the row as it is then."""
        versions, columns = self.validated_change()
        self.perform_update(pk, versions, columns)
        return self.row_response(pk)

    def perform_update(self, pk: int, versions: frozenset[int], columns: dict[str, Any]) -> None:
        """Change the row that has one of `versions`; raises ChangeRefused."""
        raise NotImplementedError

    @classmethod
    def validators(cls) -> dict[str, Any]:
        replaced = replaced_by_last_change(cls.queryset.model._meta.db_table, "version")
        return {"current_version": F("version"), "replaced_version": replaced}

    def current_etag(self, row: Row) -> str | None:
        # Another program, or a key that was set to NULL, has changed the row and left its version.
        is_left = row["replaced_version"] == str(row["current_version"])
        return None if is_left else etag(row["current_version"])

    def etag_of(self, row: Row, row_version: str) -> str:
        return etag(row["version"])


def _members(refusal: ChangeRefused) -> dict[str, Any]:
    """Return what the problem says beside its text."""
    match refusal:
        case UnusableReference():
            return {"errors": {refusal.field: [str(refusal)]}}
        case Retained():
            return {"retained_until": refusal.until}
        case MissingAnswers():
            return {"errors": {f"values.{field_id}": ["This field has no answer."] for field_id in refusal.field_ids}}
    return {}


def storage_fails() -> Problem:
    return Unavailable("storage-unavailable", "The storage fails", str(STORAGE_FAILS), seconds=60)


def _member(clinic: Clinic, user_id: int | None) -> Row | None:
    """Return a user's id and their name in `clinic`; None where there is no user."""
    if user_id is None:
        return None
    return {"id": user_id, "full_name": member_names(clinic, [user_id]).get(user_id)}
