"""The admin site: its name, and its response while the database lacks a table or a column."""

import functools
import logging
from collections.abc import Callable
from typing import Any, cast

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db import Error, models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path

from clinic_project.audit import transactions
from clinic_project.audit.destruction import DestructionImpossible
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import describe_changes
from clinic_project.reconciliation.admin.site import SchemaAdminSite
from clinic_project.reconciliation.sqlstates import READ_ONLY_SQL_TRANSACTION, SCHEMA_IS_BEHIND, sqlstate

from ..forms import CodeNeeded
from ..two_step import must_enroll
from . import two_step
from .cross_site import AskedByAnotherSite
from .scope import scope_of

logger = logging.getLogger(__name__)

#: What those may open who have to set up the two-step login first.
WITHOUT_ENROLLMENT = {"admin:two_step_login", "admin:logout", "admin:jsi18n"}

View = Callable[..., HttpResponseBase]


class ClinicAdminSite(SchemaAdminSite):
    site_header = "Clinic administration"
    site_title = "Clinic administration"
    index_title = "What would you like to look at?"
    #: There is no site beside the API to link to.
    site_url = None

    def get_urls(self) -> list[Any]:
        return [
            path(
                "login/code/", respond_when_database_cannot_serve(two_step.SecondStepView.as_view()), name="login_code"
            ),
            path("two-step-login/", self.committing_view(two_step.own_page), name="two_step_login"),
            path(
                "clinics/user/<row_id:pk>/two-step-login/remove/",
                self.committing_view(two_step.remove_others),
                name="remove_two_step_login",
            ),
            *super().get_urls(),
        ]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return self.committing_view(describing_changes(view), cacheable)

    def committing_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap a view for staff, whose statements are committed one by one: what an attempt counts has to stay."""
        responding = respond_when_database_cannot_serve(super().admin_view(leading_to_enrollment(view), cacheable))
        return refuse_other_sites(responding)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return NotedAutocomplete.as_view(admin_site=self)(request)  # type: ignore[return-value]

    def visible(self, request: HttpRequest, model: type[models.Model]) -> models.QuerySet[Any]:
        """Return the rows of `model` that the person at `request` may see, as the model's own admin says."""
        return self._registry[model].get_queryset(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Nobody is logged in yet, so that admin_view doesn't wrap it.
        try:
            response = cast("HttpResponse", respond_when_database_cannot_serve(super().login)(request, extra_context))
        except CodeNeeded as needed:
            return two_step.begin_second_step(request, needed.user)
        form = (getattr(response, "context_data", None) or {}).get("form")
        return two_step.with_status_of(form, response)


def leading_to_enrollment(view: View) -> View:
    """Wrap `view`: whoever has to set up the two-step login first is led there."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name = request.resolver_match and request.resolver_match.view_name
        if name not in WITHOUT_ENROLLMENT and must_enroll(cast("Any", request.user)):
            return redirect("admin:two_step_login")
        return view(request, *args, **kwargs)

    return wrapped


class NotedAutocomplete(AutocompleteJsonView):
    """Names objects as Django does, which their own admin notes for the access log."""

    model_admin: Any

    def serialize_result(self, obj: models.Model, to_field_name: str) -> dict[str, str]:
        self.model_admin.note_shown(self.request, [obj], Access.Action.LIST)
        result: dict[str, str] = super().serialize_result(obj, to_field_name)  # type: ignore[misc]  # unknown to the stubs
        return result


def describing_changes(view: View) -> View:
    """Wrap `view`: it is known who asks, and what a POST changes is one transaction, which knows it, too."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        scope = scope_of(request)
        describe_changes(via="admin", by=scope.user.pk)
        if request.method != "POST":
            return view(request, *args, **kwargs)
        describe_changes(name=scope.name)
        with transactions.atomic():
            return view(request, *args, **kwargs)

    return wrapped


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
                return _unavailable("admin/clinics/schema_is_behind.html")
            if state == READ_ONLY_SQL_TRANSACTION:
                logger.exception("The admin can't write to the database: it is a standby, or its transactions may not.")
                return _unavailable("admin/clinics/read_only.html")
            raise

    return wrapped


def refuse_other_sites(view: View) -> View:
    """Wrap `view`: where it raises AskedByAnotherSite, it responds with a page that leads there, and status 403."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except AskedByAnotherSite:
            context = {"site_header": ClinicAdminSite.site_header, "address": request.get_full_path()}
            page = render_to_string("admin/clinics/cross_site.html", context)
            return HttpResponse(page, status=403, headers={"Cache-Control": "no-store"})

    return wrapped


def _unavailable(template: str) -> HttpResponse:
    # Without the request: its user and its messages may be in tables that are missing, too.
    page = render_to_string(template, {"site_header": ClinicAdminSite.site_header})
    return HttpResponse(page, status=503, headers={"Cache-Control": "no-store"})
