"""A filled database, and gunicorn on it with production's settings: what the benchmarks of the API send requests to."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from django.db import connections

from .databases import BenchmarkDatabase, temporary_database

#: Templates, records of one patient, photos of that patient.
ROWS = 100


@dataclass(frozen=True, slots=True)
class FilledDatabase:
    """A clinic's ids: each template has a record, and one of the records all photos but one, which has its file."""

    database: BenchmarkDatabase
    #: Of a member who may do everything.
    token: str
    patient: int
    template: int
    #: The key of a text field of that template.
    field: str
    #: Of that template, to be changed.
    records: tuple[int, int]
    record_with_photos: int
    photo_with_file: int


@contextmanager
def filled_database() -> Iterator[FilledDatabase]:
    """Make and fill a database, which this process and those that it starts use, with production's settings."""
    with temporary_database("api") as database, tempfile.TemporaryDirectory() as media:
        settings = {"ALLOWED_HOSTS": "127.0.0.1", "DJANGO_SETTINGS_MODULE": "clinic_project.benchmarks.settings"}
        os.environ.update({**database.environment, **settings, "MEDIA_ROOT": media})
        filled = _fill(database)
        connections.close_all()
        database.execute("VACUUM ANALYZE")
        yield filled


def _fill(database: BenchmarkDatabase) -> FilledDatabase:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from PIL import Image

    from clinic_project.api.models import AccessToken
    from clinic_project.clinics.factories import MembershipFactory, PatientFactory
    from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
    from medical_records.photos.uploads import upload_photo

    # A factory is typed as itself, not as what it makes.
    member: Any = MembershipFactory(admin=True)
    patient: Any = PatientFactory(clinic=member.clinic)
    template, *others = MedicalRecordTemplateFactory.create_batch(ROWS, clinic=member.clinic)
    made: Any = [MedicalRecordFactory(patient=patient, template=one) for one in (template, template, *others[1:])]
    ours, plain, *_, last = made
    PatientPhotoFactory.create_batch(ROWS - 1, patient=patient, medical_record=last, created_at=last.created_at)
    picture = BytesIO()
    Image.new("RGB", (640, 480), "teal").save(picture, "JPEG")
    photo = upload_photo(
        picture.getvalue(), patient, filename="knee.jpg", description=None, record=None, uploaded_by=member.user
    )
    token, _ = AccessToken.objects.issue(member.user)
    field = template.fields[0]["id"]
    return FilledDatabase(database, token, patient.pk, template.pk, field, (ours.pk, plain.pk), last.pk, photo.pk)


@contextmanager
def gunicorn(*options: str) -> Iterator[tuple[int, str]]:
    """Run gunicorn on a free port, and yield its process's id and its origin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "clinic_project.wsgi", "--bind", address, "--log-level", "warning"]
    server = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        _wait_for(f"http://{address}/livez")
        yield server.pid, f"http://{address}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urlopen(url).close()  # noqa: S310 - our own server
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
