"""Signing through the API: what is signed stays, an amendment makes a new version, and errors are marked."""

import datetime as dt

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import F
from django.utils import timezone

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Membership, User
from clinic_project.clinics.tests.clients import client_of, kind
from medical_records.demo.paintings import paint
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory, make_field
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.signing import signed_contents
from medical_records.tests.photos.image_files import plain

pytestmark = pytest.mark.django_db

RECORDS, PHOTOS = "/api/clinic/medical-records", "/api/clinic/patient-photos"
REASON = {"amendment_reason": "The left knee, not the right one"}


@pytest.fixture
def record(clinic):
    return MedicalRecordFactory(patient__clinic=clinic)


def url_of(record, action=""):
    return f"{RECORDS}/{record.pk}{action}"


def sign(api, record, version=1, **body):
    return api.post(url_of(record, "/sign"), {"version": version, **body})


@pytest.fixture
def signed(api, record):
    """A record that has the version 2 by its signature."""
    assert sign(api, record).status_code == 200
    record.refresh_from_db()
    return record


def listed(api, **query) -> list[int]:
    return [row["id"] for row in api.get(RECORDS, query).json()["results"]]


# Signing


def test_a_signed_record_says_by_whom_and_when_and_what_was_signed(api, member, record):
    answer = sign(api, record)
    shown = answer.json()
    assert (answer.status_code, answer["ETag"], shown["version"]) == (200, '"2"', 2)
    assert shown["signed_by"] == {"id": member.user_id, "name": member.full_name}
    assert shown["signed_at"] == shown["updated_at"]
    [(_, _, content)] = signed_contents(MedicalRecord.objects.all())
    assert shown["content_hash"] == content.hash()
    assert api.get(url_of(record)).json() == shown
    [row] = api.get(RECORDS).json()["results"]
    assert {name: row[name] for name in ("signed_at", "signed_by", "content_hash")} == {
        name: shown[name] for name in ("signed_at", "signed_by", "content_hash")
    }


def test_what_isnt_signed_says_so(api, record):
    shown = api.get(url_of(record)).json()
    names = ("signed_at", "signed_by", "content_hash", "amended_at", "amendment_reason", "entered_in_error")
    assert [shown[name] for name in names] == [None] * len(names)
    assert not any(name.endswith(("user_id", "by_name")) and "signed" in name for name in shown)


def test_who_signed_is_still_named_when_they_are_gone(api, member, signed):
    names = {"id": member.user_id, "name": member.full_name}
    other = client_of(MembershipFactory(clinic=member.clinic))
    Membership.objects.filter(pk=member.pk).delete()
    User.objects.filter(pk=member.user_id).delete()
    assert other.get(url_of(signed)).json()["signed_by"] == names


def test_the_version_that_is_signed_has_to_be_named_and_current(api, record):
    assert kind(api.post(url_of(record, "/sign"), {})) == (428, "version-required")
    stale = sign(api, record, version=7)
    assert kind(stale) == (409, "stale-version")
    assert stale.json()["current"]["version"] == 1
    assert kind(api.post(url_of(record, "/sign"), {}, headers={"If-Match": '"7"'})) == (412, "stale-version")
    assert api.post(url_of(record, "/sign"), {}, headers={"If-Match": '"1"'}).status_code == 200


def test_signing_twice_is_refused(api, signed):
    assert kind(sign(api, signed, version=2)) == (409, "signed")
    assert kind(sign(api, signed, version=1)) == (409, "stale-version")


def test_what_is_in_the_trash_isnt_signed(api, clinic):
    assert kind(sign(api, MedicalRecordFactory(patient__clinic=clinic, in_trash=True))) == (409, "in-trash")


def test_the_record_of_a_deleted_patient_isnt_signed(api, record):
    record.patient.is_deleted = True
    record.patient.save()
    assert kind(sign(api, record)) == (409, "unusable-reference")


def test_a_record_without_required_answers_is_signed_only_as_incomplete(api, record):
    MedicalRecord.objects.update(values={})
    refused = sign(api, record)
    assert kind(refused) == (409, "missing-required")
    required = record.template_snapshot["fields"][0]["id"]
    assert list(refused.json()["errors"]) == [f"values.{required}"]
    shown = sign(api, record, incomplete=True).json()
    assert shown["signed_at"]
    assert shown["missing_required"] == [required]


@pytest.mark.parametrize("number", ["1e400", "0.1234567890123456789", "123456789012345678901"])
def test_a_number_that_only_other_systems_can_have_stored_is_refused_clearly(api, record, number):
    field = make_field("Weight", "number")
    MedicalRecord.objects.update(template_snapshot={"name": "x", "fields": [field]}, values={})
    with connection.cursor() as cursor:
        cursor.execute(f"""UPDATE medical_records SET values = '{{"{field["id"]}": {number}}}'""")
    assert kind(api.post(url_of(record, "/sign"), {"version": 1})) == (409, "unsignable")


def test_members_without_a_role_and_other_clinics_dont_sign(record, clinic):
    assert sign(client_of(MembershipFactory(clinic=clinic, roles=[])), record).status_code == 403
    assert sign(client_of(MembershipFactory(admin=True)), record).status_code == 404
    practitioner = client_of(MembershipFactory(clinic=clinic, roles=["practitioner"]))
    assert sign(practitioner, record).status_code == 200


# What is signed stays


def test_a_signed_record_isnt_changed_without_a_reason(api, signed):
    appointment = AppointmentFactory(patient=signed.patient)
    photo = PatientPhotoFactory(patient=signed.patient)
    url, version = url_of(signed), {"version": 2}
    for refused in (
        api.put(url, {"values": {}, **version}),
        api.patch(url, {"values": {}, **version}),
        api.patch(url, {"appointment_id": appointment.pk, **version}),
        api.patch(url, {"photo_ids": [photo.pk], **version}),
        api.delete(url, version),
        api.post(f"{PHOTOS}/attach", {"record_id": signed.pk, "photo_ids": [photo.pk], **version}),
    ):
        assert kind(refused) == (409, "signed")
    same = MedicalRecord.objects.get(pk=signed.pk)
    assert (same.version, same.values, same.signed_at) == (2, signed.values, signed.signed_at)
    photo.refresh_from_db()
    assert photo.medical_record is None


def test_the_photos_of_a_signed_record_stay_on_it(api, record):
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record, content_hash="a" * 64)
    gone = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    sign(api, record)
    assert kind(api.delete(f"{PHOTOS}/{photo.pk}")) == (409, "signed")
    assert kind(api.post(f"{PHOTOS}/{gone.pk}/restore")) == (409, "signed")
    assert api.patch(f"{PHOTOS}/{photo.pk}", {"description": "Left knee"}).status_code == 200

    amended = api.delete(f"{PHOTOS}/{photo.pk}", REASON)
    assert amended.status_code == 204
    shown = api.get(url_of(record)).json()
    assert (shown["version"], shown["signed_at"], shown["photos"]) == (3, None, [])
    assert shown["amendment_reason"] == REASON["amendment_reason"]


def test_a_photo_for_an_amendment_is_uploaded_first_and_no_part_of_what_is_signed(api, signed):
    upload = {"patient_id": signed.patient_id, "medical_record_id": signed.pk}
    file = SimpleUploadedFile("knee.jpg", paint("skin", 1), "image/jpeg")
    photo = api.post(PHOTOS, {**upload, "file": file}, format="multipart").json()
    assert photo["is_pending"]
    assert api.get(url_of(signed)).json()["content_hash"] == signed.content_hash
    chosen = {"photo_ids": [photo["id"]], "version": 2}
    assert kind(api.patch(url_of(signed), chosen)) == (409, "signed")
    shown = api.patch(url_of(signed), {**chosen, **REASON}).json()
    assert [(photo["id"], photo["is_pending"]) for photo in shown["photos"]] == [(photo["id"], False)]


def test_what_the_database_alone_refuses_is_the_same_problem(api, record, monkeypatch):
    """As where somebody signs it after a request has looked."""
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)
    sign(api, record)
    monkeypatch.setattr(MedicalRecord, "check_changeable", lambda self, amends: None)
    assert kind(api.delete(f"{PHOTOS}/{photo.pk}")) == (409, "signed")


@pytest.mark.parametrize("damage", ["DROP COLUMN content_hash", "RENAME TO hidden"])
def test_a_damaged_table_is_told_as_such(api, record, damage):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE medical_records {damage}")
    assert kind(sign(api, record)) == (503, "schema-behind")


# Amendments


def test_an_amendment_makes_a_new_version_that_isnt_signed(api, signed):
    field = signed.template_snapshot["fields"][0]["id"]
    answer = api.patch(url_of(signed), {"values": {field: "Cough"}, "version": 2, **REASON})
    shown = answer.json()
    assert (answer.status_code, shown["version"], shown["values"]) == (200, 3, {field: "Cough"})
    assert [shown[name] for name in ("signed_at", "signed_by", "content_hash")] == [None] * 3
    assert shown["amendment_reason"] == REASON["amendment_reason"]
    assert shown["amended_at"] is not None

    again = sign(api, signed, version=3).json()
    assert again["amendment_reason"] == REASON["amendment_reason"]
    assert again["content_hash"] != signed.content_hash
    # The same reason again is a reason.
    assert api.patch(url_of(signed), {"values": {}, "version": 4, **REASON}).status_code == 200


def test_every_change_can_be_an_amendment(api, clinic):
    def amends(change, **body):
        record = MedicalRecordFactory(patient__clinic=clinic)
        sign(api, record)
        answer = change(record, {"version": 2, **REASON, **body})
        assert answer.status_code in {200, 204}, answer.content
        shown = api.get(url_of(record)).json()
        assert (shown["version"], shown["signed_at"]) == (3, None)
        return shown

    assert amends(lambda record, body: api.put(url_of(record), {"values": {}, **body}))["values"] == {}
    assert amends(lambda record, body: api.delete(url_of(record), body))["is_deleted"]
    attach = lambda record, body: api.post(  # noqa: E731
        f"{PHOTOS}/attach",
        {"record_id": record.pk, "photo_ids": [PatientPhotoFactory(patient=record.patient).pk], **body},
    )
    assert len(amends(attach)["photos"]) == 1


def test_a_reason_is_refused_where_nothing_is_signed_and_where_it_says_nothing(api, record):
    assert kind(api.patch(url_of(record), {"values": {}, "version": 1, **REASON})) == (409, "not-signed")
    assert kind(api.delete(url_of(record), {"version": 1, **REASON})) == (409, "not-signed")
    photo = PatientPhotoFactory(patient=record.patient)
    assert kind(api.delete(f"{PHOTOS}/{photo.pk}", REASON)) == (409, "not-signed")
    sign(api, record)
    blank = api.patch(url_of(record), {"values": {}, "version": 2, "amendment_reason": " "})
    assert kind(blank) == (400, "invalid-input")


def test_the_history_tells_who_signed_amended_and_marked_it_and_why(api, member, signed):
    api.patch(url_of(signed), {"values": {}, "version": 2, **REASON})
    sign(api, signed, version=3, incomplete=True)
    api.post(url_of(signed, "/entered-in-error"), {"version": 4, "reason": "Another patient's"})
    api.post(url_of(signed, "/entered-in-error"), {"version": 5, "undo": True, "reason": "It is hers"})
    history = api.get(url_of(signed, "/history")).json()["results"]
    told = [(change["action"], change["version"], change["reason"]) for change in history]
    assert told == [
        ("changed", 6, "It is hers"),
        ("entered-in-error", 5, "Another patient's"),
        ("signed", 4, None),
        ("amended", 3, REASON["amendment_reason"]),
        ("signed", 2, None),
        ("created", 1, None),
    ]
    then = api.get(url_of(signed, "/history/2")).json()
    assert (then["signed_by"]["name"], then["content_hash"]) == (member.full_name, signed.content_hash)


# Entered in error


def mark(api, record, version, **body):
    return api.post(url_of(record, "/entered-in-error"), {"version": version, **body})


def test_what_was_entered_in_error_stays_readable_and_marked_and_out_of_lists(api, member, signed, clinic):
    other = MedicalRecordFactory(patient__clinic=clinic)
    shown = mark(api, signed, 2, reason="Another patient's").json()
    by = {"id": member.user_id, "name": member.full_name}
    assert shown["entered_in_error"] == {"at": shown["updated_at"], "by": by, "reason": "Another patient's"}
    # What was signed is what is in error.
    assert shown["content_hash"] == signed.content_hash
    assert api.get(url_of(signed)).json() == shown

    assert listed(api) == [other.pk]
    assert listed(api, entered_in_error="true") == [signed.pk]
    assert sorted(listed(api, entered_in_error="all")) == sorted(listed(api, status="all")) == [signed.pk, other.pk]
    assert listed(api, status="all", entered_in_error="false") == [other.pk]
    of_patient = f"/api/clinic/patients/{signed.patient_id}"
    assert api.get(f"{of_patient}/medical-records").json()["results"] == []
    assert api.get(f"{of_patient}/timeline").json()["results"] == []


def test_a_copy_that_asks_for_changes_is_told_of_errors(api, signed):
    mark(api, signed, 2, reason="Another patient's")
    since = (timezone.now() - dt.timedelta(hours=1)).isoformat()
    assert listed(api, updated_since=since) == [signed.pk]
    assert listed(api, updated_since=since, entered_in_error="false") == []


def test_the_mark_is_taken_away_again(api, signed):
    mark(api, signed, 2, reason="Another patient's")
    assert kind(mark(api, signed, 3, reason="Twice")) == (409, "entered-in-error")
    shown = mark(api, signed, 3, undo=True).json()
    assert (shown["entered_in_error"], shown["version"], shown["content_hash"]) == (None, 4, signed.content_hash)
    assert kind(mark(api, signed, 4, undo=True)) == (409, "not-entered-in-error")
    assert listed(api) == [signed.pk]


def test_the_photos_of_what_was_entered_in_error_are_marked_wherever_they_are_shown(api, record, media):
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)
    gallery = PatientPhotoFactory(patient=record.patient)
    elsewhere = MedicalRecordFactory(entered_in_error_at=timezone.now())
    foreign = PatientPhotoFactory(patient=record.patient, medical_record=elsewhere)
    api.patch(f"{PHOTOS}/{photo.pk}", {"description": "x"})
    lists = (f"{PHOTOS}?patient_id={record.patient_id}", f"/api/clinic/patients/{record.patient_id}/timeline")
    urls = [
        *lists,
        f"{PHOTOS}/{photo.pk}",
        f"{PHOTOS}/{photo.pk}/history/1",
        url_of(record),
        url_of(record, "/history/1"),
    ]

    def marked(body):
        """The ids of the photos in a response that are marked."""
        if isinstance(body, dict):
            own = {body["id"]} if body.get("record_entered_in_error") else set()
            return own.union(*map(marked, body.values()))
        return set().union(*map(marked, body)) if isinstance(body, list) else set()

    before = {url: api.get(url) for url in urls}
    assert [marked(response.json()) for response in before.values()] == [set()] * len(urls)
    assert mark(api, record, 1, reason="Another patient's").status_code == 200
    for url in urls:
        response = api.get(url, headers={"If-None-Match": before[url]["ETag"]})
        assert marked(response.json()) == {photo.pk}, url
        assert api.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 304, url
    assert {gallery.pk, foreign.pk}.isdisjoint(marked(api.get(lists[0]).json()))
    pending = {
        "patient_id": record.patient_id,
        "medical_record_id": record.pk,
        "file": SimpleUploadedFile("a", plain()),
    }
    uploaded = api.post(PHOTOS, pending, format="multipart")
    assert marked(uploaded.json()) == {uploaded.json()["id"]}
    assert api.get(uploaded["Location"], headers={"If-None-Match": uploaded["ETag"]}).status_code == 304


def test_what_is_in_error_isnt_changed_signed_or_deleted(api, record):
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)
    mark(api, record, 1, reason="Another patient's")
    for refused in (
        sign(api, record, version=2),
        api.patch(url_of(record), {"values": {}, "version": 2}),
        api.delete(url_of(record), {"version": 2}),
        api.delete(f"{PHOTOS}/{photo.pk}"),
    ):
        assert kind(refused) == (409, "entered-in-error")
    assert PatientPhoto.objects.get().is_deleted is False


def test_what_another_program_has_put_into_the_trash_although_it_is_marked_comes_back(api, record):
    MedicalRecord.objects.update(is_deleted=True, entered_in_error_at=timezone.now())
    assert listed(api, status="deleted") == [record.pk]
    assert kind(mark(api, record, 1, undo=True)) == (409, "in-trash")
    assert api.post(url_of(record, "/restore"), {"version": 1}).status_code == 200
    assert mark(api, record, 2, undo=True).status_code == 200


def test_a_mark_says_why(api, record):
    assert kind(mark(api, record, 1)) == (400, "invalid-input")
    assert kind(mark(api, record, 1, reason=" ")) == (400, "invalid-input")
    assert kind(mark(api, record, 7, reason="x")) == (409, "stale-version")
    assert kind(api.post(url_of(record, "/entered-in-error"), {"reason": "x"})) == (428, "version-required")


# Filters


def test_what_nobody_has_signed_is_found_and_what_is_overdue(api, signed, clinic):
    patient = PatientFactory(clinic=clinic)
    late, new, in_error, in_trash = MedicalRecordFactory.create_batch(4, patient=patient)
    MedicalRecord.objects.exclude(pk=new.pk).update(updated_at=F("updated_at") - dt.timedelta(hours=24, minutes=1))
    MedicalRecord.objects.filter(pk=in_error.pk).update(entered_in_error_at=timezone.now())
    MedicalRecord.objects.filter(pk=in_trash.pk).update(is_deleted=True)
    assert sorted(listed(api, unsigned="true")) == [late.pk, new.pk]
    assert listed(api, overdue="true") == [late.pk]
    # The same statement later, as a server keeps it.
    MedicalRecord.objects.filter(pk=new.pk).update(updated_at=F("updated_at") - dt.timedelta(days=2))
    assert sorted(listed(api, overdue="true")) == [late.pk, new.pk]
    assert kind(api.get(RECORDS, {"unsigned": "false"})) == (400, "invalid-input")
