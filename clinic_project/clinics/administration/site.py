"""The admin site: its name, what it adds to each view, and who asks there."""

import functools
from typing import Any, cast

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.utils.translation import gettext_lazy as _

from clinic_project.audit import transactions
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import describe_changes
from clinic_project.reconciliation.admin.site import SchemaAdminSite

from ..forms import CodeNeeded
from . import two_step
from .cross_site import responding_to_other_sites
from .drafts import telling_which_draft_was_saved
from .scope import scope_of
from .unavailable import View, respond_when_database_cannot_serve


class ClinicAdminSite(SchemaAdminSite):
    site_header = _("Clinic administration")
    site_title = _("Clinic administration")
    index_title = _("What would you like to look at?")
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
        return self.committing_view(telling_which_draft_was_saved(describing_changes(view)), cacheable)

    def committing_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap a view for staff, whose statements are committed one by one: what an attempt counts has to stay."""
        responding = respond_when_database_cannot_serve(
            super().admin_view(two_step.leading_to_enrollment(view), cacheable)
        )
        return responding_to_other_sites(responding)

    def stepwise_view(self, view: Any) -> Any:
        """Wrap a view as `admin_view` does, apart from the transaction: each step of its POST is one of its own."""
        return self.committing_view(describing_asker(view))

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

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().logout(request, {"drafts_are_over": True, **(extra_context or {})})


class NotedAutocomplete(AutocompleteJsonView):
    """Names objects as Django does, which their own admin notes for the access log."""

    model_admin: Any

    def process_request(self, request: HttpRequest) -> Any:
        term, *found = super().process_request(request)  # type: ignore[misc]  # unknown to the stubs
        # PostgreSQL takes no NUL.
        return term.replace("\0", ""), *found

    def get_queryset(self) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = self.model_admin.with_what_names_them(super().get_queryset())
        return rows

    def serialize_result(self, obj: models.Model, to_field_name: str) -> dict[str, str]:
        self.model_admin.note_shown(self.request, [obj], Access.Action.LIST)
        result: dict[str, str] = super().serialize_result(obj, to_field_name)  # type: ignore[misc]  # unknown to the stubs
        return {**result, "text": self.model_admin.name_with_patient(obj)}


def describing_changes(view: View) -> View:
    """Wrap `view`: it is known who asks, and what a POST changes is one transaction, which knows it, too."""

    @functools.wraps(view)
    def in_one_transaction(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with transactions.atomic():
            return view(request, *args, **kwargs)

    return describing_asker(in_one_transaction)


def describing_asker(view: View) -> View:
    """Wrap `view`: each transaction in it knows who asks."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        scope = scope_of(request)
        describe_changes(via="admin", by=scope.user.pk)
        if request.method == "POST":
            describe_changes(name=scope.user.name)
        return view(request, *args, **kwargs)

    return wrapped
