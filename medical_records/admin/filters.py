"""The admin's filters for records and photos."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from clinic_project.clinics.administration.filters import MAX_CHOICES, RelatedFilter, TrashFilter

from ..models import MedicalRecordTemplate
from ..querysets import RecordQuerySet


class TemplateFilter(RelatedFilter):
    """One of the templates of the chosen clinic, or of all that the person may see. Not shown if there are too many."""

    title = _("template")
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        templates = model_admin.admin_site.visible(request, MedicalRecordTemplate).order_by("name", "pk")
        clinic_id = request.GET.get("clinic", "")
        if clinic_id.isdecimal():
            templates = templates.filter(clinic=int(clinic_id))
        rows = templates.values_list("pk", "name", "clinic__name")[: MAX_CHOICES + 1]
        if len(rows) > MAX_CHOICES:
            return []
        times = Counter(name for _, name, _ in rows)
        return [(str(pk), name if times[name] == 1 else f"{name} ({clinic})") for pk, name, clinic in rows]


class SignatureFilter(admin.SimpleListFilter):
    """What is signed, what nobody has signed yet, or hasn't in time."""

    title = _("signature")
    parameter_name = "signature"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("signed", _("Signed")), ("unsigned", _("Not signed")), ("overdue", _("Overdue"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> models.QuerySet[Any]:
        records: RecordQuerySet = queryset
        choices = {"signed": records.signed, "unsigned": records.unsigned, "overdue": records.overdue}
        return choices.get(self.value() or "", records.all)()


class ErrorFilter(admin.SimpleListFilter):
    """What was entered in error is left out without a choice, unless the trash is shown: nobody moves it there."""

    title = _("entered in error")
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("only", _("Entered in error")), ("with", _("Both"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> models.QuerySet[Any]:
        records: RecordQuerySet = queryset
        if self.value() == "only":
            return records.in_error()
        shows_all = self.value() == "with" or request.GET.get(TrashFilter.parameter_name)
        return records if shows_all else records.without_errors()

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        everything, *others = super().choices(changelist)
        yield {**everything, "display": _("Left out")}
        yield from others


class PlaceFilter(admin.SimpleListFilter):
    """Where a photo is: on a record, in the gallery, or pending until its record is saved."""

    title = _("place")
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("record", _("On a record")), ("gallery", _("In the gallery")), ("pending", _("Pending"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        places = {
            "record": models.Q(medical_record__isnull=False, is_pending=False),
            "gallery": models.Q(medical_record__isnull=True, is_pending=False),
            "pending": models.Q(is_pending=True),
        }
        return queryset.filter(places.get(self.value() or "", models.Q()))
