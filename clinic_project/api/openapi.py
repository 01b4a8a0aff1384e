"""The OpenAPI document: what drf-spectacular can't see by itself of endpoints, filters, fields and credentials."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, build_parameter_type, force_instance
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.fields import empty

from .converters import MAX_ID
from .idempotency import HEADER as IDEMPOTENCY_HEADER
from .idempotency import MAX_KEY, is_idempotent
from .problems import CONTENT_TYPE
from .serializers import BadRequestOutputSerializer, InputSerializer, ProblemOutputSerializer

_SUCCESSES = {200: "As it is now.", 201: "Created.", 204: "Done."}
_PROBLEMS = {
    400: "The input isn't valid: `errors` says where. Or several clinics, and none named; or a page too deep.",
    401: "No credentials, or bad ones.",
    403: "Not a member of the clinic, or without the role or two-step login that this requires; or sent by another site.",
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

Input = TypeVar("Input", bound=type[serializers.Serializer])

READING = (400, 401, 403, 404, 503)
CREATING = (*READING, 409, 411, 413, 415)
CHANGING = (*CREATING, 412, 428)


def _response_header(name: str, schema: dict[str, Any], description: str, *statuses: int) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, response=list(statuses), description=description)


#: Statuses of the responses that have an ETag.
_WITH_ETAG = [200, 201, 304, 409, 412]
#: The ETags of what has a `version`, and of everything else.
VERSION_ETAG = _response_header(
    "ETag", {"type": "string", "pattern": '^"[0-9]+"$'}, "The version, for `If-Match` and `If-None-Match`.", *_WITH_ETAG
)
CONTENT_ETAG = _response_header(
    "ETag",
    {"type": "string", "pattern": '^"[^"]+"$'},
    "Changes with whatever is shown; for `If-None-Match`.",
    *_WITH_ETAG,
)
_RESPONSE_HEADERS = [
    _response_header("Location", {"type": "string", "format": "uri-reference"}, "Where it is now.", 201),
    _response_header("WWW-Authenticate", {"type": "string"}, "How to send credentials: `Bearer`.", 401),
    _response_header(
        "Retry-After", {"type": "integer", "minimum": 1}, "Seconds until it is worth trying again.", 429, 503
    ),
]
_REPLAYED = _response_header(
    "Idempotent-Replayed", {"type": "string", "const": "true"}, "There where this is the first response again.", 201
)

_IDEMPOTENCY_KEY = OpenApiParameter(
    IDEMPOTENCY_HEADER,
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="Names this request, so that it can be sent again and is done once: the first response comes again.",
    examples=[OpenApiExample("A UUID made for this request", "8f3c1d52-0b7e-4c6a-9a57-2f0f6f1f3a11")],
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="ETags of earlier responses: where none of them is current, the response is 412, and nothing is done.",
    examples=[OpenApiExample("The version that was read", '"3"')],
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="ETags of earlier responses: where one of them is current, the response is 304, without a body.",
    examples=[OpenApiExample("The ETag of the response that one has", '"3"')],
)
_NOT_MODIFIED = OpenApiResponse(description="`If-None-Match` names what is there: nothing has changed.")


def documented(  # noqa: PLR0913 - what there is to say of one
    operation_id: str,
    response: Any,
    *,
    status: int = 200,
    request: Any = empty,
    problems: Iterable[int] = READING,
    etag: OpenApiParameter | None = None,
    conditional: bool = False,
    stale: type[serializers.Serializer] | None = None,
    conflict: type[serializers.Serializer] | None = None,
    responses: Mapping[Any, Any] | None = None,
) -> Callable[[Any], Any]:
    """Document a view's method, and change nothing of it: `extend_schema` with the problems and headers of this API.

    `operation_id` is the name of the method in generated clients. The first sentence of the docstring is the summary.
    `response` is the serializer of the body that it sends with `status`; `responses` replaces both where there are
    others, by status or by status and content type. `request` is needed where the view's `input_serializers` don't
    name the serializer of the body. `problems` are the statuses of errors, `stale` the serializer of those about a
    version that isn't current, `conflict` that of any 409 where others have members of their own, too. `etag` is
    VERSION_ETAG, which goes without saying where there is `stale`, or CONTENT_ETAG; `conditional` says that
    `If-None-Match` is read.
    `If-Match` is documented by itself where 412 is a problem, and `Idempotency-Key` where the method is `@idempotent`.
    """

    def document(handler: Any) -> Any:
        described: dict[Any, Any] = dict(
            responses or {status: OpenApiResponse(response, description=_SUCCESSES[status])}
        )
        for code in problems:
            body = conflict if conflict and code == 409 else _problem(code, stale)
            described[(code, CONTENT_TYPE)] = OpenApiResponse(body, description=_PROBLEMS[code])
        shown_etag = etag or (VERSION_ETAG if stale else None)
        headers = [*_RESPONSE_HEADERS, *([shown_etag] if shown_etag else [])]
        if 412 in problems:
            headers.append(_IF_MATCH)
        if conditional:
            headers.append(_IF_NONE_MATCH)
            described[304] = _NOT_MODIFIED
        if is_idempotent(handler):
            headers += [_IDEMPOTENCY_KEY, _REPLAYED]
        extend = extend_schema(operation_id=operation_id, request=request, responses=described, parameters=headers)
        return extend(handler)

    return document


def _problem(status: int, stale: type[serializers.Serializer] | None) -> Any:
    """Return what describes the body of a problem: a serializer or a schema."""
    if status == 400:
        return BadRequestOutputSerializer
    if stale is None or status not in {409, 412}:
        return ProblemOutputSerializer
    if status == 412:
        return stale
    # `If-Match` names a version or nothing else does; a 409 may have other reasons.
    names = (component_name(serializer) for serializer in (stale, ProblemOutputSerializer))
    return {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def component_name(serializer: type[serializers.Serializer]) -> str:
    """Return what the document calls a serializer: `Record` for RecordOutputSerializer."""
    return serializer.__name__.removesuffix("Serializer").removesuffix("Output")


def component(auto_schema: AutoSchema, name: str, schema: dict[str, Any]) -> dict[str, str]:
    """Add a schema to the document's components, if it isn't there, and return the reference to it."""
    added = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, object=name)
    auto_schema.registry.register_on_missing(added)
    reference: dict[str, str] = added.ref
    return reference


def request_example(body: dict[str, Any], content_type: str = "application/json") -> Callable[[Input], Input]:
    """Document what the body of a request may be. A subclass of the serializer has the same one, or one of its own."""
    return extend_schema_serializer(
        examples=[OpenApiExample("Example", body, request_only=True, media_type=content_type)]
    )


class ApiSchema(AutoSchema):
    """Reads attributes of views that DRF doesn't have.

    `documented_tag` is the tag of the view's operations. `documented_parameters` are those that every action of the view
    reads. `paged_actions` are those that respond with a page. `input_serializers` are the bodies by the action's name, that
    of DELETE too: it names the version to delete.
    """

    def get_override_parameters(self) -> list[Any]:
        numbers = [_path_parameter(name) for name in re.findall(r"{(\w+)}", self.path)]
        return [*super().get_override_parameters(), *numbers, *getattr(self.view, "documented_parameters", ())]

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "input_serializers", {}).get(getattr(self.view, "action", None))

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        is_strict = isinstance(force_instance(serializer), InputSerializer)
        return {**schema, "additionalProperties": False} if is_strict else schema

    def _is_list_view(self, serializer: Any = None) -> bool:
        # Of the responses, the base class sees no serializer where they are described.
        if serializer is None:
            return getattr(self.view, "action", None) in getattr(self.view, "paged_actions", ())
        return bool(super()._is_list_view(serializer))

    def _get_request_body(self, direction: str = "request") -> Any:
        if self.method != "DELETE" or self.get_request_serializer() is None:
            return super()._get_request_body(direction)
        self.method = "POST"  # the base class leaves bodies out by method alone
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def get_operation(self, *args: Any) -> Any:
        # What requires no credentials says so: nothing is taken for "nobody thought of it".
        operation = super().get_operation(*args)
        return operation and {"security": [], **operation}

    def get_summary(self) -> str:
        """Return the first sentence of the docstring."""
        return re.split(r"\.(?:\s|$)", self.get_description(), maxsplit=1)[0]

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        return component_name(type(serializer))

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def get_tags(self) -> list[str]:
        view: Any = self.view
        return [view.documented_tag]


def _path_parameter(name: str) -> OpenApiParameter:
    """Return what describes a row's id in a path, or a position, which may be 0."""
    least = 0 if name == "sequence" else 1
    return OpenApiParameter(name, {"type": "integer", "minimum": least, "maximum": MAX_ID}, OpenApiParameter.PATH)


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
    match_subclasses = True
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
