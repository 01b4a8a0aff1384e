"""The base viewset of what belongs to a clinic: seen by its members, in the clinic that the request names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import F
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django_filters import FilterSet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from clinic_project.api.etags import RowVersion, hashed_etag, is_conditional, is_known, not_modified
from clinic_project.api.filters import FilterBackend
from clinic_project.api.pagination import Columns, Listing, RowPagination
from clinic_project.api.problems import Problem
from clinic_project.api.serializers import Row, RowSerializer
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
    #: All up or all down, a unique column last: what the cursors of a list are made of.
    ordering: ClassVar[Sequence[str]]
    #: Whether names are in the ordering.
    is_ordered_by_name: ClassVar[bool] = False
    #: A column of each table whose rows are shown: their versions make the ETag.
    row_versions: ClassVar[Sequence[str]] = ("pk",)
    #: The name of the route of one row.
    detail_route: ClassVar[str]
    write_roles: ClassVar[frozenset[Role]] = CLINICAL_ROLES

    lookup_value_converter = "row_id"
    filter_backends = [FilterBackend]
    filterset_class: ClassVar[type[FilterSet] | None] = None
    pagination_class: type[RowPagination] = RowPagination
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

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        # Kept by the client alone, which asks each time whether it is still so: people share computers.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["Authorization", "Cookie", CLINIC_HEADER])
        return super().finalize_response(request, response, *args, **kwargs)

    @property
    def query_parameters(self) -> list[str]:
        if self.action != "list":
            return []
        filters = self.filterset_class.base_filters if self.filterset_class else ()
        return [*filters, *RowPagination.PARAMETERS]

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
        """Respond with a page of the rows that the query string asks for, or with 304."""
        listing = Listing(
            [self.filter_queryset(self.get_queryset())], self.ordering, self.row_versions, self.is_ordered_by_name
        )
        columns = self.get_serializer_class().read
        return self.page_response(listing, columns, lambda rows: self.get_serializer(rows, many=True).data)

    def page_response(self, listing: Listing, columns: Columns, serialize: Callable[[Sequence[Row]], Any]) -> Response:
        """Respond with the page of `listing` that the query string asks for, or with 304."""
        page = self.pagination_class()
        page.open(self.request, listing)
        if page.has_it_already():
            return not_modified(page.etag)
        return page.get_paginated_response(serialize(page.read(columns)))

    def show(self, pk: int) -> Response:
        """Respond with a row, or with 304. Raises DoesNotExist."""
        if is_conditional(self.request):
            etag = self.current_etag(pk)
            if etag is not None and is_known(self.request, etag):
                return not_modified(etag)
        return self.row_response(pk)

    def current_etag(self, pk: int) -> str | None:
        """Return the ETag of a row, read by itself; None where it doesn't tell all. Raises DoesNotExist."""
        rows = self.get_queryset().filter(pk=pk)
        return hashed_etag(rows.values_list(self._row_version, flat=True).get())

    def row(self, pk: int) -> Row:
        """Return a row of the clinic, serialized; raises DoesNotExist."""
        return self._read(pk)[0]

    def row_response(self, pk: int, status: int = 200) -> Response:
        """Respond with a row as it is now; with 201, its `Location` too. Raises DoesNotExist.

        After a change, to be called in its transaction: the response is what this change made, whatever others do next.
        """
        row, etag = self._read(pk)
        return self.respond(row, etag, status)

    def respond(self, row: Row, etag: str, status: int = 200) -> Response:
        """Respond with a serialized row."""
        headers = {"Location": reverse(self.detail_route, args=[row["id"]])} if status == 201 else {}
        return Response(row, status=status, headers={**headers, "ETag": etag})

    def etag_of(self, row: Row, row_version: str) -> str:
        """Return the ETag of a row as it was read."""
        return hashed_etag(row_version)

    def _read(self, pk: int) -> tuple[Row, str]:
        rows = self.get_serializer_class().read(self.get_queryset())
        row = rows.annotate(row_version=self._row_version).get(pk=pk)
        etag = self.etag_of(row, row.pop("row_version"))
        return self.get_serializer(row).data, etag

    @property
    def _row_version(self) -> RowVersion:
        return RowVersion(*map(F, self.row_versions))


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
