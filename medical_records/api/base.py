"""The base viewsets of templates, records and photos."""

from typing import Any, ClassVar, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error
from django.urls import reverse
from rest_framework.response import Response

from clinic_project.api.problems import Problem
from clinic_project.api.serializers import Row
from clinic_project.api.versions import ExpectedVersions, etag, expected_versions
from clinic_project.clinics.api.viewsets import ClinicViewSet
from clinic_project.clinics.models import Clinic, Membership
from clinic_project.clinics.querysets import TrashQuerySet
from medical_records.exceptions import InTrash, NotInTrash, StaleVersion, UnusableReference
from medical_records.querysets import VersionedQuerySet

Rows = TypeVar("Rows", bound=TrashQuerySet[Any])
VersionedRows = TypeVar("VersionedRows", bound=VersionedQuerySet[Any])


class TrashViewSet(ClinicViewSet[Rows]):
    """Rows of a TrashQuerySet: every change responds with the row as it is then, or is refused with a problem."""

    #: The name of the route of one row.
    detail_route: ClassVar[str]

    def row(self, pk: int) -> Row:
        """Return a row of the clinic, serialized; raises DoesNotExist."""
        serializer = self.get_serializer_class()
        row = serializer.read(self.get_queryset()).get(pk=pk)
        return self.get_serializer(row).data

    def row_response(self, pk: int, status: int = 200) -> Response:
        """Respond with a row as it is now; with 201, its `Location` too. Raises DoesNotExist."""
        headers = {"Location": reverse(self.detail_route, args=[pk])} if status == 201 else {}
        return Response(self.row(pk), status=status, headers=headers)

    def as_api_error(self, exc: Exception) -> Exception:
        match exc:
            case InTrash():
                return Problem(409, "in-trash", "In the trash", str(exc))
            case NotInTrash():
                return Problem(409, "not-in-trash", "Not in the trash", str(exc))
            case UnusableReference():
                errors = {exc.field: [str(exc)]}
                return Problem(409, "unusable-reference", "Can't be used for this", str(exc), errors=errors)
        return super().as_api_error(exc)


class VersionedViewSet(TrashViewSet[VersionedRows]):
    """Templates and records: a change names the versions that it may replace, and every row has its version as ETag."""

    #: Set by `expected_versions`; says with which status a stale change is refused.
    _expected: ExpectedVersions | None = None

    def expected_versions(self) -> frozenset[int]:
        """Return the versions that this request may replace; raises Problem (428) where it names none."""
        self._expected = expected_versions(self.request)
        return self._expected.versions

    def change(self, pk: int) -> Response:
        """Change a row as the body says, and respond with the row as it is then."""
        versions = self.expected_versions()
        # The serializers require `version`, and the header may have named it instead: any will do from here on.
        columns = self.validated({**self.request.data, "version": 1})
        del columns["version"]
        self.perform_update(pk, versions, columns)
        return self.row_response(pk)

    def perform_update(self, pk: int, versions: frozenset[int], columns: dict[str, Any]) -> None:
        """Change the row that has one of `versions`; raises ChangeRefused."""
        raise NotImplementedError

    def row_response(self, pk: int, status: int = 200) -> Response:
        response = super().row_response(pk, status)
        response.headers["ETag"] = etag(response.data["version"])
        return response

    def as_api_error(self, exc: Exception) -> Exception:
        if not (isinstance(exc, StaleVersion) and self._expected):
            return super().as_api_error(exc)
        try:
            return self._stale_version(exc, self._expected.stale_status)
        except (ObjectDoesNotExist, Error) as meanwhile:  # the row has gone, or the database
            return super().as_api_error(meanwhile)

    def _stale_version(self, stale: StaleVersion, status: int) -> Problem:
        current = self.row(stale.current.pk)
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


def _member(clinic: Clinic, user_id: int | None) -> Row | None:
    """Return a user's id and their name in `clinic`; None where there is no user."""
    if user_id is None:
        return None
    names = Membership.objects.filter(clinic=clinic, user_id=user_id).values_list("full_name", flat=True)
    return {"id": user_id, "full_name": names.first()}
