"""Copying a template in the admin: a page that asks what the copy is called."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from clinic_project.clinics.administration.object_pages import of_object
from clinic_project.clinics.administration.scope import scope_of

from .. import services
from ..exceptions import ChangeRefused
from ..models import MedicalRecordTemplate
from .base import ClinicalAdmin


class CopyForm(forms.ModelForm):
    class Meta:
        model = MedicalRecordTemplate
        fields = ("name",)
        widgets = {"name": AdminTextInputWidget}


def _proposed_name(original: str) -> str:
    """Return a name for a copy of what is called `original`; that itself where a longer name has no room."""
    name = _("%(name)s (copy)") % {"name": original}
    longest = MedicalRecordTemplate._meta.get_field("name").max_length
    return name if longest is None or len(name) <= longest else original


class CopyMixin(ClinicalAdmin):
    """For templates: who may change one may copy it."""

    change_form_template = "admin/medical_records/template_change_form.html"
    copy_form_template = "admin/medical_records/copy.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("copy", self.copy_view, "copy"), *super().get_urls()]

    @of_object
    def copy_view(self, request: HttpRequest, template: MedicalRecordTemplate) -> HttpResponse:
        """Ask for the name of the copy, make it, and show it."""
        if not self.has_role(request, template):
            raise PermissionDenied
        form = CopyForm(request.POST or None, initial={"name": _proposed_name(template.name)})
        if form.is_valid():
            return self._copied(request, template, form.cleaned_data["name"])
        context = {
            **self.object_context(request, template, _("Copy of %(template)s") % {"template": template}),
            "form": form,
        }
        return TemplateResponse(request, self.copy_form_template, context)

    def own_page_context(self, request: HttpRequest, template: MedicalRecordTemplate) -> dict[str, Any]:
        may_copy = not template.is_deleted and self.has_role(request, template)
        return {**super().own_page_context(request, template), "may_copy": may_copy}

    def _copied(self, request: HttpRequest, template: MedicalRecordTemplate, name: str) -> HttpResponse:
        shown = template
        try:
            shown = services.copy_template(template, scope_of(request).user, name)
        except ChangeRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.log_addition(request, shown, f"Copied from template {template.pk}.")
            said = _("“%(copy)s” was made as a copy of “%(template)s”.") % {"copy": shown, "template": template}
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(self.object_url("change", shown.pk))
