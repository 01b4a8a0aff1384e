"""The view that every endpoint extends."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .problems import Problem


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
