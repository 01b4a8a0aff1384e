"""The admin's form for templates."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.utils.translation import gettext_lazy as _

from ..filled_form import entries_in_order
from ..models import MedicalRecordTemplate
from .inputs import LinesField
from .question_edits import EDIT, PREVIEW, edited
from .questions import TOTAL, QuestionFormSet, sent_rows, stored_rows
from .stored_questions import StoredQuestions, can_be_edited


class TemplateForm(forms.ModelForm):
    """A template with its `questions`, a formset; None where the database has none that can be edited.

    It refuses to overwrite what somebody else has saved since the form was opened: `conflict` is that. A button of the
    editor saves nothing: the form that it sends is shown again, with its questions edited.
    """

    description = LinesField(label=_("Description"), empty_value=None, widget=AdminTextareaWidget(attrs={"rows": 4}))
    version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = MedicalRecordTemplate
        fields = ("name", "description", "clinic", "version")

    def __init__(self, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        self.edit: str = data.get(EDIT, "") if data else ""
        self.conflict: MedicalRecordTemplate | None = None
        is_edited = bool(self.edit) and not self.is_preview
        if is_edited:
            typed = {name: data[name] for name in self.base_fields if name in data}
            kwargs["initial"] = {**kwargs.get("initial", {}), **typed}
        super().__init__(*((None, None) if is_edited else (data, files)), **kwargs)
        if not self.instance.pk:
            del self.fields["version"]
        self.questions = self._questions(data)

    @property
    def is_preview(self) -> bool:
        """Whether the form is to be checked and shown as it will be, and not to be saved."""
        return self.edit == PREVIEW

    def _questions(self, data: Any) -> Any:
        if self.instance.pk and not can_be_edited(self.instance.fields):
            return None
        known = StoredQuestions(self.instance)
        if self.is_bound and TOTAL in data:
            return QuestionFormSet(data, known=known)
        if self.edit:
            after = edited(list(sent_rows(data)), self.edit)
            return QuestionFormSet(initial=after.rows, focus=after.focus, moved_to=after.moved_to, known=known)
        return QuestionFormSet(initial=stored_rows(known), known=known)

    @property
    def _has_questions(self) -> bool:
        """Whether the form was sent with questions; if not, the template keeps those that it has."""
        return self.questions is not None and self.questions.is_bound

    def is_valid(self) -> bool:
        return super().is_valid() and not self.is_preview

    def clean(self) -> dict[str, Any] | None:
        if self.instance.pk:
            self._check_version()
        if self._has_questions:
            self._check_questions()
        return super().clean()

    def _check_version(self) -> None:
        # The admin saves in the transaction in which it validates: the lock holds until then.
        current = MedicalRecordTemplate.objects.select_for_update().get(pk=self.instance.pk)
        if current.version == self.cleaned_data.get("version"):
            return
        self.conflict = current
        # Whoever saves again has seen what they replace.
        self.data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        self.data["version"] = current.version  # type: ignore[index]
        self.add_error(None, _("Somebody else has changed this template meanwhile. Nothing has been saved yet."))

    def _check_questions(self) -> None:
        self.questions.check()
        if not self.questions.is_valid():
            self.questions.focus_on_first_error()
            self.add_error(None, _("Some questions need a correction. What is wrong is said at each."))

    def typed(self) -> dict[str, Any]:
        """Return the template as it was typed, however much of that is valid."""
        names = {name: self[name].value() or "" for name in ("name", "description")}
        fields = self.questions.typed_fields() if self._has_questions else entries_in_order(self.instance.fields)
        return {**names, "fields": fields}

    def columns(self) -> dict[str, Any]:
        """Return what is to be saved, as the services take it; the questions only where they have changed."""
        columns = {name: self.cleaned_data[name] for name in ("name", "description")}
        if self.instance.pk and not (self._has_questions and self.questions.have_changed()):
            return columns
        columns["fields"] = self.questions.typed_fields()
        return {**columns, "foreign": self.questions.foreign_fields()} if self.instance.pk else columns
