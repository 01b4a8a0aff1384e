"""What the endpoints of the records have in common: refused changes become problems."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error
from django.urls import reverse
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from clinic_project.clinics.api.problems import Problem
from clinic_project.clinics.api.versions import VersionsSeen, etag, versions_seen
from clinic_project.clinics.api.views import ClinicView
from clinic_project.clinics.models import Clinic
from medical_records.exceptions import ChangeRefused, InTrash, NotInTrash, StaleVersion, Unusable

from .representations import person


class RecordsView(ClinicView):
    def handle_exception(self, exc: Exception) -> Response:
        try:
            answer = self.as_problem(exc) if isinstance(exc, ChangeRefused) else exc
        except (ObjectDoesNotExist, Error) as meanwhile:  # what to tell of has gone while it was read
            answer = meanwhile
        return super().handle_exception(answer)

    def as_problem(self, refused: ChangeRefused) -> Exception:
        match refused:
            case InTrash():
                return Problem(409, "in-trash", "In the trash", str(refused))
            case NotInTrash():
                return Problem(409, "not-in-trash", "Not in the trash", str(refused))
            case Unusable():
                errors = {refused.field: [str(refused)]}
                return Problem(409, "unusable-reference", "Can't be used for this", str(refused), errors=errors)
        return refused

    def valid(self, shape: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the body as `shape` describes it; raises ValidationError."""
        given = shape(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


class VersionedView(RecordsView):
    """One template or record; `represent` reads it as the API shows it."""

    represent: ClassVar[Callable[[Clinic, int], dict[str, Any]]]
    #: Name of the route of one.
    detail_route: ClassVar[str]

    #: Set by `seen`, for the answer to a stale change.
    _seen: VersionsSeen | None = None

    def seen(self) -> frozenset[int]:
        """Return the versions that this request may replace; raises Problem (428) where it names none."""
        self._seen = versions_seen(self.request)
        return self._seen.versions

    def valid_change(self, shape: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the body as `shape` describes it but for `version`, which `seen` reads; raises ValidationError."""
        given = shape(data={**self.request.data, "version": 1})
        given.is_valid(raise_exception=True)
        return {name: value for name, value in given.validated_data.items() if name != "version"}

    def shown(self, pk: int, status: int = 200) -> Response:
        """Answer with the row as it is now, its version in the ETag. Raises DoesNotExist."""
        row = type(self).represent(self.clinic, pk)
        headers = {"ETag": etag(row["version"])}
        if status == 201:
            headers["Location"] = reverse(self.detail_route, args=[pk])
        return Response(row, status=status, headers=headers)

    def as_problem(self, refused: ChangeRefused) -> Exception:
        if not (isinstance(refused, StaleVersion) and self._seen):
            return super().as_problem(refused)
        current = type(self).represent(self.clinic, refused.current.pk)
        return Problem(
            self._seen.stale_status,
            "stale-version",
            "Changed since you read it",
            str(refused),
            headers={"ETag": etag(current["version"])},
            current=current,
            changed_at=current["updated_at"] or current["created_at"],
            changed_by=person(self.clinic, current["updated_by_user_id"] or current["created_by_user_id"]),
        )
