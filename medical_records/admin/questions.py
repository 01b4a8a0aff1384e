"""The questions of a template as a form: each is one of a formset, in their order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.renderers import get_default_renderer
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.api.fields import is_number
from clinic_project.clinics.administration.json_text import as_text

from ..template_fields import MAX_FIELDS, MAX_HINT, MAX_LABEL, MAX_UNIT, FieldType, prepared_fields
from .inputs import LinesField, NumberField, OptionsField, TextField, TypeField
from .question_edits import Focus, Row
from .stored_questions import StoredQuestions, is_foreign

#: The input with the number of questions.
TOTAL = "questions-TOTAL_FORMS"

#: What every question has. The database keeps what the form leaves out.
_NEW = {"label": "", "type": FieldType.TEXT.value, "required": False}


@dataclass(frozen=True, slots=True)
class Button:
    """A button at a question; `value` is what `question_edits.edited` takes."""

    value: str
    text: Any
    has_focus: bool
    is_disabled: bool


class QuestionForm(forms.Form):
    """One question. `id` is the reference of a stored one, and empty for a new one.

    `stored` is what the database has of it. Where another program has made that, the form has no inputs for it.
    """

    id = forms.CharField(required=False, widget=forms.HiddenInput)
    label = TextField(max_length=MAX_LABEL, label=_("Question"))
    type = TypeField(label=_("Type"))
    required = forms.BooleanField(required=False, label=_("Required"))
    description = LinesField(max_length=MAX_HINT, label=_("Description"))
    placeholder = TextField(max_length=MAX_HINT, label=_("Placeholder"))
    options = OptionsField(label=_("Options, one a line"))
    unit = TextField(max_length=MAX_UNIT, label=_("Unit"))
    min = NumberField(label=_("Smallest number"))
    max = NumberField(label=_("Largest number"))

    def __init__(self, *args: Any, known: StoredQuestions, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reference = self.data.get(self.add_prefix("id")) if self.is_bound else self.initial.get("id")
        self.reference: str = reference or ""
        self.is_stored = self.reference in known
        self.stored = known[self.reference] if self.is_stored else None
        self.position = self.count = 1
        self.focus = ""
        if self.is_foreign:
            self.fields = {"id": self.fields["id"]}
        if self.is_bound:
            self.initial = initial_of(self.reference, self.stored)

    @property
    def is_foreign(self) -> bool:
        return self.is_stored and is_foreign(self.reference)

    @property
    def is_removed(self) -> bool:
        """Whether it will be removed when the form is saved."""
        return bool(self.fields[DELETION_FIELD_NAME].to_python(self[DELETION_FIELD_NAME].value()))

    @property
    def name(self) -> str:
        """What the question is called as long as it hasn't been changed."""
        label = self.stored.get("label") if self.is_foreign and isinstance(self.stored, dict) else None
        return as_text(label) if self.is_foreign else as_text(self["label"].value())

    @property
    def buttons(self) -> Iterator[Button]:
        if self.is_removed:
            yield self._button("keep", _("Keep it"))
            return
        yield self._button("up", _("Move up"), is_disabled=self.position == 1)
        yield self._button("down", _("Move down"), is_disabled=self.position == self.count)
        yield self._button("add", _("Add one below"))
        yield self._button("remove", _("Remove"))

    def _button(self, action: str, text: Any, *, is_disabled: bool = False) -> Button:
        return Button(f"{action}-{self.position - 1}", text, has_focus=self.focus == action, is_disabled=is_disabled)

    @property
    def other_members(self) -> list[tuple[str, str]]:
        """What the form has no inputs for, by name: it stays as it is."""
        if not isinstance(self.stored, dict):
            return [(str(_("Entry")), as_text(self.stored))] if self.is_foreign else []
        shown = {"id", "order", "label"} if self.is_foreign else {"order", *self.fields}
        return [(name, as_text(value)) for name, value in self.stored.items() if name not in shown]

    def focus_on(self, *names: str) -> None:
        """Let the page begin at the first of the inputs with these names that there is."""
        for name in names:
            if name in self.fields and not self.fields[name].widget.is_hidden:
                self.fields[name].widget.attrs["autofocus"] = True
                return

    def clean(self) -> dict[str, Any]:
        """Let what wasn't changed stay as the database has it, such as a label that is longer than any can be here."""
        if self.is_stored:
            for name in {*self.errors}.difference(self.changed_data):
                del self.errors[name]
        return self.cleaned_data

    def clean_id(self) -> str:
        if self.reference and not self.is_stored:
            raise ValidationError(_("This template has no such question. Remove it, and add it anew."))
        return self.reference

    def add_rule_error(self, name: str, error: ValidationError) -> None:
        """Add what a rule says of an input, unless that has an error of its own: then it wasn't told what it says."""
        if name not in self.errors:
            self.add_error(name if name in self.fields else None, _in_words_of_the_editor(error))

    def typed(self) -> Any:
        """Return the question as it was typed: what wasn't changed, or is no valid input, as the database has it."""
        if self.is_foreign:
            return self.stored
        question = {**_NEW, **(self.stored or {})}
        typed = {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}
        cleared = {name for name, value in typed.items() if name not in _NEW and value in ("", None, [])}
        return {name: value for name, value in (question | typed).items() if name not in cleared}


class QuestionFormSet(forms.BaseFormSet):
    """The questions of a template; those that are marked as removed are still there, to be kept after all."""

    form = QuestionForm
    renderer = get_default_renderer()
    extra = min_num = 0
    max_num = MAX_FIELDS
    # More than one request can have, so that none is left out before they are counted.
    absolute_max = 5 * MAX_FIELDS
    can_order = validate_min = False
    can_delete = can_delete_extra = validate_max = True
    deletion_widget = forms.HiddenInput
    default_error_messages: ClassVar[Any] = {
        **forms.BaseFormSet.default_error_messages,
        "too_many_forms": _("A template has at most %(num)d questions."),
    }

    def __init__(
        self,
        data: Any = None,
        *,
        known: StoredQuestions,
        initial: Sequence[Row] | None = None,
        focus: Focus | None = None,
        moved_to: int | None = None,
    ) -> None:
        super().__init__(data, prefix="questions", initial=initial, form_kwargs={"known": known})
        self.known, self.focus, self.moved_to = known, focus, moved_to

    def initial_form_count(self) -> int:
        """All of them: a new question that is left blank is an error, not left out."""
        return self.total_form_count() if self.is_bound else super().initial_form_count()

    def _construct_form(self, i: int, **kwargs: Any) -> QuestionForm:
        form: QuestionForm = super()._construct_form(i, **kwargs)  # type: ignore[misc]  # not in its stubs
        form.position, form.count = i + 1, self.total_form_count()
        if self.focus and self.focus.position == i:
            form.focus = self.focus.control
            form.focus_on(self.focus.control)
        return form

    def focus_on_first_error(self) -> None:
        for form in self.remaining_forms:
            if form.errors:
                form.focus_on(*form.errors)
                return

    @property
    def said_of_move(self) -> str:
        """Return what is said when a question was moved; empty if none was."""
        if self.moved_to is None:
            return ""
        said = {"name": self.forms[self.moved_to].name, "place": self.moved_to + 1, "count": self.total_form_count()}
        return gettext("“%(name)s” is now question %(place)d of %(count)d.") % said

    @property
    def focuses_on_add(self) -> bool:
        return self.focus is not None and self.focus.position >= self.total_form_count()

    @property
    def remaining_forms(self) -> list[QuestionForm]:
        """The forms of the questions that the template will have."""
        return [form for form in self.forms if not form.is_removed]

    def typed_fields(self) -> list[Any]:
        """Return the questions as they were typed, numbered in their order unless the numbers that they have say it."""
        typed = [form.typed() for form in self.remaining_forms]
        orders: list[Any] = [field.get("order") for field in typed if isinstance(field, dict)]
        if all(map(is_number, orders)) and all(one < next_one for one, next_one in pairwise(orders)):
            return typed
        return [{**field, "order": place} if isinstance(field, dict) else field for place, field in enumerate(typed)]

    def have_changed(self) -> bool:
        """Tell whether there is anything to save."""
        is_same = [form.reference for form in self.remaining_forms] == self.known.references
        return not is_same or any(form.has_changed() for form in self.remaining_forms)

    def foreign_fields(self) -> list[Any]:
        """Return those of `typed_fields` that stay as another program has made them."""
        return [field for form, field in zip(self.remaining_forms, self.typed_fields(), strict=True) if form.is_foreign]

    def check(self) -> None:
        """Put each error at the question and the input that it is about: those of the inputs, and of the fields' rules."""
        if not self.errors or not self.have_changed():
            return
        try:
            prepared_fields(self.typed_fields(), self.foreign_fields())
        except ValidationError as error:
            for path, (rule,) in error.error_dict.items():
                _, place, name = path.split(".")
                self.remaining_forms[int(place)].add_rule_error(name, rule)


#: What the editor says where a rule of the fields isn't kept, by its code.
_SAID = {
    "blank-label": _("Write what is asked: a question can't be blank."),
    "repeated-id": _("This question is here twice. Remove one of the two."),
    "no-options": _("A question of the type “%(type)s” needs options. Write each on a line of its own."),
    "needless-options": _("A question of the type “%(type)s” has no options. Remove them, or choose another type."),
    "blank-option": _("An option can't be blank."),
    "repeated-option": _("Each option can be there only once."),
    "needless-unit": _("A question of the type “%(type)s” has no unit. Remove it, or choose the type “Number”."),
    "needless-min": _(
        "A question of the type “%(type)s” has no smallest number. Remove it, or choose the type “Number”."
    ),
    "needless-max": _(
        "A question of the type “%(type)s” has no largest number. Remove it, or choose the type “Number”."
    ),
    "max-below-min": _("The largest number can't be below the smallest, which is %(min)s."),
}


def _in_words_of_the_editor(error: ValidationError) -> ValidationError:
    params = dict(error.params or {})
    if "type" in params:
        params["type"] = FieldType(params["type"]).label
    return ValidationError(_SAID[str(error.code)], error.code, params)


def initial_of(reference: str, stored: Any) -> Row:
    """Return what the form of a stored question shows at first."""
    inputs: Mapping[str, Any] = stored if isinstance(stored, dict) and not is_foreign(reference) else {}
    return {**{name: inputs.get(name) for name in QuestionForm.base_fields}, "id": reference}


def stored_rows(known: StoredQuestions) -> list[Row]:
    return [initial_of(reference, known[reference]) for reference in known.references]


def sent_rows(data: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the questions as a form sent them, nothing of which has been checked."""
    count = str(data.get(TOTAL, ""))
    # Python reads no number of thousands of digits.
    for place in range(min(int(count) if count.isdecimal() and len(count) < 10 else 0, len(data))):
        names = (*QuestionForm.base_fields, DELETION_FIELD_NAME)
        yield {name: data.get(f"questions-{place}-{name}", "") for name in names}
