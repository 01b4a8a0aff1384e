"""What every table of a clinic has in common in the admin."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db import models
from django.forms import HiddenInput, ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from ..access import CLINICAL_ROLES
from ..models import Clinic
from .deep_pages import Place
from .drafts import name_of_form
from .filters import TrashFilter
from .lists import EstimatingPaginator, LeanChangeList
from .scope import scope_of


class ClinicModelAdmin(admin.ModelAdmin):
    """Staff see the rows of their clinics and, with a role there, change them; superusers see and change all.

    `write_roles` are those that may change something. Nothing is deleted unless a TrashMixin says so.
    """

    write_roles: ClassVar[Collection[str]] = CLINICAL_ROLES
    list_defer: ClassVar[Collection[str]] = ()
    #: Parameters of the filters whose rows no index has in the list's order.
    unordered_filters: ClassVar[Collection[str]] = (TrashFilter.parameter_name,)
    change_form_template = "admin/clinics/change_form.html"
    change_list_template = "admin/clinics/change_list.html"
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = EstimatingPaginator
    formfield_overrides = {models.TextField: {"widget": AdminTextareaWidget(attrs={"rows": 4})}}

    class Media:
        js = ["clinics/autocomplete_names.js"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LeanChangeList]:
        return LeanChangeList

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> EstimatingPaginator:
        paginator = cast("EstimatingPaginator", super().get_paginator(request, *args, **kwargs))
        paginator.sorts_few_apart = any(request.GET.get(name) for name in self.unordered_filters)
        paginator.place, paginator.known = Place.named_by(request.GET), self.get_queryset(request)
        return paginator

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        scope = scope_of(request)
        queryset = super().get_queryset(request)
        return queryset if scope.is_unlimited else self.only_clinics(queryset, scope.clinic_ids)

    def only_clinics(self, queryset: Any, clinic_ids: list[int]) -> models.QuerySet[Any]:
        """Return the rows of `queryset` that belong to one of those clinics."""
        rows: models.QuerySet[Any] = queryset.for_clinics(clinic_ids)
        return rows

    def note_shown(self, request: HttpRequest, objects: Iterable[Any], action: str | None = None) -> None:
        """Note for the access log that a page shows these, where they are patients or what those have. They aren't here."""

    def object_url(self, name: str, pk: Any) -> str:
        """Return the URL of a page of an object: Django's "change", "history", or one of an `object_path`."""
        return reverse(f"admin:{self._page_name(name)}", args=[pk])

    def _page_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def name_with_patient(self, obj: Any) -> str:
        """Name the object, and the patient whose it is."""
        return str(obj)

    def named_objects(self, request: HttpRequest, keys: Collection[int]) -> list[Any]:
        """Return those objects that the person may see, with what `name_with_patient` needs, in one query."""
        return list(self.with_what_names_them(self.get_queryset(request).filter(pk__in=keys)))

    def with_what_names_them(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Let `rows` be read with what `name_with_patient` needs, as a list's are."""
        related = self.list_select_related
        return rows.defer(*self.list_defer).select_related(*(() if isinstance(related, bool) else related))

    def clinic_id_of(self, obj: Any) -> int:
        return int(obj.clinic_id)

    def has_role(self, request: HttpRequest, obj: Any | None) -> bool:
        user = request.user
        clinic_id = None if obj is None else self.clinic_id_of(obj)
        return bool(user.is_active and user.is_staff and scope_of(request).has_role(self.write_roles, clinic_id))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_role(request, None)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return self.has_role(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        """Leave out of a new row's form what the database will fill in."""
        fields = super().get_fields(request, obj)
        return fields if obj else [name for name in fields if name not in self.get_readonly_fields(request, obj)]

    def get_list_display(self, request: HttpRequest) -> Any:
        """Leave out the clinic for those who have only one."""
        scope = scope_of(request)
        several = scope.is_unlimited or len(scope.clinic_ids) > 1
        return [name for name in super().get_list_display(request) if several or name != "clinic"]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context.setdefault("draft", name_of_form(request))
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write of an existing row what was edited, and when: another column may just have been changed."""
        if not change:
            obj.save()
            return
        columns = {column.name for column in self.opts.concrete_fields}
        obj.updated_at = timezone.now()
        obj.save(update_fields=columns & {*form.changed_data, "updated_at"})

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        """Accept only what the person may see, and a clinic that they may write in, also from a tampered form.

        Nobody is asked for the clinic where there is only one to choose.
        """
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if db_field.remote_field.model is Clinic:
            clinics = kwargs["queryset"] = scope_of(request).clinics_with(self.write_roles)
            if len(choices := clinics[:2]) == 1:
                kwargs |= {"widget": HiddenInput, "initial": choices[0].pk}
        elif related is not None:
            kwargs["queryset"] = related.get_queryset(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
