"""What the viewsets of templates, records and photos have in common."""

from typing import Any, ClassVar, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error
from django.urls import reverse
from rest_framework.response import Response

from clinic_project.api.problems import Problem
from clinic_project.api.serializers import Row
from clinic_project.api.versions import VersionsSeen, etag, versions_seen
from clinic_project.clinics.api.viewsets import ClinicViewSet
from clinic_project.clinics.models import Clinic, Membership
from clinic_project.clinics.querysets import TrashQuerySet
from medical_records.exceptions import ChangeRefused, InTrash, NotInTrash, StaleVersion, Unusable
from medical_records.querysets import VersionedQuerySet

Rows = TypeVar("Rows", bound=TrashQuerySet[Any])
VersionedRows = TypeVar("VersionedRows", bound=VersionedQuerySet[Any])


class ChangesViewSet(ClinicViewSet[Rows]):
    """Rows that are changed by their querysets, whose refusals become problems."""

    #: Name of the route of one.
    detail_route: ClassVar[str]

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

    def row(self, pk: int) -> Row:
        """Return a row of the clinic as the API shows it; raises DoesNotExist."""
        serializer = self.get_serializer_class()
        row = serializer.read(self.get_queryset()).get(pk=pk)
        return self.get_serializer(row).data

    def shown(self, pk: int, status: int = 200) -> Response:
        """Answer with a row as it is now, and with where it is if it is a new one (201). Raises DoesNotExist."""
        headers = {"Location": reverse(self.detail_route, args=[pk])} if status == 201 else {}
        return Response(self.row(pk), status=status, headers=headers)


class VersionedViewSet(ChangesViewSet[VersionedRows]):
    """Templates and records: a change names the version that it has seen."""

    #: Set by `seen`, for the answer to a stale change.
    _seen: VersionsSeen | None = None

    def seen(self) -> frozenset[int]:
        """Return the versions that this request may replace; raises Problem (428) where it names none."""
        self._seen = versions_seen(self.request)
        return self._seen.versions

    def change(self, pk: int) -> Response:
        """Change a row as the body says, and answer with it as it is then."""
        versions = self.seen()
        # `version` may be named by the header alone.
        columns = self.validated({**self.request.data, "version": 1})
        del columns["version"]
        self.perform_update(pk, versions, columns)
        return self.shown(pk)

    def perform_update(self, pk: int, versions: frozenset[int], columns: dict[str, Any]) -> None:
        """Change the row that has one of `versions`; raises StaleVersion and other ChangeRefused."""
        raise NotImplementedError

    def shown(self, pk: int, status: int = 200) -> Response:
        response = super().shown(pk, status)
        response.headers["ETag"] = etag(response.data["version"])
        return response

    def as_problem(self, refused: ChangeRefused) -> Exception:
        if not (isinstance(refused, StaleVersion) and self._seen):
            return super().as_problem(refused)
        current = self.row(refused.current.pk)
        return Problem(
            self._seen.stale_status,
            "stale-version",
            "Changed since you read it",
            str(refused),
            headers={"ETag": etag(current["version"])},
            current=current,
            changed_at=current["updated_at"] or current["created_at"],
            changed_by=_person(self.clinic, current["updated_by_user_id"] or current["created_by_user_id"]),
        )


def _person(clinic: Clinic, user_id: int | None) -> Row | None:
    """Return a user as the members of `clinic` know them, None where nobody is named."""
    if user_id is None:
        return None
    names = Membership.objects.filter(clinic=clinic, user_id=user_id).values_list("full_name", flat=True)
    return {"id": user_id, "full_name": names.first()}
