"""The admin's responses while the database lacks a table or a column, can't be written to, is too slow, or is away."""

import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse

from clinic_project.api.database_errors import LATER, SOON
from clinic_project.audit.destruction import DestructionImpossible
from clinic_project.audit.waiting_commits import CommitsWait
from clinic_project.reconciliation.admin.site import may_see_schema
from clinic_project.reconciliation.sqlstates import (
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    READ_ONLY_SQL_TRANSACTION,
    SCHEMA_IS_BEHIND,
    connection_lost,
    sqlstate,
)

from ..language_form import language_form

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]


def respond_when_database_cannot_serve(view: View) -> View:
    """Wrap `view`: where the database isn't migrated, is read-only, too slow or away, a page says so, with status 503."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
            # A template queries as well, and would do so after this function has returned.
            return response.render() if isinstance(response, TemplateResponse) else response
        except (Error, DestructionImpossible) as error:
            reason = _reason(error)
            if reason is None:
                raise
            logger.exception(reason.log)
            # Without the request: its user and its messages may be in tables that are missing, too.
            schema_url = _schema_url(request) if reason is _BEHIND else None
            context = {"site_header": admin.site.site_header, "schema_url": schema_url, **language_form(request)}
            page = render_to_string(f"admin/clinics/{reason.template}.html", context)
            headers = {"Cache-Control": "no-store", "Retry-After": str(reason.seconds)}
            return HttpResponse(page, status=503, headers=headers)

    return wrapped


def _schema_url(request: HttpRequest) -> str | None:
    """Return where the schema is shown, for who may see that: nobody where the table of users itself can't be read."""
    try:
        return reverse("admin:schema") if may_see_schema(request) else None
    except Error:
        return None


class _Reason(NamedTuple):
    """What the log says, the page, and the seconds until it is worth trying again."""

    log: str
    template: str
    seconds: int


_BEHIND = _Reason("The admin needs what the database lacks: run manage.py migrate.", "schema_is_behind", LATER)
_READ_ONLY = _Reason(
    "The admin can't write to the database: it is a standby, or its transactions may not.", "read_only", LATER
)
_TOO_SLOW = _Reason("The database didn't answer in time: it may wait for a lock.", "database_too_slow", SOON)
_NO_STANDBY = _Reason("A change was refused, as earlier ones still wait for a standby.", "commits_wait", SOON)
_AWAY = _Reason("The admin can't reach the database.", "database_away", SOON)


def _reason(error: Error | DestructionImpossible) -> _Reason | None:
    """Return why the database can't serve; None for a mistake of ours."""
    if isinstance(error, DestructionImpossible) or sqlstate(error) in SCHEMA_IS_BEHIND:
        return _BEHIND
    if isinstance(error, CommitsWait):
        return _NO_STANDBY
    if sqlstate(error) == READ_ONLY_SQL_TRANSACTION:
        return _READ_ONLY
    if sqlstate(error) in {LOCK_NOT_AVAILABLE, QUERY_CANCELED}:
        return _TOO_SLOW
    return _AWAY if connection_lost(error) else None
