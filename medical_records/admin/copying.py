"""Copying a template in the admin: a page that asks what the copy is called."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from clinic_project.clinics.administration.scope import scope_of

from .. import services
from ..exceptions import ChangeRefused
from ..models import MedicalRecordTemplate
from .base import ClinicalAdmin


class CopyForm(forms.ModelForm):
    class Meta:
        model = MedicalRecordTemplate
        fields = ("name",)


class CopyMixin(ClinicalAdmin):
    """For templates: who may change one may copy it."""

    change_form_template = "admin/medical_records/template_change_form.html"
    copy_form_template = "admin/medical_records/copy.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_copy"
        view = self.admin_site.admin_view(self.copy_view)
        return [path("<path:object_id>/copy/", view, name=name), *super().get_urls()]

    def copy_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the name of the copy, make it, and show it."""
        template = self.get_object(request, unquote(object_id))
        if template is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        if not self.has_role(request, template):
            raise PermissionDenied
        form = CopyForm(request.POST or None, initial={"name": template.name})
        if form.is_valid():
            return self._copied(request, template, form.cleaned_data["name"])
        context = {**self.object_context(request, template, f"Copy of {template}"), "form": form}
        return TemplateResponse(request, self.copy_form_template, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        template = context.get("original")
        context["may_copy"] = template is not None and not template.is_deleted and self.has_role(request, template)
        return super().render_change_form(request, context, *args, **kwargs)

    def _copied(self, request: HttpRequest, template: MedicalRecordTemplate, name: str) -> HttpResponse:
        shown = template
        try:
            shown = services.copy_template(template, scope_of(request).user, name)
        except ChangeRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.log_addition(request, shown, f"Copied from template {template.pk}.")
            self.message_user(request, f"“{shown}” was made as a copy of “{template}”.", messages.SUCCESS)
        change = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(change, args=[shown.pk]))
