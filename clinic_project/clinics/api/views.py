"""The views that every endpoint extends."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from clinic_project.clinics.models import Clinic, User
from clinic_project.clinics.querysets import ClinicQuerySet

from .access import CLINIC_HEADER, CLINICAL, ClinicAccess, Role, clinic_access
from .filters import FilterBackend
from .pagination import RowPagination
from .problems import Problem
from .serializers import RowSerializer

Rows = TypeVar("Rows", bound=ClinicQuerySet[Any])


class PrivateView(APIView):
    """An endpoint whose answers no proxy and no browser keeps, unless they say otherwise."""

    # Without OPTIONS, to which DRF would answer at length: CORS is the middleware's, and the rest is in /api/schema.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Django reads nothing of a body whose length isn't said, and it would look empty.
        if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
            detail = "Send the body with a Content-Length, not in chunks of unknown number."
            raise Problem(411, "length-required", "Length required", detail)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class ClinicViewSet(PrivateView, GenericViewSet[Any], Generic[Rows]):
    """A resource seen through one clinic: `self.access` and `self.clinic`, once the credentials have been checked.

    Every member may read; `writers` are the roles that may do the rest.
    """

    writers: ClassVar[frozenset[Role]] = CLINICAL
    #: What the body of an action has to be, by the action's name.
    input_serializers: ClassVar[Mapping[str, type[Serializer[Any]]]] = {}
    #: How a list is ordered.
    ordering: ClassVar[Sequence[str]]

    queryset: Rows
    serializer_class: type[RowSerializer]
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

    access: ClinicAccess

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not isinstance(request.user, User):  # IsAuthenticated has just said otherwise
            raise TypeError(f"{type(self).__name__} must ask for IsAuthenticated")
        self.access = clinic_access(request.user, request)
        if request.method not in SAFE_METHODS:
            self.access.require(self.writers)

    @property
    def clinic(self) -> Clinic:
        return self.access.clinic

    def get_queryset(self) -> Rows:
        return self.queryset.for_clinic(self.clinic)

    def get_serializer_class(self) -> type[RowSerializer]:
        """Return how the action shows a row."""
        return self.serializer_class

    def valid_input(self) -> dict[str, Any]:
        """Return the body as the action takes it; raises ValidationError."""
        return self.validated(self.request.data)

    def validated(self, data: Any) -> dict[str, Any]:
        """Return `data` as the action takes it; raises ValidationError."""
        given = self.input_serializers[self.action](data=data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def list(self, request: Request) -> Response:
        """Answer with a page of the rows that the query string asks for."""
        rows = self.filter_queryset(self.get_queryset()).order_by(*self.ordering)
        page = self.paginate_queryset(self.get_serializer_class().read(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
