"""The views that every endpoint extends."""

from typing import Any, ClassVar

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinic_project.clinics.models import Clinic, User

from .access import CLINICAL, ClinicAccess, Role, clinic_access
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


class ClinicView(PrivateView):
    """An endpoint seen through one clinic: `self.access` and `self.clinic`, once the credentials have been checked.

    Every member may read; `writers` are the roles that may do the rest.
    """

    writers: ClassVar[frozenset[Role]] = CLINICAL

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
