"""Exports by processes of their own, and beside others who change what is exported."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from clinic_project.api.models import AccessToken
from clinic_project.audit.models import Access
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database
from clinic_project.reconciliation.tests.support.fixtures import own_database, unblocked
from medical_records.export import patients
from medical_records.factories import (
    MedicalRecordFactory,
    MedicalRecordTemplateFactory,
    every_field_type,
    sample_value,
    snapshot_of,
)
from medical_records.models import MedicalRecord
from medical_records.tests.servers import environment, free_port, gunicorn, pgbouncer

from .exports import exported

__all__ = ["own_database", "unblocked"]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RECORDS, PHOTOS, PHOTO_SIZE = 2000, 500, 2_000_000

#: Exports patients one after the other; prints the peak of the memory in MB, and seconds, after each.
EXPORT = r"""
import json, pathlib, re, sys, time
import django; django.setup()
from django.utils import timezone
from clinic_project.clinics.models import Patient
from medical_records.export.patients import export_patient
for pk in sys.argv[1:]:
    began = time.monotonic()
    archive = export_patient(Patient.objects.get(pk=pk), "Dr. Chen", timezone.now())
    made = time.monotonic()
    size = sum(map(len, archive))
    [peak] = re.findall(r"VmHWM:\s*([0-9]+) kB", pathlib.Path("/proc/self/status").read_text())
    print(json.dumps({"peak": int(peak) // 1024, "made": made - began, "sent": time.monotonic() - made, "size": size}))
"""


def test_memory_does_not_grow_with_the_patient(own_database: Database, media, capsys):
    small, large = PatientFactory.create_batch(2)
    fill(small, 1, 1)
    fill(large, RECORDS, PHOTOS)
    first, second = run(own_database.url, EXPORT, small.pk, large.pk)
    with capsys.disabled():
        print(f"\n{RECORDS} records, {PHOTOS} photos: {second}; before, one of each: {first}")  # noqa: T201 - a measurement
    assert second["size"] > PHOTOS * PHOTO_SIZE
    assert second["peak"] - first["peak"] < 40


def test_it_works_through_a_pooler_of_transactions(own_database: Database, media):
    patient = PatientFactory.create()
    fill(patient, 120, 3)
    with pgbouncer("transaction") as port:
        pooled = f"postgresql://{connection.settings_dict['USER']}@127.0.0.1:{port}/{own_database.name}"
        [done] = run(pooled, EXPORT, patient.pk)
    assert done["size"] > 3 * PHOTO_SIZE


def test_it_works_where_nothing_can_be_written(own_database: Database, media):
    patient = PatientFactory.create()
    fill(patient, 3, 1)
    # As on a standby.
    own_database.execute(f'ALTER DATABASE "{own_database.name}" SET default_transaction_read_only = on')
    [done] = run(own_database.url, EXPORT, patient.pk)
    assert done["size"] > PHOTO_SIZE


def test_what_others_change_meanwhile_is_not_in_it(own_database: Database, media, monkeypatch):
    patient = PatientFactory.create()
    record = MedicalRecordFactory.create(patient=patient)
    write = patients._Export._write_histories

    def change_and_write(export: Any) -> None:
        # As another session, between two parts of the export.
        own_database.execute(
            f"UPDATE medical_records SET values = '{{}}', version = 2 WHERE id = {record.pk}",
            f"UPDATE patients SET full_name = 'Another' WHERE id = {patient.pk}",
        )
        write(export)

    monkeypatch.setattr(patients._Export, "_write_histories", change_and_write)
    found = exported(patient)
    assert found.json(f"records/{record.pk}.json")["version"] == 1
    assert len(found.json(f"history/records/{record.pk}.json")) == 1
    assert "nothing unusual" in found.index
    assert "version 1" in found.index
    assert "Another" not in found.index
    assert MedicalRecord.objects.get().version == 2


def test_where_a_worker_is_killed_in_the_middle_nobody_has_a_zip(own_database: Database, media, tmp_path):
    administrator = MembershipFactory.create(admin=True)
    patient = PatientFactory.create(clinic=administrator.clinic)
    fill(patient, 3, 40)
    token, _ = AccessToken.objects.issue(administrator.user)
    port = free_port()
    settings = environment(own_database.url, Path(default_storage.location))  # type: ignore[attr-defined]  # a folder here
    with gunicorn(settings, port, tmp_path / "log", "--threads", "4") as server:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("GET", f"/api/clinic/patients/{patient.pk}/export", headers={"Authorization": f"Bearer {token}"})
        response = client.getresponse()
        begun = response.read(1_000_000)
        os.kill(worker_of(server.pid), signal.SIGKILL)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
    assert int(response.headers["Content-Length"]) > 40 * PHOTO_SIZE > len(begun)
    # Who looked is known all the same.
    access = Access.objects.get()
    assert (access.action, access.user_id, access.patient_ids) == ("export", administrator.user_id, [patient.pk])
    assert (len(access.record_ids), len(access.photo_ids)) == (3, 40)


def worker_of(pid: int) -> int:
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], check=True, capture_output=True, text=True)
    return int(children.stdout.split()[0])


def fill(patient: Any, records: int, photos: int) -> None:
    """Give a patient records, and photos which are all of one file."""
    template = MedicalRecordTemplateFactory.create(clinic=patient.clinic, fields=every_field_type())
    values = {field["id"]: sample_value(field) for field in template.fields}
    key = default_storage.save(f"photos/{patient.pk}.jpg", ContentFile(bytes(range(256)) * (PHOTO_SIZE // 256)))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO medical_records (clinic_id, patient_id, template_id, template_name, template_snapshot, values)"
            " SELECT %s, %s, %s, %s, %s, %s FROM generate_series(1, %s)",
            [
                *(patient.clinic_id, patient.pk, template.pk, template.name),
                *(json.dumps(snapshot_of(template)), json.dumps(values), records),
            ],
        )
        cursor.execute(
            "INSERT INTO patient_photos (clinic_id, patient_id, filename, storage_key, content_type, size_bytes, is_pending)"
            " SELECT %s, %s, 'knee.jpg', %s, 'image/jpeg', %s, false FROM generate_series(1, %s)",
            [patient.clinic_id, patient.pk, key, PHOTO_SIZE, photos],
        )


def run(database_url: str, script: str, *args: Any) -> list[dict[str, Any]]:
    """Run a script that prints lines of JSON, and return them."""
    media = Path(default_storage.location)  # type: ignore[attr-defined]  # a folder here
    settings = {
        **environment(database_url, media),
        "DJANGO_SETTINGS_MODULE": "clinic_project.settings",
        "DEBUG": "false",
    }
    command = [sys.executable, "-c", script, *map(str, args)]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, env=settings, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
