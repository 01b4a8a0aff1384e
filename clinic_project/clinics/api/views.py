"""The view that every endpoint inside a clinic extends."""

from typing import Any, ClassVar

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinic_project.clinics.models import Clinic, User

from .access import CLINICAL, ClinicAccess, Role, clinic_access


class ClinicView(APIView):
    """An endpoint seen through one clinic: `self.access` and `self.clinic`, once the credentials have been checked.

    Every member may read; `writers` are the roles that may do the rest.
    """

    writers: ClassVar[frozenset[Role]] = CLINICAL
    metadata_class = None

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

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response
