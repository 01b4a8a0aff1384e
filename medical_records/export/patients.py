"""Puts together the copy of all that a clinic has of a patient."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import chain
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation

from clinic_project.api.renderers import as_json
from clinic_project.api.serializers import RowSerializer
from clinic_project.clinics.access_log import ORDERING, accesses_to
from clinic_project.clinics.api.patients import PatientAccesses
from clinic_project.clinics.api.serializers import PatientDetailOutputSerializer
from clinic_project.clinics.models import Patient
from clinic_project.clinics.people import member_names

from ..api.history import entry_of
from ..api.serializers import PhotoOutputSerializer, RecordDetailOutputSerializer
from ..history import History, read_histories, read_history
from ..models import MedicalRecord, PatientPhoto
from ..printed_records import Print
from .archive import Archive
from .exceptions import ChangedMeanwhile, as_no_room
from .fhir import Bundle
from .page import Page
from .pictures import Pictures, problems_text
from .reading import BATCH, Names, in_batches, one_state, whole_records


def export_patient(patient: Patient, made_by: str, made_at: datetime) -> Archive:
    """Return the finished zip of all that the clinic has of a patient, the trash included.

    `made_by` is the name of who asks for it. Raises DoesNotExist where the patient has gone, StorageUnavailable where the
    storage is away, ChangedMeanwhile, NoRoom, and what the database raises. What people read is in the language that is
    active; what programs read is in English.
    """
    with as_no_room(), ExitStack() as stack:
        archive = Archive(made_at)
        stack.callback(archive.close)
        _Export(archive, patient, made_by, made_at).write()
        stack.pop_all()
    return archive


class _Export:
    """One export: its parts are written one after the other, each read a few rows at a time."""

    def __init__(self, archive: Archive, patient: Patient, made_by: str, made_at: datetime) -> None:
        self._archive = archive
        self._patient = patient
        self._printed = Print(made_at, made_by)
        self._pictures = Pictures(archive)
        self._records, self._photos = (
            MedicalRecord.objects.of_patient(patient),
            PatientPhoto.objects.of_patient(patient),
        )

    def write(self) -> None:
        # Before the one state: it would be kept from being cleaned up as long as all pictures take.
        for _ in self._each_picture():
            pass
        with one_state():
            self._patient.refresh_from_db()
            self._check_pictures()
            names = member_names(self._patient.clinic)
            self._write_data(names)
            self._write_member("index.html", self._page(names))
        self._write_texts()
        self._archive.finish()

    def _each_picture(self) -> Iterator[int]:
        for batch in in_batches(self._photos):
            for photo in batch:
                yield self._pictures[photo].photo_id

    def _check_pictures(self) -> None:
        """Add the pictures that were uploaded since, and raise ChangedMeanwhile where one of the others has gone."""
        if self._pictures.ids - set(self._each_picture()):
            raise ChangedMeanwhile
        self._pictures.check_storage()

    @translation.override("en")
    def _write_data(self, names: Names) -> None:
        self._write_json()
        self._write_histories()
        self._write_member("access-log.json", _array(self._accesses()))
        self._write_member("fhir.json", _bundle(self._printed.at, self._fhir(names)))

    def _write_json(self) -> None:
        patient = Patient.objects.filter(pk=self._patient.pk)
        self._write_rows("patient.json", PatientDetailOutputSerializer, [patient])
        self._write_rows("records/{id}.json", RecordDetailOutputSerializer, in_batches(self._records))
        self._write_rows("photos/{id}.json", PhotoOutputSerializer, in_batches(self._photos))

    def _write_rows(self, name: str, serializer: type[RowSerializer], batches: Iterable[Any]) -> None:
        for batch in batches:
            for row in serializer.represent(list(serializer.read(batch))):
                self._archive.add(name.format(id=row["id"]), as_json(row))

    def _write_histories(self) -> None:
        self._archive.add("history/patient.json", _changes(read_history(self._patient)))
        for folder, rows in (("records", self._records), ("photos", self._photos)):
            for batch in in_batches(rows):
                found = list(batch)
                for row, history in zip(found, read_histories(found), strict=True):
                    self._archive.add(f"history/{folder}/{row.pk}.json", _changes(history))

    def _accesses(self) -> Iterator[dict[str, Any]]:
        accesses = PatientAccesses(self._patient.pk)
        rows = accesses.read(accesses_to(self._patient).order_by(*ORDERING))
        for row in rows.iterator(BATCH):
            yield from accesses.represent([row])

    def _page(self, names: Names) -> Iterator[bytes]:
        page = Page(self._patient, self._pictures, names, self._printed)
        yield page.head().encode()
        for piece in chain(page.records(), page.gallery()):
            yield piece.encode()
        yield page.tail().encode()

    def _fhir(self, names: Names) -> Iterator[dict[str, Any]]:
        bundle = Bundle(self._patient, names)
        yield bundle.patient()
        for records in whole_records(self._patient):
            for record in records:
                yield from bundle.record(record)
        for batch in in_batches(self._photos):
            for photo in batch:
                yield bundle.photo(photo, self._pictures[photo])

    def _write_texts(self) -> None:
        problems = self._pictures.problems
        if problems:
            self._archive.add("PROBLEMS.txt", problems_text(problems).encode())
        context = {
            "clinic": self._patient.clinic,
            "patient_id": self._patient.pk,
            "printed": self._printed,
            "problems": problems,
        }
        self._archive.add("README.txt", render_to_string("medical_records/export/README.txt", context).encode())

    def _write_member(self, name: str, pieces: Iterable[bytes]) -> None:
        with self._archive.member(name) as write:
            for piece in pieces:
                write(piece)


def _changes(history: History) -> bytes:
    return as_json([entry_of(change) for change in history.changes])


def _bundle(made_at: datetime, entries: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a Bundle of these entries as JSON: https://hl7.org/fhir/R4/bundle.html"""
    yield b'{"resourceType":"Bundle","type":"collection","timestamp":' + as_json(made_at) + b',"entry":'
    yield from _array(entries)
    yield b"}\n"


def _array(items: Iterable[Any]) -> Iterator[bytes]:
    """Yield a JSON array of these, an item a line."""
    before = b"[\n"
    for item in items:
        yield before + as_json(item)
        before = b",\n"
    yield b"[]" if before == b"[\n" else b"\n]"
