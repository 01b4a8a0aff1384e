"""The questions that a template has in the database, and had, each by the reference that a form names it by."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from clinic_project.api.fields import normalized_uuid
from clinic_project.clinics.administration.json_text import as_stored

from ..filled_form import entries_in_order
from ..history import read_history
from ..models import MedicalRecordTemplate
from ..template_fields import MAX_FIELDS, has_known_shape

#: Begins the references of what can't be edited.
_FOREIGN = "foreign-"


def can_be_edited(fields: Any) -> bool:
    """Tell whether `fields` is a list that a form can show: rows of older systems may hold anything."""
    return isinstance(fields, list) and len(fields) <= MAX_FIELDS


def is_foreign(reference: str) -> bool:
    """Tell whether it is what another program has made, and the form has no inputs for: it stays as it is."""
    return reference.startswith(_FOREIGN)


class StoredQuestions:
    """What `template`, which may be a new one, has as its fields. `references` are in the order of the form."""

    def __init__(self, template: MedicalRecordTemplate) -> None:
        self._template = template
        self._now = dict(_by_reference(template.fields))
        self.references = list(self._now)

    def __contains__(self, reference: str) -> bool:
        """Whether the template has a question with that reference, or once had it."""
        return bool(reference) and (reference in self._now or reference in self._removed)

    def __getitem__(self, reference: str) -> Any:
        return self._now[reference] if reference in self._now else self._removed[reference]

    @cached_property
    def _removed(self) -> dict[str, Any]:
        """What the history tells: somebody else may have removed what a form still has."""
        changes = reversed(read_history(self._template).changes) if self._template.pk else ()
        rows = (row for change in changes for row in (change.before, change.after) if row)
        return {reference: as_stored(entry) for row in rows for reference, entry in _by_reference(row.get("fields"))}


def _by_reference(fields: Any) -> Iterator[tuple[str, Any]]:
    """Yield what can be edited by its id, and anything else by what it is."""
    seen: Counter[str] = Counter()
    for entry in entries_in_order(fields):
        reference = normalized_uuid(entry["id"]) if has_known_shape(entry) else ""
        if not reference or seen[reference]:
            reference = _digest(entry)
        seen[reference] += 1
        yield (f"{reference}-{seen[reference]}" if seen[reference] > 1 else reference), entry


def _digest(entry: Any) -> str:
    """Return what names an entry wherever in the form it is."""
    content = {key: value for key, value in entry.items() if key != "order"} if isinstance(entry, dict) else entry
    text = json.dumps(content, sort_keys=True, default=str)
    return f"{_FOREIGN}{hashlib.sha256(text.encode()).hexdigest()[:32]}"
