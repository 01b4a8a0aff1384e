"""Filters whose choices are never found by reading the rows that they filter."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Clinic, Patient

#: A filter with more choices than this isn't shown: searching is quicker than reading such a list.
MAX_CHOICES = 50


class TrashFilter(admin.SimpleListFilter):
    """In use (without a choice), in the trash, or both."""

    title = _("trash")
    parameter_name = "trash"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("only", _("In the trash")), ("with", _("Both"))]  # type: ignore[list-item]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "with":
            return queryset
        return queryset.filter(is_deleted=self.value() == "only")

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        everything, *others = super().choices(changelist)
        yield {**everything, "display": _("In use")}
        yield from others


class RelatedFilter(admin.SimpleListFilter):
    """One of the rows that a foreign key leads to, which has the name of the parameter.

    A filter without output isn't applied either, and a link may have brought a choice that isn't offered: it is shown then.
    """

    def has_output(self) -> bool:
        return super().has_output() or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset


class ClinicFilter(RelatedFilter):
    """One of the clinics that the person may see; not shown to those who have only one."""

    title = _("clinic")
    parameter_name = "clinic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        clinics = model_admin.admin_site.visible(request, Clinic).order_by("name", "pk")
        choices = [(str(pk), name) for pk, name in clinics.values_list("pk", "name")[: MAX_CHOICES + 1]]
        return choices if len(choices) in range(2, MAX_CHOICES + 1) else []


class PatientFilter(RelatedFilter):
    """Says whose rows are shown when a link has led here, and leads back to everybody's."""

    title = _("patient")
    parameter_name = "patient"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value()
        if not chosen or not chosen.isdecimal():
            return []
        patients = model_admin.admin_site.visible(request, Patient).filter(pk=chosen)
        return [(str(patient.pk), patient.name_and_birthday) for patient in patients]
