"""The base viewset of what belongs to a clinic: seen by its members, in the clinic that the request names."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import F, Model, QuerySet
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

from clinic_project.api.compiled_queries import Instances, fetch
from clinic_project.api.cross_site import is_asked_by_another_site
from clinic_project.api.etags import RowVersion, hashed_etag, is_conditional, is_known, not_modified
from clinic_project.api.filters import FilterBackend, choices_and_ids
from clinic_project.api.pagination import CompiledListing, Contents, Listing, RowPagination
from clinic_project.api.problems import Problem
from clinic_project.api.replica import reading_replica
from clinic_project.api.serializers import Row, RowSerializer
from clinic_project.api.views import PrivateView
from clinic_project.audit.accesses import describe_access
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import describe_changes

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

#: What the access log calls actions of views; it calls others a view or a change.
_ACTIONS = {
    **{action.value: action for action in Access.Action},
    "past": Access.Action.HISTORY,
    "records_csv": Access.Action.EXPORT,
}

Instance = TypeVar("Instance", bound=Model)
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
    #: What else makes it: names of what the serializer reads and identifies beside the columns of these tables.
    shown_beside: ClassVar[Sequence[str]] = ()
    #: The name of the route of one row.
    detail_route: ClassVar[str]
    #: Actions that respond with a page.
    paged_actions: ClassVar[frozenset[str]] = frozenset({"list"})
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
        if request.auth is None and is_asked_by_another_site(request):
            raise Problem(
                403, "cross-site", "Another site asks", "A browser sent this for another site, with your session."
            )
        self.access = _requested_access(request)
        describe_changes(by=self.access.user.pk, name=self.access.membership.full_name)
        describe_access(self.access_action, clinic_ids=[self.clinic.pk])
        if request.method not in SAFE_METHODS:
            self.access.require(self.write_roles)
        elif self.access_action != Access.Action.EXPORT:  # that is long, and one snapshot of the primary
            self._read_replica(str(request.method).lower())

    def _read_replica(self, method: str) -> None:
        handler = getattr(self, method, None)
        if handler is not None:  # else the response is 405
            setattr(self, method, reading_replica(handler, self.access.user.pk))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        # Kept by the client alone, which asks each time whether it is still so: people share computers.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["Authorization", "Cookie", CLINIC_HEADER])
        return super().finalize_response(request, response, *args, **kwargs)

    @property
    def query_parameters(self) -> list[str]:
        if self.action not in self.paged_actions:
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

    @property
    def scope(self) -> dict[str, int]:
        """What `rows_of` takes: the clinic, and the ids in the path above a row's own."""
        return {"clinic": self.clinic.pk, **{name: pk for name, pk in self.kwargs.items() if name != "pk"}}

    @classmethod
    def rows_of(cls, *, clinic: Any, **path: Any) -> Rows:
        """Return the rows in a `scope`. A recipe of compiled queries, as are the other methods of the class: see `fetch`."""
        return cls.queryset.for_clinic(clinic)

    def get_queryset(self) -> Rows:
        return self.rows_of(**self.scope)

    def get_serializer_class(self) -> type[RowSerializer]:
        """Return the serializer of the action's response."""
        return self.serializer_class

    def valid_input(self) -> dict[str, Any]:
        """Return the request's body, validated for the action; raises ValidationError."""
        return self.validated(self.request.data)

    def validated(self, data: Any) -> dict[str, Any]:
        """Return `data`, validated for the action; raises ValidationError."""
        given = self.input_serializers[self.action](data=data, context={"shown": self.shown_members})
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    @property
    def shown_members(self) -> Collection[str]:
        """The names of what responses have: a body may have them as well, and they are passed over."""
        return self.get_serializer_class()._declared_fields

    def list(self, request: Request) -> Response:
        """Respond with a page of the rows that the query string asks for, or with 304."""
        return self.page_response(self._listing(), self.get_serializer_class())

    @classmethod
    def listing(cls, choices: Sequence[tuple[str, str]], *, ids: Mapping[str, Any], **scope: Any) -> Listing:
        """Return what is listed of `rows_of`, filtered by choices and ids: see `choices_and_ids`."""
        rows = cls.rows_of(**scope)
        filtered = cls.filterset_class({**dict(choices), **ids}, queryset=rows).qs if cls.filterset_class else rows
        return cls._listed(filtered)

    @classmethod
    def _listed(cls, rows: QuerySet[Any]) -> Listing:
        return Listing([rows], cls.ordering, cls.row_versions, cls.shown_beside, cls.is_ordered_by_name)

    def _listing(self) -> Listing:
        given = choices_and_ids(self.filterset_class, self.request.query_params) if self._is_compilable else None
        if given is None:
            return self._listed(self.filter_queryset(self.get_queryset()))
        choices, ids = given
        return CompiledListing(type(self).listing, choices, ids=ids, **self.scope)

    def page_response(self, listing: Listing, contents: Contents) -> Response:
        """Respond with the page of `listing` that the query string asks for, or with 304."""
        page = self.pagination_class()
        page.open(self.request, listing, self.clinic.pk)
        known = page.known(contents.identify)
        if known is not None:
            contents.note_shown(known)
            return not_modified(page.etag)
        return page.get_paginated_response(contents.represent(page.read(contents.read)))

    def show(self, pk: int) -> Response:
        """Respond with a row, or with 304. Raises DoesNotExist."""
        if is_conditional(self.request):
            serializer = self.get_serializer_class()
            row = self.one(type(self)._validated, serializer, pk=pk)
            etag = self.current_etag(row)
            if etag is not None and is_known(self.request, etag):
                serializer.note_shown([row])
                return not_modified(etag)
        return self.row_response(pk)

    @classmethod
    def _validated(cls, rows: QuerySet[Any], serializer: type[RowSerializer]) -> QuerySet[Any, Row]:
        return serializer.identify(rows).annotate(**cls.validators())

    @classmethod
    def validators(cls) -> dict[str, Any]:
        """Return the expressions of what `current_etag` takes, by names that no column has."""
        return {"row_version": RowVersion(*map(F, cls.row_versions))}

    def current_etag(self, row: Row) -> str | None:
        """Return the ETag of a row by the `validators` that were read of it; None where they don't tell all."""
        return self.etag_of(row, row["row_version"])

    def one(self, columns: Callable[..., QuerySet[Any]], *shape: Hashable, pk: int) -> Any:
        """Return what `columns` selects of a row, by a compiled query: see `fetch`. Raises DoesNotExist."""
        if self._is_compilable:
            found = fetch(_one, type(self), columns, *shape, pk=pk, **self.scope)
        else:
            found = list(columns(self.get_queryset().filter(pk=pk), *shape))
        if not found:
            raise self.queryset.model.DoesNotExist
        return found[0]

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
        return hashed_etag(row_version, *(row[name] for name in self.shown_beside))

    def _read(self, pk: int) -> tuple[Row, str]:
        serializer = self.get_serializer_class()
        row = self.one(type(self)._shown, serializer, pk=pk)
        etag = self.etag_of(row, row.pop("row_version"))
        return serializer.represent([row])[0], etag

    @classmethod
    def _shown(cls, rows: QuerySet[Any], serializer: type[RowSerializer]) -> QuerySet[Any, Row]:
        return serializer.read(rows).annotate(row_version=RowVersion(*map(F, cls.row_versions)))

    def note_shown(self, body: Any) -> None:
        """Note for the access log that the response to the action shows the row in `body`."""
        self.get_serializer_class().note_shown([body])

    def of_clinic(self, model: type[Instance], pk: int) -> Instance:
        """Return a row of another table in the clinic; raises DoesNotExist."""
        found = fetch(_of_clinic, model, clinic=self.clinic.pk, pk=pk)
        if not found:
            raise model.DoesNotExist  # type: ignore[attr-defined]  # django-stubs knows it of a single model
        instance: Instance = _instances(model).of(found[0])[0]
        return instance

    @property
    def access_action(self) -> Access.Action:
        """What the access log calls the action."""
        other = Access.Action.VIEW if self.request.method in SAFE_METHODS else Access.Action.CHANGE
        return _ACTIONS.get(self.action, other)

    @property
    def _is_compilable(self) -> bool:
        """Whether the class alone says which rows it shows, and no method that sees the request."""
        ours = (ClinicViewSet.get_queryset, ClinicViewSet.filter_queryset, ClinicViewSet.filter_backends)
        return (type(self).get_queryset, type(self).filter_queryset, self.filter_backends) == ours


def _one(view: type[ClinicViewSet[Any]], columns: Any, *shape: Hashable, pk: Any, **scope: Any) -> QuerySet[Any]:
    selected: QuerySet[Any] = columns(view.rows_of(**scope).filter(pk=pk), *shape)
    return selected


def _of_clinic(model: Any, *, clinic: Any, pk: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.for_clinic(clinic).filter(pk=pk).values_list(*_instances(model).columns)
    return rows


@cache
def _instances(model: type[Model]) -> Instances:
    return Instances({"": model})


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
