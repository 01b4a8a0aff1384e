"""The trash: nothing is deleted for good from the admin, and what was deleted comes back by a button or an action."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from clinic_project.api.converters import parse_row_id
from clinic_project.audit import transactions
from clinic_project.audit.models import Access

from ..listing import listed
from .object_pages import ObjectPagesMixin, of_object

#: An action changes at most this many rows, so that "select all" can't lock a whole table.
MAX_AT_ONCE = 1_000
#: How many of them are named when it is done.
MAX_NAMED = 5

#: What a form sends once it has been asked whether several are to go to the trash, as Django's own does.
CONFIRMED = "post"

#: What Django's log says of an object, in English whoever does it: it is translated for those who read it.
TRASHED, RESTORED = gettext_noop("Moved to the trash."), gettext_noop("Restored from the trash.")

Change = Callable[[HttpRequest, Any], None]


class TrashMixin(ObjectPagesMixin):
    """For a model with `is_deleted` and `deleted_at`: Django's delete view and an action move to the trash.

    Who may do the one may restore as well. What is in the trash isn't changed before that.
    """

    actions = ["move_to_trash", "restore"]
    delete_confirmation_template = "admin/clinics/trash_confirmation.html"
    trash_several_template = "admin/clinics/trash_several.html"

    #: What `trash_one` and `restore_one` raise for an object that somebody else has changed; it is shown to the person.
    refusals: ClassVar[tuple[type[Exception], ...]] = ()

    def has_trash_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return self.has_role(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj is not None and obj.is_deleted)

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return self.has_trash_permission(request, obj) and not (obj is not None and obj.is_deleted)

    def trash_one(self, request: HttpRequest, obj: Any) -> None:
        """Move `obj`, which isn't there yet, to the trash."""
        obj.is_deleted, obj.deleted_at = True, timezone.now()
        obj.save(update_fields=["is_deleted", "deleted_at"])

    def restore_one(self, request: HttpRequest, obj: Any) -> None:
        """Take `obj` out of the trash."""
        obj.is_deleted, obj.deleted_at = False, None
        obj.save(update_fields=["is_deleted", "deleted_at"])

    @admin.action(description=_("Move the selected ones to the trash"), permissions=["trash"])
    def move_to_trash(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Ask first, as Django's own action does; what stays as it is can't be confirmed, and is named."""
        chosen = self._chosen(request, queryset.filter(is_deleted=False))
        if CONFIRMED not in request.POST and (page := self._asking_about(request, chosen)):
            return page
        moved = self._change_each(request, chosen, self.trash_one, TRASHED)
        said = gettext("Moved to the trash: %(names)s.") % {"names": self._names(moved)}
        self.message_user(request, said, messages.SUCCESS if moved else messages.WARNING)
        return None

    def _asking_about(self, request: HttpRequest, chosen: list[Any]) -> HttpResponse | None:
        """Return the page that asks before these go to the trash; None where none of them can."""
        reasons = [(obj, self.why_it_stays(obj)) for obj in chosen]
        moving = [obj for obj, why in reasons if not why]
        if not moving:
            return None
        self.note_shown(request, chosen, Access.Action.LIST)
        asked = ngettext("Move this one to the trash?", "Move these %(count)d to the trash?", len(moving))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Move to the trash"),
            "opts": self.opts,
            "media": self.media,
            "question": asked % {"count": len(moving)},
            "moving": [(obj.pk, self.name_with_patient(obj), self._born(obj)) for obj in moving],
            "staying": [(self.name_with_patient(obj), why) for obj, why in reasons if why],
            "goes_along": self.goes_along_with_all(moving),
            "checkbox": ACTION_CHECKBOX_NAME,
            "confirmed": CONFIRMED,
            "list_url": request.get_full_path(),
        }
        return TemplateResponse(request, self.trash_several_template, context)

    def _born(self, obj: Any) -> str:
        """Return what tells the patient of `obj` from others of that name, where its own name doesn't."""
        patient = self.patient_of(obj)
        return "" if patient in {None, obj} else patient.born

    @admin.action(description=_("Restore the selected ones from the trash"), permissions=["trash"])
    def restore(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        chosen = self._chosen(request, queryset.filter(is_deleted=True))
        restored = self._change_each(request, chosen, self.restore_one, RESTORED)
        said = gettext("Restored: %(names)s.") % {"names": self._names(restored)}
        self.message_user(request, said, messages.SUCCESS if restored else messages.WARNING)

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Refuse what no list sends: where a row isn't named by its id, Django fails."""
        if None in map(parse_row_id, request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest
        return super().response_action(request, queryset)

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer what makes sense for the rows that are shown: the trash can only be restored from."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        if request.method == "GET" and request.GET.get("trash") != "with":
            actions.pop("move_to_trash" if request.GET.get("trash") == "only" else "restore", None)
        return actions

    def _names(self, changed: list[Any]) -> str:
        """Return the names of the objects that were changed, or of the first of them and how many others there are."""
        if not changed:
            return gettext("nothing")
        named = listed(self.name_with_patient(obj) for obj in changed[:MAX_NAMED])
        others = len(changed) - MAX_NAMED
        if others <= 0:
            return named
        return ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", others) % {
            "names": named,
            "count": others,
        }

    def _chosen(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[Any]:
        """Return the objects that are selected; none where these are too many, which the person is told."""
        chosen = list(queryset.order_by("pk")[: MAX_AT_ONCE + 1])
        if len(chosen) > MAX_AT_ONCE:
            said = gettext("More than %(count)s are selected. Narrow them down by the filters, and try again.")
            self.message_user(request, said % {"count": f"{MAX_AT_ONCE:,}"}, messages.ERROR)
            return []
        if not all(self.has_trash_permission(request, obj) for obj in chosen):
            raise PermissionDenied
        return chosen

    @transactions.atomic
    def _change_each(self, request: HttpRequest, chosen: list[Any], change: Change, note: str) -> list[Any]:
        """Change each object and return those that were; those that are refused are named to the person."""
        return [obj for obj in chosen if self._change_one(request, obj, change, note)]

    def _change_one(self, request: HttpRequest, obj: Any, change: Change, note: str) -> bool:
        def change_and_log(request: HttpRequest, obj: Any) -> None:
            change(request, obj)
            self.log_change(request, obj, note)

        return self._is_done(request, obj, change_and_log)

    def _is_done(self, request: HttpRequest, obj: Any, change: Change) -> bool:
        """Change `obj`, whole or not at all; return whether it wasn't refused, which the person is told."""
        try:
            with transactions.atomic():
                change(request, obj)
        except self.refusals as refusal:
            said = gettext("%(name)s: %(error)s") % {"name": self.name_with_patient(obj), "error": refusal}
            self.message_user(request, said, messages.ERROR)
            return False
        return True

    def why_it_stays(self, obj: Any) -> str:
        """Return why `obj` can't be moved to the trash as it is; empty where it can."""
        return ""

    def kept_until(self, obj: Any) -> datetime | None:
        """Return until when `obj` can't be removed for good, even from the trash; None where nothing says that."""
        return None

    # One object, by a button of its page.

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("restore", self.restore_view, "restore"), *super().get_urls()]

    @method_decorator(require_POST)
    @of_object
    def restore_view(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Restore one object and show it again."""
        if not self.has_trash_permission(request, obj):
            raise PermissionDenied
        if obj.is_deleted and self._change_one(request, obj, self.restore_one, RESTORED):
            said = gettext("“%(object)s” was restored from the trash.") % {"object": self.name_with_patient(obj)}
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(self.object_url("change", obj.pk))

    def own_page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().own_page_context(request, obj)
        if obj.is_deleted:
            context["restore_url"] = self.object_url("restore", obj.pk)
            context["may_restore"] = self.has_trash_permission(request, obj)
            context["kept_until"] = self.kept_until(obj)
        return context

    @property
    def _changelist_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except self.refusals as refusal:
            return self._refused(request, object_id, refusal)

    def _refused(self, request: HttpRequest, object_id: str | None, refusal: Exception) -> HttpResponse:
        self.message_user(request, str(refusal), messages.ERROR)
        return HttpResponseRedirect(self.object_url("change", object_id) if object_id else self._changelist_url)

    # What Django's own delete view calls.

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            obj = self.get_object(request, unquote(object_id))
            shown = {"title": gettext("Move to the trash"), **self._asked(obj), **(extra_context or {})}
            return super().delete_view(request, object_id, shown)
        except self.refusals as refusal:
            return self._refused(request, object_id, refusal)

    def _asked(self, obj: Any) -> dict[str, Any]:
        """Return what is asked before an object goes to the trash."""
        if obj is None:
            return {}
        asked = {"question": self.trash_question(obj), "goes_along": self.goes_along(obj)}
        return {**self.naming_context(obj), **asked, "kept_until": self.kept_until(obj)}

    def trash_question(self, obj: Any) -> str:
        """Return the question whether `obj` is to go to the trash, which names it, its patient and what goes with it."""
        named = {"kind": self.opts.verbose_name, "name": str(obj)}
        return gettext("Move the %(kind)s “%(name)s” to the trash?") % named

    def goes_along(self, obj: Any) -> str:
        """Return what becomes of what refers to `obj`; empty where that is nothing."""
        return ""

    def goes_along_with_all(self, objs: list[Any]) -> str:
        """Return what `goes_along` says, of several."""
        return ""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.trash_one(request, obj)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        for obj in queryset:
            self.log_change(request, obj, TRASHED)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name the objects alone: what refers to them stays, and needn't be collected."""
        return [self.name_with_patient(obj) for obj in objs], {}, set(), []

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        link = self._changelist_url
        names = [self.name_with_patient(obj) for obj in self.named_objects(request, [obj_id])]
        said = format_html(
            gettext('“{object}” was moved to the <a href="{link}?trash=only">trash</a>.'),
            object=names[0] if names else obj_display,
            link=link,
        )
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(link)
