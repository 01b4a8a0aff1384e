"""The admin site: its name, and its response while the database lacks a table or a column."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db import ProgrammingError, models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse

from clinic_project.audit import transactions
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import describe_changes
from clinic_project.reconciliation.admin.site import SchemaAdminSite
from clinic_project.reconciliation.sqlstates import SCHEMA_IS_BEHIND, sqlstate

from .cross_site import AskedByAnotherSite
from .scope import scope_of

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]


class ClinicAdminSite(SchemaAdminSite):
    site_header = "Clinic administration"
    site_title = "Clinic administration"
    index_title = "What would you like to look at?"
    #: There is no site beside the API to link to.
    site_url = None

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        responding = respond_when_schema_is_behind(super().admin_view(describing_changes(view), cacheable))
        return refuse_other_sites(responding)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return NotedAutocomplete.as_view(admin_site=self)(request)  # type: ignore[return-value]

    def visible(self, request: HttpRequest, model: type[models.Model]) -> models.QuerySet[Any]:
        """Return the rows of `model` that the person at `request` may see, as the model's own admin says."""
        return self._registry[model].get_queryset(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Nobody is logged in yet, so that admin_view doesn't wrap it.
        return respond_when_schema_is_behind(super().login)(request, extra_context)  # type: ignore[return-value]


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


def respond_when_schema_is_behind(view: View) -> View:
    """Wrap `view`: where the database isn't migrated, it responds with a page that says so, and status 503."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
            # A template queries as well, and would do so after this function has returned.
            return response.render() if isinstance(response, TemplateResponse) else response
        except ProgrammingError as error:
            if sqlstate(error) not in SCHEMA_IS_BEHIND:
                raise
            logger.exception("The admin needs what the database lacks: run manage.py migrate.")
            return _schema_is_behind()

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


def _schema_is_behind() -> HttpResponse:
    # Without the request: its user and its messages may be in tables that are missing, too.
    page = render_to_string("admin/clinics/schema_is_behind.html", {"site_header": ClinicAdminSite.site_header})
    return HttpResponse(page, status=503, headers={"Cache-Control": "no-store"})
