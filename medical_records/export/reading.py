"""The rows of an export, in one state of the database, a few at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar

from django.db import connection, transaction

from clinic_project.api.fields import is_number
from clinic_project.api.serializers import text_of, texts_of
from clinic_project.audit.history import parsed_jsonb
from clinic_project.clinics.models import Patient
from clinic_project.clinics.querysets import TrashQuerySet

from ..models import MedicalRecord

#: Rows read at once. A record may take a megabyte.
BATCH = 50

#: What users are called, by their ids.
Names = dict[int | None, str]

_JSON = ("template_snapshot", "values")

Rows = TypeVar("Rows", bound=TrashQuerySet[Any])


@contextmanager
def one_state() -> Iterator[None]:
    """Let all that is read inside be of one state of the database, whatever is committed meanwhile.

    Inside a transaction, it is as that reads.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def in_batches(rows: Rows) -> Iterator[Rows]:
    """Yield `rows`, the oldest first, a few in each: without a cursor in the database, which a pooler may not keep."""
    ids = list(rows.order_by("created_at", "pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        yield rows.filter(pk__in=ids[start : start + BATCH]).order_by("created_at", "pk")


def whole_records(patient: Patient) -> Iterator[list[MedicalRecord]]:
    """Yield all records of a patient a few at a time, as `in_batches`.

    Numbers are as the database has them: Decimals where a float might round.
    """
    for batch in in_batches(MedicalRecord.objects.of_patient(patient)):
        found = list(batch.defer(*_JSON).annotate(**texts_of(*_JSON)))
        for record in found:
            record.patient, record.clinic = patient, patient.clinic
            for name in _JSON:
                setattr(record, name, parsed_jsonb(getattr(record, text_of(name))))
        yield found


def is_exact_number(value: Any) -> bool:
    """Tell whether a value of such a record is a number of its JSON."""
    return is_number(value) or isinstance(value, Decimal)
