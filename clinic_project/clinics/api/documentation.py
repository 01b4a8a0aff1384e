"""What the OpenAPI document says of endpoints beside their own input and output: problems, headers, credentials."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from .access import CLINIC_HEADER
from .converters import MAX_ID
from .idempotency import HEADER as IDEMPOTENCY_HEADER
from .idempotency import MAX_KEY
from .pagination import PAGE_SIZE
from .problems import CONTENT_TYPE
from .serializers import ProblemOutput

_PROBLEMS = {
    400: "The input isn't valid: `errors` says where. Or several clinics, and none named.",
    401: "No credentials, or bad ones.",
    403: "Not a member of the clinic, or without the role that this wants.",
    404: "There is no such thing here, or not in this clinic.",
    409: "It can't be done as things are now; with `current` where `version` in the body is stale.",
    411: "The body comes without a Content-Length.",
    412: "None of the versions in `If-Match` is current; with `current`.",
    413: "The body is too large.",
    415: "The body's content type isn't one that this takes.",
    428: "The request names no version.",
    429: "Too often; `Retry-After` says when to come again.",
    503: "The database can't answer now, or lacks what this needs.",
}

READING = (400, 401, 403, 404, 503)
CREATING = (*READING, 409, 411, 413, 415)
CHANGING = (*CREATING, 412, 428)

_IN_CLINIC = OpenApiParameter(
    CLINIC_HEADER,
    {"type": "string", "pattern": "^[0-9]{1,10}$"},
    OpenApiParameter.HEADER,
    description="The id of the clinic to see this through. Needed by members of several.",
)
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
_PAGES = [
    OpenApiParameter("page", {"type": "integer", "minimum": 1}),
    OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "default": PAGE_SIZE},
        description="Rows on a page; more than 200 count as 200.",
    ),
]


def row_id(name: str) -> OpenApiParameter:
    """Describe the id of a row in a path."""
    return OpenApiParameter(name, {"type": "integer", "minimum": 1, "maximum": MAX_ID}, OpenApiParameter.PATH)


def endpoint(  # noqa: PLR0913 - what there is to say of one
    answer: Any,
    *,
    status: int = 200,
    takes: Any = None,
    problems: Iterable[int] = READING,
    parameters: Iterable[OpenApiParameter | type[serializers.Serializer[Any]]] = (),
    in_clinic: bool = True,
    paged: bool = False,
    versioned: bool = False,
    once: bool = False,
    answers: Mapping[Any, Any] | None = None,
) -> Callable[[Any], Any]:
    """Describe a view's method: what it `takes` and answers with `status`, and which problems it may answer.

    `answers` are others, by status or by status and content type, that replace the first.
    """
    described: list[Any] = list(parameters)
    for wanted, extra in ((in_clinic, [_IN_CLINIC]), (paged, _PAGES), (versioned, [_ETAG]), (once, [_IDEMPOTENCY_KEY])):
        described += extra if wanted else []
    responses: dict[Any, Any] = dict(answers or {status: answer})
    for code in problems:
        responses[(code, CONTENT_TYPE)] = OpenApiResponse(ProblemOutput, description=_PROBLEMS[code])
    return extend_schema(request=takes, responses=responses, parameters=described, filters=False)


def page_of(row: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Make the serializer of a page of `row`s."""
    members = {
        "count": serializers.IntegerField(help_text="Rows on all pages."),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": row(many=True),
    }
    return type(f"{row.__name__.removesuffix('Output')}Page", (serializers.Serializer,), members)


class ClinicSchema(AutoSchema):
    """Says that DELETE takes a body: the version that one has seen."""

    def _get_request_body(self, direction: str = "request") -> Any:
        if self.method != "DELETE" or self.get_request_serializer() is None:
            return super()._get_request_body(direction)
        self.method = "POST"  # the base class leaves bodies out by method alone
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def get_operation_id(self) -> str:
        """`template_detail_put` for `TemplateDetail.put`."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__).lower()
        return f"{name}_{self.method.lower()}"

    def get_tags(self) -> list[str]:
        words = [word for word in self.path.split("/") if word and not word.startswith("{")]
        return [next((word for word in reversed(words) if word in _TAGS), words[1])]


_TAGS = ("medical-record-templates", "medical-records", "patient-photos")


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "clinic_project.clinics.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "The token that `/api/auth/login` gave."}


#: No NUL, which PostgreSQL can't store.
STORABLE: dict[str, Any] = {"type": "string", "not": {"type": "string", "pattern": r"\u0000"}}
#: No NUL, and one character at least that isn't blank, neither by JSON Schema's idea of it nor by Python's wider one.
NOT_BLANK = r"^[^\u0000]*[^\s\u0000-\u001f\u0085][^\u0000]*$"


class TextSchema(OpenApiSerializerFieldExtension):
    target_class = "clinic_project.clinics.api.fields.Text"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        # Not a pattern where it may be blank: to one of those, the base class adds the empty string a second time.
        schema = dict(STORABLE) if self.target.allow_blank else {"type": "string", "pattern": NOT_BLANK, "minLength": 1}
        if self.target.max_length:
            schema["maxLength"] = self.target.max_length
        return schema
