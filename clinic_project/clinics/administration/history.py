"""The history that the database keeps of an object, and the object as it was at any time, in the admin."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext

from clinic_project.audit.accesses import describe_access
from clinic_project.audit.models import Access

from ..earlier_states import State, begins_with_creation, state_at, undeclared
from ..history import History, ReadableChange, ReadableChanges, columns_of, readable_history
from .history_texts import ReadValue, ShownChange, column_text, shown_changes
from .object_pages import ObjectPagesMixin, of_object

#: Changes on a page.
PER_PAGE = 25


class MomentForm(forms.Form):
    """Asks for a time, in the time zone of the admin's pages."""

    at = forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}))

    def clean_at(self) -> datetime:
        """Return the end of a second that is given as a whole: so is a change that the page shows in that second."""
        moment: datetime = self.cleaned_data["at"]
        return moment if moment.microsecond else moment.replace(microsecond=999_999)


class HistoryMixin(ObjectPagesMixin):
    """For a recorded model: the database's history in the place of Django's, each change with the object as it was then.

    Django's list has nothing more to say: it names the fields that somebody changed in the admin, and not what was there.
    Nothing keeps it from being changed, so that beside the history it would pass for evidence. "Recent actions" has it.
    """

    object_history_template = "admin/clinics/history.html"
    state_template = "admin/clinics/state.html"

    def read_history(self, obj: Any) -> History:
        """Return the history of `obj`."""
        return History(readable_history(obj))

    def value_reader(self, changes: Sequence[ReadableChange]) -> ReadValue:
        """Return what tells the values of `changes` that are within a column."""
        return lambda change, value, side: None

    def in_words(self, shown: ShownChange) -> ShownChange:
        """Return a change in the words of the object's own page."""
        return shown

    def object_then(self, now: Any, state: State, history: Any) -> Any:
        """Return the object as it was: nothing of it is read from its table, which has what is there now."""
        return self.model(**columns_of(self.model, state.row))

    def not_in_state(self, then: Any, now: Any) -> Collection[str]:
        """Return the fields of the object's page that would show what is there now, and not what was there then."""
        return ()

    def fieldsets_of_state(self, request: HttpRequest, obj: Any) -> Any:
        """Return the fieldsets of an earlier state: those of the object's page."""
        return self.get_fieldsets(request, obj)

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("history/<int:sequence>", self.state_view, "state"), *super().get_urls()]

    @of_object
    def history_view(self, request: HttpRequest, obj: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        changes = self._history(request, obj).changes
        page = self.page_of(request, Paginator(changes, PER_PAGE))
        shown = list(page["page"].object_list)
        moment = MomentForm(request.GET if "at" in request.GET else None)
        if moment.is_valid():
            return self._state_at(request, obj, changes, moment.cleaned_data["at"])
        context = {
            **self.object_context(request, obj, gettext("History of %(name)s") % {"name": self.name_with_patient(obj)}),
            **page,
            "moment": moment,
            "changes": [
                self.in_words(change) for change in shown_changes(shown, self.model, request, self.value_reader(shown))
            ],
            "found_changed": changes.found_changed,
            "first": state_at(changes, 0),
            "begins_with_creation": begins_with_creation(changes),
        }
        return TemplateResponse(request, self.object_history_template, context | (extra_context or {}))

    def _state_at(self, request: HttpRequest, obj: Any, changes: ReadableChanges, moment: datetime) -> HttpResponse:
        """Lead to the state at that time."""
        history = self.object_url("history", obj.pk)
        sequence = changes.sequence_at(moment)
        if state_at(changes, sequence) is None:
            said = gettext("Nothing is recorded of %(when)s.") % {"when": column_text(None, moment)}
            self.message_user(request, said, messages.WARNING)
            return HttpResponseRedirect(history)
        return HttpResponseRedirect(f"{history}{sequence}/")

    @of_object
    def state_view(self, request: HttpRequest, obj: Any, sequence: int) -> HttpResponse:
        """Show the object as the change of that sequence left it; 0 is what was there before the first."""
        history = self._history(request, obj)
        changes = history.changes
        state = state_at(changes, sequence)
        if state is None:
            raise Http404(gettext("The history has no such change, or nothing was left by it."))
        title = gettext("Earlier state of %(name)s") if state.following else gettext("Present state of %(name)s")
        context = {
            **self.object_context(request, obj, title % {"name": self.name_with_patient(obj)}),
            **self._shown_state(request, obj, self.object_then(obj, state, history), state),
            "earlier": state_at(changes, sequence - 1),
            "later": state_at(changes, sequence + 1),
        }
        return TemplateResponse(request, self.state_template, context)

    def _history(self, request: HttpRequest, obj: Any) -> History:
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        describe_access(Access.Action.HISTORY)
        return self.read_history(obj)

    def _shown_state(self, request: HttpRequest, now: Any, then: Any, state: State) -> dict[str, Any]:
        """Return what the object's own page shows, read-only, of the object as it was."""
        left_out = self.not_in_state(then, now)
        fieldsets: Any = [
            (
                name,
                {
                    **options,
                    "fields": [field for field in flatten_fieldsets([(name, options)]) if field not in left_out],
                },
            )
            for name, options in self.fieldsets_of_state(request, now)
        ]
        form = forms.modelform_factory(self.model, fields=[])(instance=then)
        return {
            "state": state,
            "then": then,
            "adminform": AdminForm(form, fieldsets, {}, flatten_fieldsets(fieldsets), model_admin=self),
            "undeclared": [
                (name, column_text(None, value)) for name, value in undeclared(self.model, state.row).items()
            ],
        }
