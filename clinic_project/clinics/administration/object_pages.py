"""Pages of one object in the admin, beside those that Django has, and what its own page leads to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from ..models import Patient
from .base import ClinicModelAdmin


class ObjectPagesMixin(ClinicModelAdmin):
    def object_path(self, route: str, view: Callable[..., Any], name: str) -> URLPattern:
        """Return the pattern of a page below an object's, whose URL `object_url` returns by its `name`."""
        return path(f"<path:object_id>/{route}/", self.admin_site.admin_view(view), name=self._page_name(name))

    def patient_of(self, obj: Any) -> Patient | None:
        """Return the patient whose `obj` is, or who it is; None where it is nobody's."""
        return None

    @admin.display(description=_("patient"))
    def patient_shown(self, obj: Any) -> str:
        """Return the patient of a list's row, with what tells them from others of that name."""
        patient = self.patient_of(obj)
        return format_html('{} <span class="hint">{}</span>', patient, patient.born) if patient else ""

    def naming_context(self, obj: Any) -> dict[str, Any]:
        """Return what a page's title, breadcrumbs and `admin/clinics/patient_line.html` say of an object and its patient."""
        patient = self.patient_of(obj)
        return {"named": self.name_with_patient(obj), "patient": None if patient == obj else patient}

    def object_context(self, request: HttpRequest, obj: Any, title: str) -> dict[str, Any]:
        """Return what a page about an object needs that extends `admin/clinics/object_page.html`."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            **self.naming_context(obj),
            "title": title,
            "object": obj,
            "opts": self.opts,
            "module_name": capfirst(self.opts.verbose_name_plural),
            "change_url": self.object_url("change", obj.pk),
            "history_url": self.object_url("history", obj.pk),
            "media": self.media,
        }

    def page_of(self, request: HttpRequest, paginator: "Paginator[Any]") -> dict[str, Any]:
        """Return the page that `request` asks for, and what `admin/clinics/page_numbers.html` needs beside it."""
        page = paginator.get_page(request.GET.get(PAGE_VAR))
        return {"page": page, "page_range": paginator.get_elided_page_range(page.number), "page_var": PAGE_VAR}

    def own_page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the object's own page shows beside its form."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if obj is not None:
            context |= {**self.naming_context(obj), **self.own_page_context(request, obj)}
            if self.patient_of(obj) is not None:
                context |= {"title": context["named"], "subtitle": None}
        return super().render_change_form(request, context, *args, **kwargs)


def of_object(view: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method that shows an object, so that it takes the `object_id` of the URL.

    Where there is no such object, or the person may not see it, Django says so and leads away.
    """

    @wraps(view)
    def wrapped(self: Any, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return view(self, request, obj, *args, **kwargs)

    return wrapped
