"""The records of a template as CSV: a row for each record, a column for each field.

It is for spreadsheets, Excel above all: UTF-8 with a byte order mark, without which Excel takes it for the encoding of its
country (Big5 in Taiwan); CRLF, as in RFC 4180; times that it knows for times. Text that a spreadsheet would calculate begins
with an apostrophe: https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import IO, Any

from django.db.models import Max
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from clinic_project.api.fields import normalized_uuid
from clinic_project.api.serializers import text_of, texts_of
from clinic_project.audit.accesses import show
from clinic_project.audit.history import parsed_jsonb
from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.people import member_names, without_address

from ..filled_form import fields_in_order
from ..models import MedicalRecord, MedicalRecordTemplate
from ..querysets import RecordQuerySet
from ..template_fields import answers_by_field, snapshot_fields, unit_of
from .exceptions import as_no_room
from .reading import Names, in_batches, is_exact_number, one_state

#: What begins a formula, in full width too, or may hide one that follows.
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")  # noqa: RUF001 - full width is meant
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)*")

#: In the language of who asks: programs, by the API, have them in English.
_HEADING = (
    pgettext_lazy("column of a file", "record"),
    pgettext_lazy("column of a file", "patient"),
    _("patient's name"),
    _("created (UTC)"),
    _("created by"),
    _("changed (UTC)"),
    pgettext_lazy("column of a file", "version"),
    _("signed (UTC)"),
    _("signed by"),
)

#: A field's id and what its column is called.
Column = tuple[str, str]


def write_csv(template: MedicalRecordTemplate) -> IO[bytes]:
    """Return a temporary file with the records of a template, the oldest first: not the trash, nor what was an error.

    Fields that only records from before a change of the template have come last. Raises what the database raises, and
    NoRoom.
    """
    with as_no_room(), ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        with one_state():
            csv.writer(text, quoting=csv.QUOTE_ALL).writerows(_rows(template))
        text.detach()
        file.seek(0)
        stack.pop_all()
    return file


def _rows(template: MedicalRecordTemplate) -> Iterator[list[str]]:
    of_clinic = MedicalRecord.objects.for_clinic(template.clinic_id)
    records = of_clinic.filter(template=template).active().without_errors()
    columns = list(_columns(template, records))
    names = member_names(template.clinic)
    yield [*map(str, _HEADING), *(safe(label) for _, label in columns)]
    known = (
        *("id", "patient_id", "patient__full_name", "created_at", "created_by_user_id", "updated_at", "version"),
        *("signed_at", "signed_by_name"),
    )
    for batch in in_batches(records):
        for row in batch.values(*known, **texts_of("values")):
            show(records=[(row["id"], row["patient_id"])])
            yield [*_known(row, names), *_answers(row, columns)]


def _columns(template: MedicalRecordTemplate, records: RecordQuerySet) -> Iterator[Column]:
    """Yield the fields of the template, and those that only snapshots have, as the newest of these calls them."""
    snapshots = records.order_by().values("template_snapshot").annotate(last=Max("created_at")).order_by("-last")
    current = _labelled({"fields": template.fields}, "%(label)s")
    former: dict[str, str] = {}
    for row in snapshots:
        former = _labelled(row["template_snapshot"], gettext("%(label)s (former field)")) | former
    labels = former | current
    times = Counter(labels.values())
    for field_id in [*current, *(field_id for field_id in former if field_id not in current)]:
        label = labels[field_id]
        yield field_id, label if times[label] == 1 else f"{label} ({field_id})"


def _labelled(form: Any, called: str) -> dict[str, str]:
    """Return what the columns of a form's fields are `called`, by the fields' ids, in the order of the form."""
    fields = fields_in_order(list(snapshot_fields(form).values()))
    return {normalized_uuid(field["id"]): called % {"label": _label(field)} for field in fields}


def _label(field: Mapping[str, Any]) -> str:
    label, unit = as_text(field.get("label")) or gettext("(no label)"), unit_of(field)
    return f"{label} [{unit}]" if unit else label


def _known(row: Mapping[str, Any], names: Names) -> list[str]:
    return [
        str(row["id"]),
        str(row["patient_id"]),
        safe(row["patient__full_name"]),
        _time(row["created_at"]),
        safe(names.get(row["created_by_user_id"]) or ""),
        _time(row["updated_at"]),
        str(row["version"]),
        _time(row["signed_at"]) if row["signed_at"] else "",
        safe(without_address(row["signed_by_name"])),
    ]


def _answers(row: Mapping[str, Any], columns: Iterable[Column]) -> list[str]:
    answers = answers_by_field(parsed_jsonb(row[text_of("values")]))
    return [_cell(answers.get(field_id)) for field_id, _ in columns]


def _cell(value: Any) -> str:
    if is_exact_number(value):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return safe("; ".join(value))
    return safe(as_text(value))


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def safe(text: str) -> str:
    """Return a text that no spreadsheet calculates. A number stays one: it calculates nothing."""
    is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text
