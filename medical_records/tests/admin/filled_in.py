"""What a browser sends of a form that is filled in."""

from typing import Any

from django.forms import MultipleChoiceField
from django.urls import reverse

from medical_records.models import MedicalRecord


def add_url(patient: Any = None, template: Any = None, **query: Any) -> str:
    chosen = {"patient": getattr(patient, "pk", patient), "template": getattr(template, "pk", template), **query}
    return reverse(
        "admin:medical_records_medicalrecord_add",
        query={name: value for name, value in chosen.items() if value is not None},
    )


def answers_url(record: MedicalRecord) -> str:
    return reverse("admin:medical_records_medicalrecord_answers", args=[record.pk])


def sent(page: Any, **typed: Any) -> dict[str, Any]:
    """Return what the form of a page sends: what it shows, and what is typed by the labels of its questions."""
    form = page.context["form"]
    data = {"version": form.version, **({"key": form.key} if hasattr(form, "key") else {})}
    for row in form.rows:
        if row.input is not None:
            shown = row.input.value()
            blank: Any = [] if isinstance(row.input.field, MultipleChoiceField) else ""
            data[row.input.html_name] = typed.get(row.label, blank if shown is None else shown)
    return data


def errors(page: Any) -> dict[str, list[str]]:
    """Return the errors of a page's form by the labels of the questions that they stand at; others by an empty one."""
    form = page.context["form"]
    found = {str(row.label): [*row.input.errors] for row in form.rows_with_errors}
    general = [str(error) for error in form.non_field_errors()]
    return found | ({"": general} if general else {})


def answers(record: MedicalRecord) -> dict[str, Any]:
    """Return the answers of a record as it is stored now, by the labels of its questions."""
    record.refresh_from_db()
    labels = {field["id"]: field["label"] for field in record.template_snapshot["fields"]}
    return {labels.get(key, key): value for key, value in record.values.items()}
