"""The base viewset of what belongs to a clinic: seen by its members, in the clinic that the request names."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from clinic_project.api.filters import FilterBackend
from clinic_project.api.pagination import RowPagination
from clinic_project.api.problems import Problem
from clinic_project.api.serializers import RowSerializer
from clinic_project.api.views import PrivateView

from ..access import (
    CLINICAL_ROLES,
    AccessRefused,
    ClinicAccess,
    Role,
    SeveralMemberships,
    active_memberships,
    only_access,
)
from ..models import Clinic, User
from ..querysets import ClinicQuerySet

CLINIC_HEADER = "X-Clinic-ID"

Rows = TypeVar("Rows", bound=ClinicQuerySet[Any])


class ClinicViewSet(PrivateView, GenericViewSet[Any], Generic[Rows]):
    """A resource of one clinic: `self.access` and `self.clinic`, set when the credentials have been checked.

    Every member may read; `write_roles` are those that may do the rest.
    """

    queryset: Rows
    serializer_class: type[RowSerializer]
    #: Serializers of request bodies by the action's name; `serializer_class` is that of responses.
    input_serializers: ClassVar[Mapping[str, type[Serializer[Any]]]] = {}
    ordering: ClassVar[Sequence[str]]
    write_roles: ClassVar[frozenset[Role]] = CLINICAL_ROLES

    lookup_value_converter = "row_id"
    filter_backends = [FilterBackend]
    pagination_class = RowPagination
    documented_parameters = (
        OpenApiParameter(
            CLINIC_HEADER,
            {"type": "string", "pattern": "^[0-9]{1,10}$"},
            OpenApiParameter.HEADER,
            description="The id of the clinic to see this through. Needed by members of several.",
        ),
    )

    #: Set by `initial`.
    access: ClinicAccess

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.access = _requested_access(request)
        if request.method not in SAFE_METHODS:
            self.access.require(self.write_roles)

    def as_api_error(self, exc: Exception) -> Exception:
        match exc:
            case SeveralMemberships():
                return _clinic_not_named(exc)
            case AccessRefused():
                return PermissionDenied(str(exc))
        return super().as_api_error(exc)

    @property
    def clinic(self) -> Clinic:
        return self.access.clinic

    def get_queryset(self) -> Rows:
        return self.queryset.for_clinic(self.clinic)

    def get_serializer_class(self) -> type[RowSerializer]:
        """Return the serializer of the action's response."""
        return self.serializer_class

    def valid_input(self) -> dict[str, Any]:
        """Return the request's body, validated for the action; raises ValidationError."""
        return self.validated(self.request.data)

    def validated(self, data: Any) -> dict[str, Any]:
        """Return `data`, validated for the action; raises ValidationError."""
        given = self.input_serializers[self.action](data=data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def list(self, request: Request) -> Response:
        """Respond with a page of the rows that the query string asks for."""
        rows = self.filter_queryset(self.get_queryset()).order_by(*self.ordering)
        page = self.paginate_queryset(self.get_serializer_class().read(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def _requested_access(request: Request) -> ClinicAccess:
    """Return the sender's access to the clinic that `request` names, or to their only one.

    Raises AccessRefused, and Problem (400) where the clinic isn't named by its id.
    """
    user = request.user
    if not isinstance(user, User):
        raise TypeError("IsAuthenticated has to come first")
    memberships = active_memberships(user)
    named = request.headers.get(CLINIC_HEADER)
    if named is not None:
        memberships = [membership for membership in memberships if membership.clinic_id == _clinic_id(named)]
    return only_access(user, memberships)


def _clinic_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Problem(
            400,
            "invalid-clinic",
            "The clinic isn't named by its id",
            f"{CLINIC_HEADER} takes one of your clinics' ids.",
        )
    return int(text)


def _clinic_not_named(refused: SeveralMemberships) -> Problem:
    return Problem(
        400,
        "clinic-not-named",
        "Several clinics, and none named",
        f"{refused} Name one of them in the {CLINIC_HEADER} header.",
        clinics=[{"id": membership.clinic_id, "name": membership.clinic.name} for membership in refused.memberships],
    )
