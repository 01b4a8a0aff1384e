"""What a browser is answered whose request isn't served: pages in the reader's language, in the place of Django's bare ones.

Below `/api`, `ProblemMiddleware` makes problems of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import defaults

from clinic_project.api.body_limits import content_length, drain
from clinic_project.api.errors import is_for_the_api
from clinic_project.clinics.language_form import language_form

#: Bytes of a form beside the text that it may have: the names of the inputs, and the boundaries between them.
FORM_ROOM = 1024 * 1024


class Refusal(NamedTuple):
    """What was found, and what to do."""

    title: str
    found: str
    remedy: str


class BodyLimitMiddleware:
    """Responds with 413 to more than a page takes, before the check of the CSRF token reads it, as it does for anybody.

    A view that takes more than a form says how many bytes: `max_body`. The API's look themselves, once it is known who asks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if is_for_the_api(request):
            return None
        most = getattr(view, "max_body", settings.DATA_UPLOAD_MAX_MEMORY_SIZE + FORM_ROOM)
        if content_length(request) <= most:
            return None
        drain(request, content_length(request))
        found = _("More than %(size)s was sent at once. Nothing was saved.") % {"size": filesizeformat(most)}
        return _page(request, 413, Refusal(_("Too much at once"), found, _("Go back, and send it in several steps.")))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond with 400, or 413: what was sent can't be read, or is too much. Nothing of it was saved."""
    if isinstance(exception, DisallowedHost):  # the server's settings, and no page for whoever asked
        return defaults.bad_request(request, exception)
    drain(request, content_length(request))
    return _page(request, 413 if isinstance(exception, RequestDataTooBig) else 400, _unreadable(exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    refusal = Refusal(
        _("Not allowed"),
        _("You may not open this page, or do this."),
        _("If you should, ask an administrator of the clinic for the role that it needs."),
    )
    return _page(request, 403, refusal)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Respond with 403 where a form lacks its token, as those do that were open while somebody logged in again."""
    if not reason.startswith("CSRF"):
        return _page(request, 403, _of_another_origin())
    refusal = Refusal(
        _("The form is out of date"),
        _(
            "Somebody has logged in or out since the page was opened, or the browser keeps no cookies. Nothing was saved."
        ),
        _("Go back, load the page again, and repeat what you did."),
    )
    return _page(request, 403, refusal)


def _of_another_origin() -> Refusal:
    return Refusal(
        _("The form comes from another address"),
        _("The server doesn't know the address at which the page was opened. Nothing was saved."),
        _("Please tell whoever looks after the server: CSRF_TRUSTED_ORIGINS or TRUSTED_PROXIES isn't right."),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    refusal = Refusal(
        _("Not found"),
        _("There is no such page, or what it showed isn't there any more."),
        _("Look for it in the lists."),
    )
    return _page(request, 404, refusal)


def _unreadable(exception: Exception) -> Refusal:
    title = _("Too much at once")
    match exception:
        case TooManyFilesSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            found = _("More than %(most)s files were sent at once. Nothing was saved.") % {"most": f"{most:,}"}
            return Refusal(title, found, _("Go back, and send them in several steps."))
        case TooManyFieldsSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            found = _("The form has more than %(most)s inputs. Nothing was saved.") % {"most": f"{most:,}"}
            return Refusal(title, found, _("Go back, and make it shorter, or save it in several steps."))
        case RequestDataTooBig():
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            found = _("More than %(size)s of text was sent at once. Nothing was saved.") % {
                "size": filesizeformat(most)
            }
            return Refusal(title, found, _("Go back, and make it shorter, or save it in several steps."))
    return Refusal(
        _("The request can't be read"),
        _("It was cut short, or is malformed. Nothing was saved."),
        _("Go back, and try again."),
    )


def _page(request: HttpRequest, status: int, refusal: Refusal) -> HttpResponse:
    # Without the request: its user and its messages may be in tables that are missing.
    context: dict[str, Any] = {"site_header": admin.site.site_header, "refusal": refusal, **language_form(request)}
    page = render_to_string("admin/clinics/refused.html", context)
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})
