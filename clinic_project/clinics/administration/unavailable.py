"""The admin's responses while the database lacks a table or a column, or can't be written to."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse

from clinic_project.audit.destruction import DestructionImpossible
from clinic_project.languages import language_form
from clinic_project.reconciliation.admin.site import may_see_schema
from clinic_project.reconciliation.sqlstates import READ_ONLY_SQL_TRANSACTION, SCHEMA_IS_BEHIND, sqlstate

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]


def respond_when_database_cannot_serve(view: View) -> View:
    """Wrap `view`: where the database isn't migrated or is read-only, a page says so, with status 503."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
            # A template queries as well, and would do so after this function has returned.
            return response.render() if isinstance(response, TemplateResponse) else response
        except (Error, DestructionImpossible) as error:
            state = sqlstate(error) if isinstance(error, Error) else None
            if state is None or state in SCHEMA_IS_BEHIND:
                logger.exception("The admin needs what the database lacks: run manage.py migrate.")
                return _unavailable(request, "admin/clinics/schema_is_behind.html", schema_url=_schema_url(request))
            if state == READ_ONLY_SQL_TRANSACTION:
                logger.exception("The admin can't write to the database: it is a standby, or its transactions may not.")
                return _unavailable(request, "admin/clinics/read_only.html")
            raise

    return wrapped


def _schema_url(request: HttpRequest) -> str | None:
    """Return where the schema is shown, for who may see that: nobody where the table of users itself can't be read."""
    try:
        return reverse("admin:schema") if may_see_schema(request) else None
    except Error:
        return None


def _unavailable(request: HttpRequest, template: str, **more: Any) -> HttpResponse:
    # Without the request: its user and its messages may be in tables that are missing, too.
    page = render_to_string(template, {"site_header": admin.site.site_header, **language_form(request), **more})
    return HttpResponse(page, status=503, headers={"Cache-Control": "no-store"})
