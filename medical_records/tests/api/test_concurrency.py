"""What is sent at once, on connections of their own: of equal versions one wins, equal keys are done once."""

import datetime as dt
from collections import Counter
from functools import partial
from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from clinic_project.audit import transactions
from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.services import change_record

from ..concurrency import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = "/api/clinic/medical-records"
TEMPLATES = "/api/clinic/medical-record-templates"


@pytest.fixture
def record(clinic):
    return MedicalRecordFactory(patient__clinic=clinic)


def at_once(*requests):
    """Send every request on a connection of its own, all released together; return the answers in order."""
    return in_parallel(lambda number: requests[number](), len(requests))


def statuses(responses):
    return Counter(response.status_code for response in responses)


@pytest.mark.parametrize("senders", [2, 20])
@pytest.mark.parametrize("by_header", [False, True])
def test_of_equal_versions_exactly_one_changes_the_record(member, record, senders, by_header):
    field = record.template_snapshot["fields"][0]["id"]
    url = f"{RECORDS}/{record.pk}"

    def save(n):
        api = client_of(member)
        if by_header:
            return lambda: api.put(url, {"values": {field: f"{n}"}}, headers={"If-Match": '"1"'})
        return lambda: api.put(url, {"values": {field: f"{n}"}, "version": 1})

    responses = at_once(*[save(n) for n in range(senders)])
    assert statuses(responses) == {200: 1, (412 if by_header else 409): senders - 1}
    winner = next(n for n, response in enumerate(responses) if response.status_code == 200)
    record.refresh_from_db()
    assert (record.version, record.values) == (2, {field: f"{winner}"})
    # Who lost is told what has won.
    for response in responses:
        if response.status_code != 200:
            assert response.json()["current"]["values"] == {field: f"{winner}"}


@pytest.mark.parametrize("senders", [2, 20])
def test_of_equal_versions_exactly_one_changes_the_template(member, clinic, senders):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    clients = [client_of(member) for _ in range(senders)]
    responses = at_once(
        *[lambda api=api: api.patch(f"{TEMPLATES}/{template.pk}", {"name": "x", "version": 1}) for api in clients]
    )
    assert statuses(responses) == {200: 1, 409: senders - 1}
    assert MedicalRecordTemplate.objects.get().version == 2


def test_a_copy_that_overlaps_its_rounds_gets_a_change_that_was_committed_late(member, record):
    """As the README says: from five minutes before the first response's `Date`, whatever was committed since is listed."""
    api = client_of(member)
    late = MedicalRecord.objects.get(pk=record.pk)

    def copied(since):
        rows = api.get(RECORDS, {"updated_since": since.isoformat()}).json()["results"]
        return {row["id"]: row["version"] for row in rows}

    def change(begun: Event, go_on: Event):
        with transaction.atomic():
            change_record(late, [late.version], member.user, values={})
            begun.set()
            go_on.wait()
        connection.close()

    begun, go_on = Event(), Event()
    thread = Thread(target=change, args=(begun, go_on))
    thread.start()
    begun.wait()
    began = timezone.now()  # the `Date` of the response
    copy = copied(began - dt.timedelta(days=1))
    go_on.set()
    thread.join()
    assert copy == {late.pk: late.version}
    assert copied(began) == {}  # it is as old as it says
    assert copied(began - dt.timedelta(minutes=5)) == {late.pk: late.version + 1}


def test_a_change_that_waits_for_somebody_elses_lock_is_ended_and_not_committed_late(member, record, monkeypatch):
    api, elsewhere = client_of(member), connection.copy()
    monkeypatch.setattr(transactions, "LOCK_TIMEOUT", "50ms")
    with elsewhere.cursor() as cursor:
        elsewhere.set_autocommit(False)
        cursor.execute("SELECT 1 FROM medical_records FOR UPDATE")
        response = api.patch(f"{RECORDS}/{record.pk}", {"values": {}, "version": 1})
    elsewhere.close()
    assert (response.status_code, response.json()["type"]) == (503, "/problems/database-too-slow")
    assert api.patch(f"{RECORDS}/{record.pk}", {"values": {}, "version": 1}).status_code == 200


@pytest.mark.parametrize("limit", ["10s", "0"])
def test_the_limit_of_waiting_for_a_lock_is_that_of_the_role_where_it_has_one(db, limit):
    with connection.cursor() as cursor, transactions.changes_by(via="api", request_id="one"):
        cursor.execute(f"SET lock_timeout = '{limit}'")
        with transactions.atomic():
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ({"0": "30s"}.get(limit, limit),)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == (limit,)
        cursor.execute("RESET lock_timeout")


def test_of_a_change_and_a_deletion_one_wins(member, record):
    clients = [client_of(member) for _ in range(20)]
    url = f"{RECORDS}/{record.pk}"
    PatientPhotoFactory(patient=record.patient, medical_record=record)
    changes = [lambda api=api: api.patch(url, {"values": {}, "version": 1}) for api in clients[::2]]
    deletions = [lambda api=api: api.delete(url, {"version": 1}) for api in clients[1::2]]
    responses = at_once(*changes, *deletions)
    won = [response.status_code for response in responses if response.status_code != 409]
    assert won in ([200], [204])
    record.refresh_from_db()
    assert (record.version, record.is_deleted) == (2, won == [204])
    assert PatientPhoto.objects.get().is_deleted == record.is_deleted


def test_of_many_who_restore_or_remove_for_good_one_wins(member, clinic, no_retention):
    record = MedicalRecordFactory(patient__clinic=clinic, in_trash=True)
    clients = [client_of(member) for _ in range(20)]
    url = f"{RECORDS}/{record.pk}"
    restores = [lambda api=api: api.post(f"{url}/restore", {"version": 1}) for api in clients[::2]]
    removals = [lambda api=api: api.delete(f"{url}/permanently", {"version": 1}) for api in clients[1::2]]
    counted = statuses(at_once(*restores, *removals))
    assert counted in ({200: 1, 409: 19}, {204: 1, 404: 19})
    assert MedicalRecord.objects.filter(is_deleted=False).count() == counted[200]


def test_equal_idempotency_keys_make_one_record_and_get_one_answer(member, clinic):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    patient = PatientFactory(clinic=clinic)
    url = f"/api/clinic/patients/{patient.pk}/medical-records"
    body = {"template_id": template.pk, "values": {}}
    clients = [client_of(member) for _ in range(20)]
    responses = at_once(*[lambda api=api: api.post(url, body, headers={"Idempotency-Key": "k"}) for api in clients])
    assert statuses(responses) == {201: 20}
    assert len({response.content for response in responses}) == 1
    assert Counter(response.headers.get("Idempotent-Replayed") for response in responses) == {None: 1, "true": 19}
    assert MedicalRecord.objects.count() == 1


def test_a_key_that_another_request_keeps_for_too_long_is_503_and_nothing_was_done(member, clinic, monkeypatch):
    monkeypatch.setattr(transactions, "LOCK_TIMEOUT", "50ms")
    template, patient = MedicalRecordTemplateFactory(clinic=clinic), PatientFactory(clinic=clinic)
    url, body = f"/api/clinic/patients/{patient.pk}/medical-records", {"template_id": template.pk, "values": {}}
    api, elsewhere = client_of(member), connection.copy()
    with elsewhere.cursor() as cursor:
        elsewhere.set_autocommit(False)
        cursor.execute(
            "INSERT INTO api_idempotency_keys (user_id, clinic_id, key, fingerprint) VALUES (%s, %s, 'k', 'theirs')",
            [member.user_id, clinic.pk],
        )
        kept = api.post(url, body, headers={"Idempotency-Key": "k"})
    elsewhere.close()
    assert (kept.status_code, kept.json()["type"]) == (503, "/problems/database-too-slow")
    assert int(kept["Retry-After"]) > 0
    assert api.post(url, body, headers={"Idempotency-Key": "k"}).status_code == 201
    assert MedicalRecord.objects.count() == 1


def test_records_that_want_each_others_photos_neither_deadlock_nor_share_one(member, clinic):
    patient = PatientFactory(clinic=clinic)
    records = MedicalRecordFactory.create_batch(4, patient=patient)
    photos = [photo.pk for photo in PatientPhotoFactory.create_batch(6, patient=patient)]
    orders = [photos, photos[::-1], photos[3:] + photos[:3], photos[::2]]
    clients = [client_of(member) for _ in records]
    responses = at_once(
        *[
            lambda api=api, record=record, order=order: api.patch(
                f"{RECORDS}/{record.pk}", {"photo_ids": order, "version": 1}
            )
            for api, record, order in zip(clients, records, orders, strict=True)
        ]
    )
    assert statuses(responses) == {200: 1, 409: 3}
    winner = next(record for record, response in zip(records, responses, strict=True) if response.status_code == 200)
    assert set(PatientPhoto.objects.exclude(medical_record=None).values_list("medical_record", flat=True)) == {
        winner.pk
    }


def test_photos_that_are_linked_trashed_and_restored_at_once_neither_deadlock_nor_change_unseen(member, clinic):
    patient = PatientFactory(clinic=clinic)
    record = MedicalRecordFactory(patient=patient)
    linked = PatientPhotoFactory.create_batch(3, patient=patient, medical_record=record)
    trashed = PatientPhotoFactory.create_batch(3, patient=patient, medical_record=record, in_trash=True)
    gallery = [photo.pk for photo in PatientPhotoFactory.create_batch(3, patient=patient)]
    api, photos = client_of(member), "/api/clinic/patient-photos"
    requests = [
        *[partial(api.delete, f"{photos}/{photo.pk}") for photo in linked],
        *[partial(api.post, f"{photos}/{photo.pk}/restore") for photo in trashed],
    ]
    for pk in gallery:
        requests += [
            partial(api.post, f"{photos}/attach", {"record_id": record.pk, "photo_ids": [pk], "version": 1}),
            partial(api.patch, f"{RECORDS}/{record.pk}", {"photo_ids": [pk], "version": 1}),
        ]
    responses = at_once(*requests)
    # A photo that a save has sent to the gallery meanwhile goes to the trash from there.
    assert statuses(responses[:6]) == {204: 3, 200: 3}
    won = statuses(responses[6:])[200]
    assert won <= 1
    assert statuses(responses[6:])[409] == 6 - won
    record.refresh_from_db()
    assert record.version >= 1 + won
