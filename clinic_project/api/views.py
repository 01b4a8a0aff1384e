"""The base of every endpoint, and the views of the OpenAPI document."""

from typing import Any

from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinic_project.audit.accesses import forget_shown

from .filters import reject_unknown_parameters
from .problems import Problem


class PrivateView(APIView):
    """An endpoint whose responses aren't cached unless they say otherwise."""

    # Without OPTIONS, to which DRF would respond with metadata: that is in /api/schema, and CORS is the middleware's.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # Whatever charset the content type names: query strings are UTF-8, JSON too, and some charsets can't be decoded.
        if request.encoding not in {None, "utf-8"}:
            request.encoding = "utf-8"
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # To Django, a body without a length is empty.
        if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
            detail = "Send the body with a Content-Length, not in chunks of unknown number."
            raise Problem(411, "length-required", "Length required", detail)
        if request.method in self.allowed_methods:
            reject_unknown_parameters(request, self.query_parameters)

    @property
    def query_parameters(self) -> list[str]:
        """The names of the query parameters that the action knows."""
        return []

    def handle_exception(self, exc: Exception) -> Response:
        forget_shown()
        return super().handle_exception(self.as_api_error(exc))

    def as_api_error(self, exc: Exception) -> Exception:
        """Return the Problem, or DRF's exception, that says what `exc` of a service means; anything else as it is."""
        return exc

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


@method_decorator(cache_control(max_age=3600, public=True), name="dispatch")
class SchemaView(SpectacularJSONAPIView):
    """The OpenAPI document."""


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files, its script in a file, as the Content-Security-Policy requires."""

    template_name = "clinics_api/docs.html"
