"""Fills the demo's clinics with patients, appointments, records and photos, in bulk.

A patient comes with everything that is theirs in one transaction, so a load that is cut short is simply continued by
the next: it counts the patients that are there and makes the others. The first ones of each clinic are made here, those
of a large scale are copies of them.
"""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from faker import Faker

from clinic_project.clinics.factories import AppointmentFactory, CalendarEventFactory, PatientFactory
from clinic_project.clinics.models import Appointment, CalendarEvent, Clinic, Membership, Patient, User
from medical_records.factories import (
    MedicalRecordFactory,
    MedicalRecordTemplateFactory,
    PatientPhotoFactory,
    snapshot_of,
)
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.photos.processing import CONTENT_TYPE, ProcessedImage, process_image
from medical_records.photos.storage import PhotoFile

from .copies import copy_patients
from .paintings import PAINTERS, paint
from .people import PATIENTS, load_staff
from .templates import TEMPLATES, SampleTemplate

#: Patients a transaction.
BATCH, BATCH_OF_COPIES = 200, 5_000
#: How many times scale 1 is made here; beyond, patients are copied.
ORIGINALS = 5
#: Different images of each kind: more photos than that share files.
IMAGES = 6

_TABLES = (CalendarEvent, Appointment, Patient, MedicalRecordTemplate, MedicalRecord, PatientPhoto)


@dataclass
class Rows:
    """What is to be inserted together, in the order in which one needs the other."""

    patients: list[Patient] = field(default_factory=list)
    events: list[CalendarEvent] = field(default_factory=list)
    appointments: list[Appointment] = field(default_factory=list)
    records: list[MedicalRecord] = field(default_factory=list)
    photos: list[PatientPhoto] = field(default_factory=list)

    def insert(self) -> None:
        Patient.objects.bulk_create(self.patients)
        CalendarEvent.objects.bulk_create(self.events)
        Appointment.objects.bulk_create(self.appointments)
        MedicalRecord.objects.bulk_create(self.records)
        PatientPhoto.objects.bulk_create(self.photos)


def load_demo(scale: int, password: str, advance: Callable[[int], None]) -> None:
    """Make the patients that the demo lacks to have `scale` times its usual number; call `advance` with how many were made.

    Every user gets `password`.
    """
    with transaction.atomic():
        clinics = load_staff(password)
        loaders = [ClinicLoader(clinic) for clinic in clinics]
    for loader in loaders:
        originals = PATIENTS[loader.clinic.name] * min(scale, ORIGINALS)
        for numbers in _batches(missing_patients(loader.clinic, originals), BATCH):
            with transaction.atomic():
                loader.load_patients(numbers)
            advance(len(numbers))
        for numbers in _batches(missing_patients(loader.clinic, PATIENTS[loader.clinic.name] * scale), BATCH_OF_COPIES):
            with transaction.atomic():
                copy_patients(loader.clinic, len(numbers), originals)
            advance(len(numbers))
    with connection.cursor() as cursor:
        # The admin's counts and the planner go by these statistics.
        cursor.execute(f"ANALYZE {', '.join(connection.ops.quote_name(model._meta.db_table) for model in _TABLES)}")


def missing_patients(clinic: Clinic, wanted: int) -> range:
    """Return the numbers of the patients that `clinic` lacks to have `wanted`."""
    return range(Patient.objects.filter(clinic=clinic).count(), wanted)


def _batches(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


class ClinicLoader:
    """Fills one clinic with patients, by its templates and practitioners."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.authors = _practitioners(clinic)
        self.templates = {sample.name: self._template(sample) for sample in TEMPLATES}
        self.now = timezone.now()
        self._images: dict[tuple[str, int], ProcessedImage] = {}

    def _template(self, sample: SampleTemplate) -> MedicalRecordTemplate:
        found = MedicalRecordTemplate.objects.for_clinic(self.clinic).filter(name=sample.name).first()
        return found or MedicalRecordTemplateFactory.create(
            clinic=self.clinic,
            name=sample.name,
            description=sample.description,
            fields=sample.fields(),
            created_by_user=self.authors[0],
        )

    def load_patients(self, numbers: range) -> None:
        """Insert the patients of these numbers and all that is theirs."""
        rows = Rows()
        for number in numbers:
            random = Random(f"{self.clinic.name}/{number}")  # noqa: S311 - the same demo at every load
            self._add_patient(random, rows)
        rows.insert()

    def _add_patient(self, random: Random, rows: Rows) -> None:
        patient = _patient(self.clinic, random, self.now)
        rows.patients.append(patient)
        usual = random.sample(TEMPLATES, k=random.randint(1, 3))
        for _ in range(random.randint(1, 8)):
            self._add_visit(patient, random.choice(usual), random, rows)
        if random.random() < 0.25:
            rows.photos.extend(self._photo(patient, "skin", "Sent in by the patient", random) for _ in range(2))

    def _add_visit(self, patient: Patient, sample: SampleTemplate, random: Random, rows: Rows) -> None:
        moment = self._moment(random)
        author = random.choice(self.authors)
        event = CalendarEventFactory.build(
            user=author,
            clinic=self.clinic,
            date=moment.date(),
            start_time=moment.time(),
            end_time=None,
            created_at=moment,
        )
        appointment = AppointmentFactory.build(patient=patient, calendar_event=event)
        record = self._record(patient, sample, appointment, random)
        rows.events.append(event)
        rows.appointments.append(appointment)
        rows.records.append(record)
        if sample.images and random.random() < 0.7:
            captions = random.sample(sample.captions, k=random.randint(1, min(3, len(sample.captions))))
            rows.photos.extend(
                self._photo(patient, sample.images, caption, random, medical_record=record) for caption in captions
            )

    def _record(
        self, patient: Patient, sample: SampleTemplate, appointment: Appointment, random: Random
    ) -> MedicalRecord:
        moment, author = appointment.calendar_event.created_at, appointment.calendar_event.user
        template = self.templates[sample.name]
        next_visit = moment.date() + datetime.timedelta(days=random.choice([14, 28, 90, 180]))
        record: MedicalRecord = MedicalRecordFactory.build(
            patient=patient,
            template=template,
            template_snapshot=snapshot_of(template),
            values=sample.values(random, next_visit.isoformat()),
            appointment=appointment,
            version=random.choice([1, 1, 1, 2, 3]),
            created_at=moment,
            updated_at=moment + datetime.timedelta(minutes=random.randint(2, 40)),
            created_by_user=author,
            **self._perhaps_in_trash(random),
        )
        return record

    def _photo(self, patient: Patient, kind: str, caption: str, random: Random, **more: Any) -> PatientPhoto:
        image = self._kept_image(kind, random.randrange(IMAGES))
        file = PhotoFile(self.clinic.pk, image.sha256)
        record = more.get("medical_record")
        gone = {"is_deleted": record.is_deleted, "deleted_at": record.deleted_at} if record else {}
        photo: PatientPhoto = PatientPhotoFactory.build(
            patient=patient,
            filename=f"IMG_{random.randint(1000, 9999)}.jpg",
            storage_key=file.key,
            thumbnail_key=file.thumbnail_key,
            content_hash=file.sha256,
            content_type=CONTENT_TYPE,
            size_bytes=len(image.jpeg),
            description=caption,
            created_at=record.created_at if record else self._moment(random),
            uploaded_by_user=record.created_by_user if record else random.choice(self.authors),
            **{**self._perhaps_in_trash(random), **gone, **more},
        )
        return photo

    def _kept_image(self, kind: str, number: int) -> ProcessedImage:
        if (kind, number) not in self._images:
            image = _image(kind, number)
            file = PhotoFile(self.clinic.pk, image.sha256)
            file.lock()
            file.save(image)
            self._images[kind, number] = image
        return self._images[kind, number]

    def _moment(self, random: Random) -> datetime.datetime:
        """Return a time in the last three years, in opening hours."""
        day = self.now - datetime.timedelta(days=random.randint(1, 1095))
        return day.replace(hour=random.randint(8, 17), minute=random.choice([0, 15, 30, 45]), second=0, microsecond=0)

    def _perhaps_in_trash(self, random: Random) -> dict[str, Any]:
        if random.random() >= 0.04:
            return {}
        return {"is_deleted": True, "deleted_at": self.now - datetime.timedelta(days=random.randint(0, 20))}


def _patient(clinic: Clinic, random: Random, now: datetime.datetime) -> Patient:
    fake = _faker()
    gender = random.choice(["female", "male"])
    fake.seed_instance(random.random())
    first = fake.first_name_female() if gender == "female" else fake.first_name_male()
    patient: Patient = PatientFactory.build(
        clinic=clinic,
        full_name=f"{first} {fake.last_name()}",
        gender=gender,
        birthday=now.date() - datetime.timedelta(days=random.randint(400, 33000)),
        phone_number=f"+1 555 {random.randint(0, 999):03} {random.randint(0, 9999):04}",
        notes=random.choice([None, None, None, "Prefers to be called in the morning.", "Comes with an interpreter."]),
        created_at=now - datetime.timedelta(days=1100),
    )
    return patient


@cache
def _faker() -> Faker:
    return Faker("en_GB")


def _practitioners(clinic: Clinic) -> list[User]:
    memberships = Membership.objects.filter(clinic=clinic, roles__contains=[Membership.Role.PRACTITIONER])
    return [membership.user for membership in memberships.select_related("user").order_by("pk")]


@cache
def _image(kind: str, number: int) -> ProcessedImage:
    return process_image(paint(kind, number + 10 * sorted(PAINTERS).index(kind)))
