"""Pages of the admin to which another site leads."""

import functools
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

from clinic_project.api.cross_site import is_asked_by_another_site

from ..language_form import language_form
from .unavailable import View


class AskedByAnotherSite(PermissionDenied):
    """What patients have isn't shown to whom a page of another site sends here.

    That site wouldn't be told anything, but the access log would name somebody who didn't mean to look.
    """


def refuse_another_site(request: HttpRequest) -> None:
    if is_asked_by_another_site(request):
        raise AskedByAnotherSite


def responding_to_other_sites(view: View) -> View:
    """Wrap `view`: where it raises AskedByAnotherSite, it responds with a page that leads there, and status 403."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except AskedByAnotherSite:
            address = request.get_full_path()
            context = {"site_header": admin.site.site_header, "address": address, **language_form(request)}
            page = render_to_string("admin/clinics/cross_site.html", context)
            return HttpResponse(page, status=403, headers={"Cache-Control": "no-store"})

    return wrapped
