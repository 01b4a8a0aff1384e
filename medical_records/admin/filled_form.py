"""A record as the form that its snapshot describes, filled in, for reading.

Records of another program may hold anything in their JSON: what isn't a form is shown as it is, and nothing raises.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.dateparse import parse_date
from django.utils.formats import date_format

CHOICES = frozenset({"dropdown", "radio", "checkbox"})


@dataclass(frozen=True, slots=True)
class Option:
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One question and what was answered: `text`, or `options` for a question that has them."""

    label: str
    type: str
    required: bool = False
    hint: str = ""
    text: str = ""
    options: list[Option] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.text and not any(option.is_chosen for option in self.options)

    @property
    def is_unanswered(self) -> bool:
        """Whether it has to be said: of boxes, that none is ticked shows."""
        return self.is_empty and self.type != "checkbox"

    @property
    def is_missing(self) -> bool:
        return self.required and self.is_empty


@dataclass(frozen=True, slots=True)
class FilledForm:
    """`rest` is what no question asks for, as indented JSON; empty where there is nothing."""

    name: str
    description: str
    answers: list[Answer]
    rest: str


def filled_form(snapshot: Any, values: Any) -> FilledForm:
    """Return the form of `snapshot` with `values` filled in."""
    snapshot = snapshot if isinstance(snapshot, dict) else {"fields": snapshot}
    answered = values if isinstance(values, dict) else {}
    asked = list(questions(snapshot.get("fields")))
    answers = [_answer(question, answered.get(str(question.get("id")))) for question in asked]
    return FilledForm(
        name=as_text(snapshot.get("name")),
        description=as_text(snapshot.get("description")),
        answers=answers,
        rest=_rest(values, {str(question.get("id")) for question in asked}),
    )


def questions(fields: Any) -> Iterator[dict[str, Any]]:
    """Yield the questions of a template's or a snapshot's `fields`, in the order in which they are asked."""
    found = [question for question in fields if isinstance(question, dict)] if isinstance(fields, list) else []
    yield from sorted(found, key=lambda question: _order(question.get("order")))


def as_text(value: Any) -> str:
    """Return any JSON value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(as_text(item) for item in value)
    return as_json(value) if isinstance(value, list | dict) else str(value)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _order(order: Any) -> float:
    return order if isinstance(order, int | float) else float("inf")


def _answer(question: dict[str, Any], value: Any) -> Answer:
    kind = as_text(question.get("type"))
    options = list(_options(question.get("options"), value)) if kind in CHOICES else []
    return Answer(
        label=as_text(question.get("label")) or "(no label)",
        type=kind,
        required=question.get("required") is True,
        hint=as_text(question.get("description")),
        text="" if options else _text(kind, value),
        options=options,
    )


def _options(options: Any, value: Any) -> Iterator[Option]:
    """Yield the options, and last what was answered without being one of them."""
    offered = [as_text(option) for option in options] if isinstance(options, list) else []
    chosen = [as_text(item) for item in (value if isinstance(value, list) else [value]) if item not in (None, "")]
    yield from (Option(option, option in chosen) for option in offered)
    yield from (Option(answer, is_chosen=True) for answer in chosen if answer not in offered)


def _text(kind: str, value: Any) -> str:
    if kind == "date" and isinstance(value, str):
        try:
            day = parse_date(value)
        except ValueError:
            day = None
        return date_format(day) if day else value
    return as_text(value)


def _rest(values: Any, asked: set[str]) -> str:
    if isinstance(values, dict):
        values = {key: value for key, value in values.items() if key not in asked}
    return as_json(values) if values else ""
