"""Removing for good beside restoring and changing, beside another purge, and killed in the middle."""

import os
import signal

import pytest
from django.db import connection

from clinic_project.audit.models import DestroyedEntry, Destruction, HistoryEntry
from clinic_project.audit.sealing import seal_history
from clinic_project.audit.verification import verify_destructions, verify_rows, verify_seals
from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.tests.clients import client_of
from clinic_project.reconciliation.tests.support.waiting import SECONDS
from medical_records import purge as purging
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto

from .concurrency import in_parallel
from .purging import purge
from .retention import in_trash_since, long_ago

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

RECORDS = "/api/clinic/medical-records"


@pytest.fixture
def patient(member):
    return PatientFactory(clinic=member.clinic, birthday=None)


def old_records(patient, number: int) -> list[MedicalRecord]:
    """Records with a photo each, whose time is over."""
    old = in_trash_since(long_ago())
    records = MedicalRecordFactory.create_batch(number, patient=patient, **old)
    for record in records:
        PatientPhotoFactory(patient=patient, medical_record=record, **old)
    return records


def assert_whole() -> None:
    """Fail unless what is gone is gone with its history, and is logged once, and the rest has its own."""
    seal_history(SECONDS)
    assert [*verify_seals(), *verify_destructions(), *verify_rows()] == []
    gone = list(Destruction.objects.values_list("table_name", "row_id"))
    assert len(gone) == len(set(gone))
    for model in (MedicalRecord, PatientPhoto):
        table = model._meta.db_table
        there = set(model.objects.values_list("pk", flat=True))
        assert there.isdisjoint(row for of, row in gone if of == table)
        assert set(HistoryEntry.objects.filter(table_name=table).values_list("row_id", flat=True)) == there
    assert set(DestroyedEntry.objects.values_list("destruction_id", flat=True)) <= set(
        Destruction.objects.values_list("pk", flat=True)
    )


def test_of_many_who_restore_change_purge_and_remove_at_once_none_leaves_a_half(member, patient):
    records = old_records(patient, 3)

    def work(number: int):
        api = client_of(member)
        record = records[number % 3]
        url = f"{RECORDS}/{record.pk}"
        match number // 3 % 4:
            case 0:
                return api.delete(f"{url}/permanently", {"version": 1}).status_code
            case 1:
                return api.post(f"{url}/restore", {"version": 1}).status_code
            case 2:
                return api.patch(url, {"values": {}, "version": 1}).status_code
            case _:
                return purge()

    results = in_parallel(work, 24)
    assert {result for result in results if isinstance(result, int)} <= {200, 204, 404, 409}
    assert [result for result in results if isinstance(result, Exception)] == []
    for record in MedicalRecord.objects.all():
        assert not record.is_deleted
        assert record.photos.get().is_deleted is False
    assert PatientPhoto.objects.count() == MedicalRecord.objects.count()
    assert_whole()


def test_two_purges_at_once_remove_everything_once(patient, monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 3)
    old_records(patient, 20)
    PatientPhotoFactory.create_batch(10, patient=patient, **in_trash_since(long_ago()))
    results = in_parallel(lambda _: purge(), 4)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert not MedicalRecord.objects.exists()
    assert not PatientPhoto.objects.exists()
    assert Destruction.objects.count() == 50
    assert_whole()


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_purge_that_is_killed_in_the_middle_leaves_whole_rows_for_the_next(patient, monkeypatch, at):
    """After so many of its statements that destroy: in a batch, or between two tables."""
    monkeypatch.setattr(purging, "BATCH", 3)
    old_records(patient, 8)
    connection.close()
    child = os.fork()
    if child == 0:
        destroy, done = purging.destroy, iter(range(1, 100))

        def destroy_and_die(*args):
            destroyed = destroy(*args)
            if next(done) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return destroyed

        purging.destroy = destroy_and_die
        try:
            purge()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert MedicalRecord.objects.count() in {8, 5}
    assert PatientPhoto.objects.count() == MedicalRecord.objects.count()
    assert_whole()
    left = MedicalRecord.objects.count()
    assert purge().startswith(f"Removed records: {left}, photos: {left},")
    assert not MedicalRecord.objects.exists()
    assert not PatientPhoto.objects.exists()
    assert_whole()
