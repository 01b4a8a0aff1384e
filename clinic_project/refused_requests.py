"""What a browser is answered whose request isn't served: pages in the reader's language, in the place of Django's bare ones.

Below `/api`, `ProblemMiddleware` makes problems of them.
"""

from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import defaults

from clinic_project.clinics.language_form import language_form

#: Bytes that are read of a body which is refused before its end: a browser that still sends may show no response.
#: https://www.rfc-editor.org/rfc/rfc9112#section-9.6
MAX_DRAINED = 2**30
_CHUNK = 2**16


class Refusal(NamedTuple):
    """What was found, and what to do."""

    title: str
    found: str
    remedy: str


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond with 400: what was sent is too much, or can't be read. Nothing of it was saved."""
    if isinstance(exception, DisallowedHost):  # the server's settings, and no page for whoever asked
        return defaults.bad_request(request, exception)
    _drain(request)
    return _page(request, 400, _unreadable(exception))


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


def _drain(request: HttpRequest) -> None:
    try:
        for _number in range(MAX_DRAINED // _CHUNK):
            if not request.read(_CHUNK):
                return
    except (UnreadablePostError, ValueError):  # the browser has gone
        return


def _page(request: HttpRequest, status: int, refusal: Refusal) -> HttpResponse:
    # Without the request: its user and its messages may be in tables that are missing.
    context: dict[str, Any] = {"site_header": admin.site.site_header, "refusal": refusal, **language_form(request)}
    page = render_to_string("admin/clinics/refused.html", context)
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})
