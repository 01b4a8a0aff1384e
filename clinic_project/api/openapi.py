"""The OpenAPI document: what drf-spectacular can't see by itself of endpoints, filters, fields and credentials."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_parameter_type
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.fields import empty
from rest_framework.viewsets import ViewSetMixin

from .converters import MAX_ID
from .idempotency import HEADER as IDEMPOTENCY_HEADER
from .idempotency import MAX_KEY, is_idempotent
from .problems import CONTENT_TYPE
from .serializers import ProblemOutputSerializer

_PROBLEMS = {
    400: "The input isn't valid: `errors` says where. Or several clinics, and none named; or a page too deep.",
    401: "No credentials, or bad ones.",
    403: "Not a member of the clinic, or without the role that this wants.",
    404: "There is no such thing here, or not in this clinic.",
    409: "It can't be done as things are now; with `current` where `version` in the body is stale.",
    411: "The body comes without a Content-Length.",
    412: "None of the ETags in `If-Match` is current; of a change, with `current`.",
    413: "The body is too large.",
    415: "The body's content type isn't one that this takes.",
    428: "The request names no version.",
    429: "Too often; `Retry-After` says when to come again.",
    503: "The database or the storage is away, out of date, read-only, too slow or refuses it: the title says which.",
}

READING = (400, 401, 403, 404, 503)
CREATING = (*READING, 409, 411, 413, 415)
CHANGING = (*CREATING, 412, 428)

_IDEMPOTENCY_KEY = OpenApiParameter(
    IDEMPOTENCY_HEADER,
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="Names this request, so that it can be sent again and is done once: the first answer comes again.",
)
_ETAG = OpenApiParameter(
    "ETag",
    {"type": "string", "pattern": '^"[0-9]+"$'},
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="The version, for `If-Match` when changing it.",
)
_CONTENT_ETAG = OpenApiParameter(
    "ETag",
    {"type": "string", "pattern": '^"[^"]+"$'},
    OpenApiParameter.HEADER,
    response=[200, 304],
    description="Changes with whatever is shown; for `If-None-Match`.",
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="ETags of earlier answers: where one of them is current, the answer is 304, without a body.",
)
_NOT_MODIFIED = OpenApiResponse(description="`If-None-Match` names what is there: nothing has changed.")


def documented(  # noqa: PLR0913 - what there is to say of one
    response: Any,
    *,
    status: int = 200,
    request: Any = empty,
    problems: Iterable[int] = READING,
    etag: bool = False,
    conditional: bool = False,
    responses: Mapping[Any, Any] | None = None,
    operation_id: str | None = None,
) -> Callable[[Any], Any]:
    """Document a view's method, and change nothing of it: `extend_schema` with the problems and headers of this API.

    `response` is the serializer of the body that it sends with `status`; `responses` replaces both where there are
    others, by status or by status and content type. `request` is needed where the view's `input_serializers` don't
    name the serializer of the body. `problems` are the statuses of errors. `etag` says that the response has its version as
    ETag, `conditional` that it is read conditionally, and has an ETag too.
    `Idempotency-Key` is documented by itself where the method is `@idempotent`.
    """

    def document(handler: Any) -> Any:
        described: dict[Any, Any] = dict(responses or {status: response})
        for code in problems:
            described[(code, CONTENT_TYPE)] = OpenApiResponse(ProblemOutputSerializer, description=_PROBLEMS[code])
        headers = [
            *([_ETAG] if etag else [_CONTENT_ETAG] if conditional else []),
            *([_IF_NONE_MATCH] if conditional else []),
            *([_IDEMPOTENCY_KEY] if is_idempotent(handler) else []),
        ]
        if conditional:
            described[304] = _NOT_MODIFIED
        extend = extend_schema(operation_id=operation_id, request=request, responses=described, parameters=headers)
        return extend(handler)

    return document


class ApiSchema(AutoSchema):
    """Reads two attributes of views that DRF doesn't have, and names operations by their routes.

    `documented_parameters` are those that every action of the view reads. `input_serializers` are the bodies by the
    action's name, that of DELETE too: it names the version to delete.
    """

    def get_override_parameters(self) -> list[Any]:
        ids = [_row_id_parameter(name) for name in re.findall(r"{(\w+)}", self.path)]
        return [*super().get_override_parameters(), *ids, *getattr(self.view, "documented_parameters", ())]

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "input_serializers", {}).get(getattr(self.view, "action", None))

    def _get_request_body(self, direction: str = "request") -> Any:
        if self.method != "DELETE" or self.get_request_serializer() is None:
            return super()._get_request_body(direction)
        self.method = "POST"  # the base class leaves bodies out by method alone
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name.removesuffix('Output')}Page"

    def get_operation_id(self) -> str:
        """`template_detail_put` for PUT on the route `template-detail`, `logout_all_post` for `LogoutAllView.post`."""
        return f"{self._route_name()}_{self.method}".replace("-", "_").lower()

    def _route_name(self) -> str:
        if not isinstance(self.view, ViewSetMixin):
            return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__.removesuffix("View"))
        handler = getattr(self.view, self.view.action)
        return f"{self.view.basename}_{getattr(handler, 'url_name', 'detail' if self.view.detail else 'list')}"

    def get_tags(self) -> list[str]:
        """Return the view's `documented_tag`, or the first part of the path: `auth` of `/api/auth/login`."""
        return [getattr(self.view, "documented_tag", self.path.split("/")[2])]


def _row_id_parameter(name: str) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "integer", "minimum": 1, "maximum": MAX_ID}, OpenApiParameter.PATH)


class FilterBackendSchema(DjangoFilterExtension):
    """Describes each filter by the serializer field that its `documented_as` makes."""

    target_class = "clinic_project.api.filters.FilterBackend"
    priority = 1  # before the extension for all of django-filter's

    def resolve_filter_field(
        self, auto_schema: AutoSchema, model: Any, filterset_class: Any, field_name: str, filter_field: Any
    ) -> list[dict[str, Any]]:
        field = filter_field.documented_as(help_text=filter_field.extra.get("help_text"))
        schema = auto_schema._map_serializer_field(field, "request")
        parameter = build_parameter_type(
            name=field_name,
            schema=schema,
            location=OpenApiParameter.QUERY,
            required=filter_field.extra["required"],
            description=schema.pop("description", None),
            allow_blank=getattr(field, "allow_blank", True),
            deprecated=getattr(filter_field, "is_former_name", False),
        )
        return [parameter]


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "clinic_project.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "The token that `/api/auth/login` gave."}


#: No NUL, which PostgreSQL can't store.
STORABLE: dict[str, Any] = {"type": "string", "not": {"type": "string", "pattern": r"\u0000"}}
#: No NUL, and at least one character that is blank neither to JSON Schema nor to Python, to which more of them are.
NOT_BLANK = r"^[^\u0000]*[^\s\u0000-\u001f\u0085][^\u0000]*$"


class StrictCharFieldSchema(OpenApiSerializerFieldExtension):
    target_class = "clinic_project.api.fields.StrictCharField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        # Not a pattern where it may be blank: to one of those, the base class adds the empty string a second time.
        schema = dict(STORABLE) if self.target.allow_blank else {"type": "string", "pattern": NOT_BLANK, "minLength": 1}
        if self.target.max_length:
            schema["maxLength"] = self.target.max_length
        return schema
