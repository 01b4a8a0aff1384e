"""Signing at the same time as changes: of equal versions one wins, and what is signed is what is there."""

from functools import partial
from threading import Thread

import pytest
from django.db import Error, connection, transaction

from clinic_project.clinics.tests.clients import client_of
from clinic_project.reconciliation.sqlstates import sqlstate
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.functions import SIGNED
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.signing import Signer, sign_record, signed_contents

from ..concurrency import in_parallel, wait_until_another_waits_for_us

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS, PHOTOS = "/api/clinic/medical-records", "/api/clinic/patient-photos"


@pytest.fixture
def record(member):
    record = MedicalRecordFactory(patient__clinic=member.clinic)
    PatientPhotoFactory.create_batch(2, patient=record.patient, medical_record=record, content_hash="a" * 64)
    return record


def is_as_signed(record) -> bool:
    [(_, signed, content)] = signed_contents(MedicalRecord.objects.filter(pk=record.pk))
    return signed == content.hash()


def test_of_signers_and_changers_at_once_exactly_one_wins(member, record):
    gallery = [photo.pk for photo in PatientPhotoFactory.create_batch(4, patient=record.patient)]
    clients = iter([client_of(member) for _ in range(20)])
    url, version = f"{RECORDS}/{record.pk}", {"version": 1}
    requests = [
        *(partial(next(clients).post, f"{url}/sign", version) for _ in range(8)),
        *(partial(next(clients).patch, url, {"values": {}, **version}) for _ in range(4)),
        *(partial(next(clients).patch, url, {"photo_ids": gallery[::-1], **version}) for _ in range(3)),
        *(
            partial(next(clients).post, f"{PHOTOS}/attach", {"record_id": record.pk, "photo_ids": [pk], **version})
            for pk in gallery
        ),
        partial(next(clients).delete, url, version),
    ]
    responses = in_parallel(lambda number: requests[number](), len(requests))
    statuses = [response.status_code for response in responses]
    assert sorted(statuses)[0] in {200, 204}
    assert sorted(statuses)[1:] == [409] * 19
    is_signed = 200 in statuses[:8]
    record.refresh_from_db()
    assert (record.version, record.signed_at is not None) == (2, is_signed)
    assert not is_signed or is_as_signed(record)


@pytest.mark.slow
def test_photos_that_are_trashed_while_it_is_signed_are_no_part_of_it_or_stay(member, record):
    photos = [photo.pk for photo in PatientPhotoFactory.create_batch(3, patient=record.patient, medical_record=record)]
    clients = [client_of(member) for _ in range(6)]
    requests = [partial(api.delete, f"{PHOTOS}/{pk}") for api, pk in zip(clients, photos, strict=False)]
    requests += [
        partial(api.post, f"{RECORDS}/{record.pk}/sign", {"version": n}) for n, api in enumerate(clients[3:], 1)
    ]
    responses = in_parallel(lambda number: requests[number](), len(requests))
    assert {response.status_code for response in responses} <= {200, 204, 409}
    record.refresh_from_db()
    assert record.signed_at is None or is_as_signed(record)
    assert PatientPhoto.objects.filter(is_deleted=True).count() == [r.status_code for r in responses].count(204)


def test_who_unlinks_a_photo_in_psql_waits_for_who_signs_and_is_refused(member, record):
    refused = []

    def unlink():
        try:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE patient_photos SET medical_record_id = NULL")
        except Error as error:
            refused.append(sqlstate(error))
        finally:
            connection.close()

    with transaction.atomic():
        sign_record(MedicalRecord.objects.all(), record.pk, [1], Signer.of(member))
        thread = Thread(target=unlink)
        thread.start()
        wait_until_another_waits_for_us()
    thread.join()
    assert refused == [SIGNED]
    assert is_as_signed(record)


def test_who_signs_waits_for_who_unlinks_a_photo_in_psql_and_signs_what_is_left(member, record):
    def sign():
        sign_record(MedicalRecord.objects.all(), record.pk, [1], Signer.of(member))
        connection.close()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE patient_photos SET medical_record_id = NULL")
        thread = Thread(target=sign)
        thread.start()
        wait_until_another_waits_for_us()
    thread.join()
    assert is_as_signed(record)
    [(_, _, content)] = signed_contents(MedicalRecord.objects.all())
    assert list(content.photos) == []
