"""`manage.py load_demo`: a clinic to look around in, see `medical_records.demo`."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from django.urls import reverse

from clinic_project.audit.transactions import changes_by
from clinic_project.clinics.models import Clinic, Patient, User
from clinic_project.reconciliation.sqlstates import SCHEMA_IS_BEHIND, sqlstate
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

#: So that a typing error doesn't fill the disk: 56 million patients.
MAX_SCALE = 1_000_000


class Command(BaseCommand):
    help = "Fill a development database with two clinics: staff, patients, templates, records and photos."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--scale",
            type=_scale,
            default=1,
            help="how many times 56 patients, with 250 records (default: %(default)s)",
        )
        parser.add_argument("--password", help="everybody's password (default: the same at every load)")
        parser.add_argument(
            "--in-production", action="store_true", help="load it although DEBUG is off: its passwords are known"
        )

    @changes_by(via="command", command="load_demo")
    def handle(self, **options: Any) -> None:
        try:
            from clinic_project.clinics.factories import PASSWORD
            from medical_records.demo.loading import load_demo
        except ModuleNotFoundError as error:
            raise CommandError(
                f"The demo needs {error.name}, which production does without. Run first: "
                "pip install -r requirements-dev.txt"
            ) from error

        password = options["password"] or PASSWORD
        if not (settings.DEBUG or options["in_production"]):
            raise CommandError(
                "DEBUG is off, so this may be production, and the demo's logins are known to everybody. If you want "
                "them here all the same, choose a password: load_demo --in-production --password ..."
            )
        if options["in_production"] and not options["password"]:
            raise CommandError("In production the demo requires a password of your own: add --password ...")
        try:
            before = _counts()
            with self._progress(options["scale"]) as advance:
                load_demo(options["scale"], password, advance)
        except ProgrammingError as error:
            if sqlstate(error) not in SCHEMA_IS_BEHIND:
                raise
            raise CommandError("The database lacks tables that the demo needs. Run first: manage.py migrate") from error
        self._report(before, password)

    @contextmanager
    def _progress(self, scale: int) -> Iterator[Callable[[int], None]]:
        """Give a function that is told of patients made: it moves a bar on a terminal, and nothing elsewhere."""
        from medical_records.demo.people import PATIENTS, demo_clinics

        if not self.stdout.isatty():
            yield lambda made: None
            return
        from rich.progress import Progress

        there = Patient.objects.filter(clinic__in=demo_clinics()).count()
        with Progress(transient=True) as progress:
            task = progress.add_task("patients", total=max(0, sum(PATIENTS.values()) * scale - there))
            yield lambda made: progress.advance(task, made)

    def _report(self, before: Counter[str], password: str) -> None:
        from medical_records.demo.people import STAFF, demo_clinics

        there = _counts()
        self.stdout.write(self.style.SUCCESS(f"The demo is there: {_listed(there)}."))
        self.stdout.write(_what_was_done(before, there))
        self.stdout.write(f"\nLog in with the password {self.style.WARNING(password)} as")
        for person in STAFF:
            self.stdout.write(f"  {person.email:<24}{person.about}")
        self.stdout.write("\nStart it by `python manage.py runserver`, and look at")
        for path, what in _addresses(demo_clinics()[0]):
            self.stdout.write(f"  http://127.0.0.1:8000{path:<62}{what}")


def _counts() -> Counter[str]:
    """Return how many rows of each kind the demo has."""
    from medical_records.demo.people import STAFF, demo_clinics

    clinics = demo_clinics()
    people = User.objects.filter(email__in=[person.email for person in STAFF]).count()
    models: dict[str, Any] = {
        "templates": MedicalRecordTemplate,
        "patients": Patient,
        "records": MedicalRecord,
        "photos": PatientPhoto,
    }
    rows = {name: model.objects.filter(clinic__in=clinics).count() for name, model in models.items()}
    return Counter({"clinics": len(clinics), "people": people, **rows})


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _what_was_done(before: Counter[str], there: Counter[str]) -> str:
    added = there - before  # without what is 0
    if not before["clinics"]:
        return "All of it is new."
    if not added:
        return "All of it was there before: nothing was added. The passwords were set again."
    return f"Added now: {_listed(added)}. The rest was there before; the passwords were set again."


def _addresses(clinic: Clinic) -> Iterator[tuple[str, str]]:
    """Yield where there is something to see, and what: addresses of one patient with photos on a record."""
    yield reverse("home"), "what is here"
    yield reverse("admin:index"), "the admin"
    photos = PatientPhoto.objects.for_clinic(clinic).active().filter(medical_record__is_deleted=False)
    photo = photos.order_by("pk").first()
    if photo is not None:
        yield reverse("admin:clinics_patient_change", args=[photo.patient_id]), "a patient's records and photos"
        yield reverse("admin:medical_records_medicalrecord_change", args=[photo.medical_record_id]), "a filled-in form"
        yield reverse("admin:medical_records_medicalrecord_history", args=[photo.medical_record_id]), "who changed it"
    yield f"{reverse('admin:medical_records_medicalrecord_changelist')}?trash=only", "the trash"
    yield "/api/docs", "the API"


def _scale(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_SCALE):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_SCALE}, not {text!r}")
    return int(text)
