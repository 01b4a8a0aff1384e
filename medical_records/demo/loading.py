"""Fills the demo's clinics with patients, appointments, records and photos, in bulk.

A patient comes with everything that is theirs in one transaction, so a load that is cut short is simply continued by
the next: it counts the patients that are there and makes the others. The first ones of each clinic are made here, those
of a large scale are copies of them.
"""

import datetime
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from django.db import connection
from django.utils import timezone
from faker import Faker

from clinic_project.audit import transactions
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

from .changes import change_over_time, sign_most_records
from .copies import copy_patients
from .paintings import PAINTERS, SKIN_TONES, paint
from .people import OPENED, PATIENTS, load_staff
from .templates import TEMPLATES, SampleTemplate, Visit

#: Patients a transaction.
BATCH, BATCH_OF_COPIES = 200, 5_000
#: How many times scale 1 is made here; beyond, patients are copied.
ORIGINALS = 5
#: Different images of each kind: more photos than that share files. As many in each tone of skin.
IMAGES = 12
#: How many days ago the first visits may have been: three years.
PAST = 1095

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
    with transactions.atomic():
        clinics = load_staff(password)
        loaders = [ClinicLoader(clinic) for clinic in clinics]
    for loader in loaders:
        originals = PATIENTS[loader.clinic.name] * min(scale, ORIGINALS)
        for numbers in _batches(missing_patients(loader.clinic, originals), BATCH):
            with transactions.atomic():
                loader.load_patients(numbers)
            advance(len(numbers))
        change_over_time(loader.clinic)
        sign_most_records(loader.clinic)
        for numbers in _batches(missing_patients(loader.clinic, PATIENTS[loader.clinic.name] * scale), BATCH_OF_COPIES):
            with transactions.atomic():
                copy_patients(loader.clinic, len(numbers), originals)
            advance(len(numbers))
    with connection.cursor() as cursor:
        # The admin's counts and the planner go by these statistics.
        cursor.execute(f"ANALYZE {', '.join(connection.ops.quote_name(model._meta.db_table) for model in _TABLES)}")


def missing_patients(clinic: Clinic, total: int) -> range:
    """Return the numbers of the patients that `clinic` lacks to have `total`."""
    return range(Patient.objects.filter(clinic=clinic).count(), total)


def _batches(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


class ClinicLoader:
    """Fills one clinic with patients, by its templates and practitioners."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.authors = _practitioners(clinic)
        self.templates = {sample.name: self._template(sample) for sample in TEMPLATES}
        # In the clinic's time zone, in which its appointments and opening hours are.
        self.now = timezone.localtime()
        self._images: dict[tuple[str, int], ProcessedImage] = {}

    def _template(self, sample: SampleTemplate) -> MedicalRecordTemplate:
        found = MedicalRecordTemplate.objects.for_clinic(self.clinic).filter(name=sample.name).first()
        return found or MedicalRecordTemplateFactory.create(
            clinic=self.clinic,
            name=sample.name,
            description=sample.description,
            fields=sample.fields(),
            created_at=OPENED,
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
        birthday = self.now.date() - datetime.timedelta(days=random.randint(200, 33000))
        moments = sorted({self._moment(birthday, random) for _ in range(random.randint(1, 8))})
        patient = _patient(self.clinic, random, birthday, moments[0] - datetime.timedelta(minutes=20))
        rows.patients.append(patient)
        liked, usual = random.sample(TEMPLATES, k=len(TEMPLATES)), random.randint(1, 3)
        size, filled_in = random.uniform(0.93, 1.07), Counter[str]()
        for moment in moments:
            age = (moment.date() - birthday).days / 365.25
            sample = random.choice([sample for sample in liked if sample.fits(age)][:usual])
            filled_in[sample.name] += 1
            visit = Visit(moment.date(), age, size, filled_in[sample.name])
            self._add_visit(
                sample, sample.values(random, visit), self._appointment(patient, moment, random), random, rows
            )
        if random.random() < 0.25:
            moment, author = random.choice(moments), random.choice(self.authors)
            for _ in range(2):
                sent_in = {
                    "created_at": moment,
                    "uploaded_by_user": author,
                    **self._perhaps_in_trash(moment, random),
                }
                rows.photos.append(self._photo(patient, "skin", "Sent in by the patient", random, sent_in))

    def _appointment(self, patient: Patient, moment: datetime.datetime, random: Random) -> Appointment:
        event = CalendarEventFactory.build(
            user=random.choice(self.authors),
            clinic=self.clinic,
            date=moment.date(),
            start_time=moment.time(),
            end_time=(moment + datetime.timedelta(minutes=30)).time(),
            created_at=moment,
        )
        appointment: Appointment = AppointmentFactory.build(patient=patient, calendar_event=event)
        return appointment

    def _add_visit(
        self, sample: SampleTemplate, values: dict[str, Any], appointment: Appointment, random: Random, rows: Rows
    ) -> None:
        record = self._record(sample, values, appointment, random)
        rows.events.append(appointment.calendar_event)
        rows.appointments.append(appointment)
        rows.records.append(record)
        if sample.images and random.random() < 0.7:
            with_record = {
                "medical_record": record,
                "created_at": record.created_at,
                "uploaded_by_user": record.created_by_user,
                "is_deleted": record.is_deleted,
                "deleted_at": record.deleted_at,
                "updated_at": record.deleted_at,
            }
            for caption in random.sample(sample.captions, k=random.randint(1, min(3, len(sample.captions)))):
                rows.photos.append(self._photo(record.patient, sample.images, caption, random, with_record))

    def _record(
        self, sample: SampleTemplate, values: dict[str, Any], appointment: Appointment, random: Random
    ) -> MedicalRecord:
        moment, author = appointment.calendar_event.created_at, appointment.calendar_event.user
        template = self.templates[sample.name]
        record: MedicalRecord = MedicalRecordFactory.build(
            patient=appointment.patient,
            template=template,
            template_snapshot=snapshot_of(template),
            values=values,
            appointment=appointment,
            created_at=moment,
            created_by_user=author,
            **{
                "updated_at": moment + datetime.timedelta(minutes=random.randint(2, 29)),
                **self._perhaps_in_trash(moment, random),
            },
        )
        return record

    def _photo(
        self, patient: Patient, kind: str, caption: str, random: Random, columns: dict[str, Any]
    ) -> PatientPhoto:
        image = self._kept_image(kind, _image_number(patient, random))
        file = PhotoFile(self.clinic.pk, image.sha256)
        photo: PatientPhoto = PatientPhotoFactory.build(
            patient=patient,
            filename=f"IMG_{random.randint(1000, 9999)}.jpg",
            storage_key=file.key,
            thumbnail_key=file.thumbnail_key,
            content_hash=file.sha256,
            content_type=CONTENT_TYPE,
            size_bytes=len(image.jpeg),
            description=caption,
            **columns,
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

    def _moment(self, birthday: datetime.date, random: Random) -> datetime.datetime:
        """Return a time in the last three years and after the patient's birth, on a weekday, in opening hours."""
        age = (self.now.date() - birthday).days
        day = self.now - datetime.timedelta(days=random.randint(1, min(PAST, age - 14)))
        friday_at_the_latest = day - datetime.timedelta(days=max(0, day.weekday() - 4))
        quarter = random.randint(8 * 4, 17 * 4)
        return friday_at_the_latest.replace(hour=quarter // 4, minute=quarter % 4 * 15, second=0, microsecond=0)

    def _perhaps_in_trash(self, since: datetime.datetime, random: Random) -> dict[str, Any]:
        """Return the columns of a row that was made at `since`, which not many are set of."""
        if random.random() >= 0.04:
            return {}
        deleted_at = self.now - min(datetime.timedelta(days=20), self.now - since) * random.random()
        return {"is_deleted": True, "deleted_at": deleted_at, "updated_at": deleted_at}


def _patient(clinic: Clinic, random: Random, birthday: datetime.date, created_at: datetime.datetime) -> Patient:
    fake = _faker()
    gender = random.choice(["female", "male"])
    fake.seed_instance(random.random())
    first = fake.first_name_female() if gender == "female" else fake.first_name_male()
    patient: Patient = PatientFactory.build(
        clinic=clinic,
        full_name=f"{first} {fake.last_name()}",
        gender=gender,
        birthday=birthday,
        phone_number=f"+1 555 {random.randint(0, 999):03} {random.randint(0, 9999):04}",
        notes=random.choice([None, None, None, "Prefers to be called in the morning.", "Comes with an interpreter."]),
        created_at=created_at,
    )
    return patient


@cache
def _faker() -> Faker:
    return Faker("en_GB")


def _practitioners(clinic: Clinic) -> list[User]:
    memberships = Membership.objects.filter(clinic=clinic, roles__contains=[Membership.Role.PRACTITIONER])
    return [membership.user for membership in memberships.select_related("user").order_by("pk")]


def _image_number(patient: Patient, random: Random) -> int:
    """Return the number of an image of this patient: the same skin as on their others."""
    tones = len(SKIN_TONES)
    own = Random(patient.full_name).randrange(tones)  # noqa: S311 - the same at every load
    return own + tones * random.randrange(IMAGES // tones)


@cache
def _image(kind: str, number: int) -> ProcessedImage:
    return process_image(paint(kind, number + IMAGES * sorted(PAINTERS).index(kind)))
