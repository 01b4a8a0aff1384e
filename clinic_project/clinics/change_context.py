"""The changes that a request makes, described for the history."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from clinic_project.api.request_ids import current_request_id
from clinic_project.audit.transactions import changes_by


class ChangeContextMiddleware:
    """Describes them by the request's id; the view adds who sends it, once that is known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with changes_by(via="api", request_id=current_request_id()):
            return self.get_response(request)
