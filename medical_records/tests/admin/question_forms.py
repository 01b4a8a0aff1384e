"""What a browser sends of the question editor."""

from typing import Any

Question = dict[str, Any]


def sent(questions: list[Question], **columns: Any) -> dict[str, Any]:
    """Return what the form sends for these questions, each with those of its inputs that aren't empty."""
    data = {"name": "First visit", "description": "", "questions-TOTAL_FORMS": len(questions)}
    data["questions-INITIAL_FORMS"] = len(questions)
    for place, question in enumerate(questions):
        data |= {f"questions-{place}-{name}": value for name, value in {"type": "text", **question}.items()}
    return data | columns


def as_typed(field: dict[str, Any]) -> Question:
    """Return what the inputs of a stored question hold."""
    texts = {name: value for name, value in field.items() if isinstance(value, str | int | float) and name != "order"}
    options = {"options": "\r\n".join(field["options"])} if field.get("options") else {}
    return {**texts, **options, "required": "on" if texts.pop("required", False) else ""}


def shown(page) -> list[str]:
    """Return the labels of the questions that the editor shows, in its order; those that will be removed in brackets."""
    questions = page.context["questions"]
    return [f"({form.name})" if form.is_removed else form.name for form in questions]


def errors(page) -> dict[str, list[str]]:
    """Return the errors of the questions by the input that they stand at."""
    return {form.add_prefix(name): found for form in page.context["questions"] for name, found in form.errors.items()}
