"""The trash: nothing is deleted for good from the admin, and what was deleted comes back by a button or an action."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

#: An action changes at most this many rows, so that "select all" can't lock a whole table.
MOST_AT_ONCE = 1_000


class TrashMixin(admin.ModelAdmin):
    """For a model with `is_deleted` and `deleted_at`: Django's delete view and an action move to the trash.

    Who may do the one may do the other.
    """

    actions = ["move_to_trash", "restore"]
    delete_confirmation_template = "admin/clinics/trash_confirmation.html"

    def has_trash_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return bool(self.has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return self.has_trash_permission(request, obj) and not (obj is not None and obj.is_deleted)

    def trash(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> int:
        """Move the rows of `queryset` to the trash and return how many weren't there."""
        return queryset.filter(is_deleted=False).update(is_deleted=True, deleted_at=timezone.now())

    def untrash(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> int:
        """Take the rows of `queryset` out of the trash and return how many were there."""
        return queryset.filter(is_deleted=True).update(is_deleted=False, deleted_at=None)

    @admin.action(description=_("Move the selected ones to the trash"), permissions=["trash"])
    def move_to_trash(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        moved = self._change(request, queryset, self.trash, _("Moved to the trash."))
        if moved is not None:
            said = ngettext("%(count)d was moved to the trash.", "%(count)d were moved to the trash.", moved)
            self.message_user(request, said % {"count": moved}, messages.SUCCESS)

    @admin.action(description=_("Restore the selected ones from the trash"), permissions=["trash"])
    def restore(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        restored = self._change(request, queryset, self.untrash, _("Restored from the trash."))
        if restored is not None:
            said = ngettext("%(count)d was restored.", "%(count)d were restored.", restored)
            self.message_user(request, said % {"count": restored}, messages.SUCCESS)

    def _change(self, request: HttpRequest, queryset: models.QuerySet[Any], change: Any, note: str) -> int | None:
        chosen = list(queryset.order_by("pk")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            said = _("More than %(most)d are selected. Narrow them down by the filters, and try again.")
            self.message_user(request, said % {"most": MOST_AT_ONCE}, messages.ERROR)
            return None
        if not all(self.has_trash_permission(request, obj) for obj in chosen):
            raise PermissionDenied
        with transaction.atomic():
            changed = change(request, self.model._default_manager.filter(pk__in=[obj.pk for obj in chosen]))
            for obj in chosen:
                self.log_change(request, obj, note)
        return int(changed)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_restore"
        view = self.admin_site.admin_view(self.restore_view)
        return [path("<path:object_id>/restore/", view, name=name), *super().get_urls()]

    @method_decorator(require_POST)
    def restore_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Restore one object and show it again."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        if not self.has_trash_permission(request, obj):
            raise PermissionDenied
        self._change(
            request, self.model._default_manager.filter(pk=obj.pk), self.untrash, _("Restored from the trash.")
        )
        self.message_user(request, _("“%(name)s” was restored from the trash.") % {"name": obj}, messages.SUCCESS)
        return HttpResponseRedirect(
            reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if obj is not None and obj.is_deleted:
            context["restore_url"] = reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_restore", args=[obj.pk]
            )
            context["may_restore"] = self.has_trash_permission(request, obj)
        return super().render_change_form(request, context, *args, **kwargs)

    # What Django's own delete view calls, from here on.

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.trash(request, self.model._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self.trash(request, queryset)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        for obj in queryset:
            self.log_change(request, obj, _("Moved to the trash."))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name the objects alone: what refers to them stays, and needn't be collected."""
        return [str(obj) for obj in objs], {}, set(), []

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        changelist = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        said = format_html('“{}” was moved to the <a href="{}?trash=only">trash</a>.', obj_display, changelist)
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(changelist)

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer what makes sense for the rows that are shown: the trash can only be restored from."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        if request.method == "GET" and request.GET.get("trash") != "with":
            actions.pop("move_to_trash" if request.GET.get("trash") == "only" else "restore", None)
        return actions
