"""Records: filled in from a template, checked against it, changed, thrown away and brought back with their photos."""

import datetime as dt
import json

import pytest
from django.db.models import JSONField, Value
from django.utils import timezone

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.api.records import RecordViewSet
from medical_records.factories import (
    MedicalRecordFactory,
    MedicalRecordTemplateFactory,
    PatientPhotoFactory,
    every_field_type,
    make_field,
)
from medical_records.models import MedicalRecord

RECORDS = "/api/clinic/medical-records"


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic)


@pytest.fixture
def url(patient):
    return f"/api/clinic/patients/{patient.pk}/medical-records"


@pytest.fixture
def template(clinic):
    return MedicalRecordTemplateFactory(clinic=clinic, description="First visit")


def ids(template):
    return {field["type"]: field["id"] for field in template.fields}


def good_values(template):
    by_type = {
        "text": "Headache",
        "textarea": "",
        "number": 37.5,
        "date": "2026-02-28",
        "dropdown": "Mild",
        "radio": "Left",
        "checkbox": ["Latex", "Pollen"],
    }
    return {field["id"]: by_type[field["type"]] for field in template.fields}


def test_a_record_carries_a_copy_of_its_template(api, url, template, member, patient):
    response = api.post(url, {"template_id": template.pk, "values": good_values(template)})
    assert response.status_code == 201, response.content
    assert response["ETag"] == '"1"'
    record = response.json()
    assert record["template_name"] == template.name
    assert record["template_snapshot"] == {
        "name": template.name,
        "description": "First visit",
        "fields": template.fields,
    }
    assert record["values"] == good_values(template)
    assert (record["patient_id"], record["created_by_user_id"]) == (patient.pk, member.user_id)
    assert (record["missing_required"], record["photos"], record["appointment_id"]) == ([], [], None)
    assert api.get(response["Location"]).json() == record


@pytest.mark.parametrize(("of_field", "of_answer"), [(str.upper, str.lower), (str.lower, str.upper), (str.upper, str)])
def test_ids_of_fields_are_compared_as_uuids(api, url, clinic, of_field, of_answer):
    """And kept as the template writes them."""
    field = make_field("a", required=True)
    template = MedicalRecordTemplateFactory(clinic=clinic, fields=[{**field, "id": of_field(field["id"])}])
    made = api.post(url, {"template_id": template.pk, "values": {of_answer(field["id"]): "x"}})
    assert made.status_code == 201, made.content
    assert made.json()["values"] == {of_field(field["id"]): "x"}
    assert made.json()["missing_required"] == []
    changed = api.patch(made["Location"], {"values": {of_answer(field["id"]): "y"}, "version": 1})
    assert changed.json()["values"] == {of_field(field["id"]): "y"}


def test_a_field_has_one_answer_however_its_id_is_written(api, url, template):
    field = ids(template)["text"]
    response = api.post(url, {"template_id": template.pk, "values": {field.lower(): "x", field.upper(): "y"}})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [f"values.{field.upper()}"]


def test_missing_required_answers_are_listed_and_no_error(api, url, clinic):
    template = MedicalRecordTemplateFactory(
        clinic=clinic,
        fields=[
            make_field("a", required=True),
            make_field("b", required=True),
            make_field("c", "checkbox", required=True, options=["x"]),
            make_field("d"),
        ],
    )
    a, b, c, _ = [field["id"] for field in template.fields]
    response = api.post(url, {"template_id": template.pk, "values": {b: "  ", c: []}})
    assert response.status_code == 201
    assert response.json()["missing_required"] == [a, b, c]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 5),
        ("text", None),
        ("text", ["a"]),
        ("text", "a\0b"),
        ("text", "\ud83d"),
        ("textarea", "x" * 20_001),
        ("number", "37"),
        ("number", True),
        ("number", 2**53),
        ("number", -(2**70)),
        ("number", [1]),
        ("date", "28.02.2026"),
        ("date", "2026-02-30"),
        ("date", "20260228"),
        ("date", "2026-02-28T00:00"),
        ("date", "2026-W10-1"),
        ("date", "\uff12026-02-28"),
        ("date", 20260228),
        ("dropdown", "Terrible"),
        ("dropdown", ["Mild"]),
        ("radio", {}),
        ("radio", ""),
        ("checkbox", "Latex"),
        ("checkbox", ["Latex", "Latex"]),
        ("checkbox", ["Gluten"]),
        ("checkbox", [["Latex"]]),
        ("checkbox", {"Latex": True}),
    ],
)
def test_an_answer_that_doesnt_fit_its_field_is_400_by_its_id(api, url, template, kind, value):
    body = json.dumps({"template_id": template.pk, "values": {ids(template)[kind]: value}})
    response = api.post(url, body, content_type="application/json")
    assert response.status_code == 400, response.content
    assert list(response.json()["errors"]) == [f"values.{ids(template)[kind]}"]
    assert MedicalRecord.objects.count() == 0


@pytest.mark.parametrize("values", [None, [], "x", 1, True])
def test_values_are_an_object(api, url, template, values):
    response = api.post(url, {"template_id": template.pk, "values": values})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["values"]


def test_infinity_is_no_number(api, url, template):
    body = f'{{"template_id": {template.pk}, "values": {{"{ids(template)["number"]}": 1e999}}}}'
    assert api.post(url, body, content_type="application/json").status_code == 400


def test_a_key_that_the_template_doesnt_have_is_an_error_and_isnt_repeated(api, url, template):
    response = api.post(url, {"template_id": template.pk, "values": {"Jane Doe, 1 Main Street": "x"}})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["values"]
    assert b"Jane" not in response.content


def test_what_is_in_the_trash_or_anothers_makes_no_record(api, url, clinic, patient, template):
    trashed = MedicalRecordTemplateFactory(clinic=clinic, in_trash=True)
    foreign = MedicalRecordTemplateFactory()
    others_visit = AppointmentFactory(patient=PatientFactory(clinic=clinic))
    foreign_visit = AppointmentFactory()
    good = {"template_id": template.pk, "values": {}}
    for body, status in (
        ({**good, "template_id": trashed.pk}, 409),
        ({**good, "template_id": foreign.pk}, 404),
        ({**good, "appointment_id": others_visit.pk}, 409),
        ({**good, "appointment_id": foreign_visit.pk}, 404),
        ({**good, "template_id": 2**31}, 400),
        ({**good, "template_id": "1"}, 400),
    ):
        assert api.post(url, body).status_code == status, body
    patient.is_deleted = True
    patient.save()
    assert api.post(url, good).status_code == 409
    assert MedicalRecord.objects.count() == 0


def test_an_appointment_can_be_named_changed_and_taken_away(api, url, template, patient):
    visit, later = AppointmentFactory.create_batch(2, patient=patient)
    record = api.post(url, {"template_id": template.pk, "values": {}, "appointment_id": visit.pk}).json()
    assert record["appointment_id"] == visit.pk
    one = f"{RECORDS}/{record['id']}"
    assert api.put(one, {"values": {}, "version": 1}).json()["appointment_id"] == visit.pk
    assert api.patch(one, {"appointment_id": later.pk, "version": 2}).json()["appointment_id"] == later.pk
    assert api.patch(one, {"appointment_id": None, "version": 3}).json()["appointment_id"] is None


@pytest.fixture
def record(patient):
    return MedicalRecordFactory(patient=patient)


def test_answers_are_replaced_and_checked_against_the_records_own_snapshot(api, record):
    # The template has been changed since; the record knows the old fields only.
    record.template.fields = every_field_type()
    record.template.save()
    old, new = record.template_snapshot["fields"][0]["id"], record.template.fields[0]["id"]
    url = f"{RECORDS}/{record.pk}"
    assert api.put(url, {"values": {new: "x"}, "version": 1}).status_code == 400
    changed = api.put(url, {"values": {old: "x"}, "version": 1}).json()
    assert (changed["values"], changed["version"]) == ({old: "x"}, 2)
    assert api.put(url, {"version": 2}).status_code == 400
    assert api.patch(url, {"version": 2}).json()["values"] == {old: "x"}


def test_the_template_of_a_record_cant_be_changed(api, record, template):
    url = f"{RECORDS}/{record.pk}"
    assert api.patch(url, {"template_id": template.pk, "version": 1}).status_code == 409
    assert api.patch(url, {"template_id": record.template_id, "version": 1}).status_code == 200


def test_what_a_deleted_patient_has_can_go_to_the_trash_and_nothing_else(api, record, patient):
    url, photos = f"{RECORDS}/{record.pk}", "/api/clinic/patient-photos"
    photo = PatientPhotoFactory(patient=patient, medical_record=record)
    trashed = MedicalRecordFactory(patient=patient, in_trash=True)
    trashed_photo = PatientPhotoFactory(patient=patient, in_trash=True)
    patient.is_deleted = True
    patient.save()
    for response in (
        api.put(url, {"values": {}, "version": 1}),
        api.patch(url, {"version": 1}),
        api.post(f"{RECORDS}/{trashed.pk}/restore", {"version": 1}),
        api.patch(f"{photos}/{photo.pk}", {"description": "x"}),
        api.post(f"{photos}/{trashed_photo.pk}/restore"),
        api.post(f"{photos}/attach", {"record_id": record.pk, "photo_ids": [photo.pk], "version": 1}),
    ):
        assert response.status_code == 409, response.content
        assert list(response.json()["errors"]) == ["patient_id"]
    record.refresh_from_db()
    assert record.version == 1
    assert api.get(url).status_code == 200
    assert api.delete(url, {"version": 1}).status_code == 204
    assert api.delete(f"{photos}/{PatientPhotoFactory(patient=patient).pk}").status_code == 204


def test_saving_links_exactly_the_photos_that_are_named(api, record, patient):
    url = f"{RECORDS}/{record.pk}"
    pending = PatientPhotoFactory(patient=patient, medical_record=record, pending=True)
    gallery, kept, dropped = PatientPhotoFactory.create_batch(3, patient=patient)
    for photo in (kept, dropped):
        photo.medical_record = record
        photo.save()
    just_uploaded = PatientPhotoFactory(patient=patient, medical_record=record, pending=True)
    wanted = [pending.pk, gallery.pk, kept.pk]
    shown = api.patch(url, {"photo_ids": [*wanted, kept.pk], "version": 1}).json()
    assert {photo["id"]: photo["is_pending"] for photo in shown["photos"]} == {
        **dict.fromkeys(wanted, False),
        just_uploaded.pk: True,
    }
    dropped.refresh_from_db()
    assert (dropped.medical_record_id, dropped.is_pending, dropped.is_deleted) == (None, False, False)
    # Where photos aren't mentioned, they stay; an empty list lets them go.
    assert len(api.patch(url, {"version": 2}).json()["photos"]) == 4
    assert [photo["id"] for photo in api.patch(url, {"photo_ids": [], "version": 3}).json()["photos"]] == [
        just_uploaded.pk
    ]


def test_a_photo_that_cant_be_linked_leaves_everything_as_it_was(api, url, record, template):
    patient = record.patient
    mine = PatientPhotoFactory(patient=patient)
    elsewhere = PatientPhotoFactory(patient=patient, medical_record=MedicalRecordFactory(patient=patient))
    others = PatientPhotoFactory(patient=PatientFactory(clinic=patient.clinic))
    trashed = PatientPhotoFactory(patient=patient, in_trash=True)
    foreign = PatientPhotoFactory()
    for photo, status in ((elsewhere, 409), (others, 409), (trashed, 409), (foreign, 404)):
        wanted = [mine.pk, photo.pk]
        response = api.patch(f"{RECORDS}/{record.pk}", {"values": {}, "photo_ids": wanted, "version": 1})
        assert response.status_code == status, response.content
        response = api.post(url, {"template_id": template.pk, "values": {}, "photo_ids": wanted})
        assert response.status_code == status, response.content
    for photo in (mine, elsewhere, others, trashed, foreign):
        before = (photo.medical_record_id, photo.is_deleted, photo.updated_at)
        photo.refresh_from_db()
        assert (photo.medical_record_id, photo.is_deleted, photo.updated_at) == before
    record.refresh_from_db()
    assert record.version == 1
    assert MedicalRecord.objects.filter(patient=patient).count() == 2


def test_a_record_takes_its_photos_to_the_trash_and_brings_back_those_and_no_others(api, record, patient):
    url = f"{RECORDS}/{record.pk}"
    went_before = PatientPhotoFactory(patient=patient, medical_record=record, in_trash=True)
    photos = PatientPhotoFactory.create_batch(2, patient=patient, medical_record=record)
    gallery = PatientPhotoFactory(patient=patient)
    assert api.delete(url, headers={"If-Match": '"1"'}).status_code == 204
    for photo in (*photos, gallery):
        photo.refresh_from_db()
    assert [photo.is_deleted for photo in photos] == [True, True]
    assert not gallery.is_deleted
    in_trash = api.get(url).json()
    assert (in_trash["is_deleted"], len(in_trash["photos"])) == (True, 2)
    restored = api.post(f"{url}/restore", {"version": 2}).json()
    assert [photo["id"] for photo in restored["photos"]] == [photo.pk for photo in photos]
    went_before.refresh_from_db()
    assert went_before.is_deleted


def test_a_record_is_removed_for_good_by_an_administrator_from_the_trash_only(api, record, patient, clinic):
    photo = PatientPhotoFactory(patient=patient, medical_record=record)
    url = f"{RECORDS}/{record.pk}"
    practitioner = client_of(MembershipFactory(clinic=clinic))
    assert api.delete(f"{url}/permanently", {"version": 1}).status_code == 409
    assert practitioner.delete(url, {"version": 1}).status_code == 204
    assert practitioner.delete(f"{url}/permanently", {"version": 2}).status_code == 403
    assert api.delete(f"{url}/permanently", {"version": 1}).status_code == 409
    assert api.delete(f"{url}/permanently").status_code == 428
    assert api.delete(f"{url}/permanently", {"version": 2}).status_code == 204
    assert api.get(url).status_code == 404
    assert not type(photo).objects.filter(pk=photo.pk).exists()


def test_a_member_without_a_role_only_reads(record, clinic, url, template):
    reader = client_of(MembershipFactory(clinic=clinic, reader=True))
    one = f"{RECORDS}/{record.pk}"
    assert reader.get(one).status_code == 200
    assert reader.get(url).json()["count"] == 1
    for response in (
        reader.post(url, {"template_id": template.pk, "values": {}}),
        reader.put(one, {"values": {}, "version": 1}),
        reader.patch(one, {"version": 1}),
        reader.delete(one, {"version": 1}),
        reader.post(f"{one}/restore", {"version": 1}),
        reader.delete(f"{one}/permanently", {"version": 1}),
    ):
        assert response.status_code == 403


def listed(response):
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_lists_leave_out_snapshots_and_the_trash(api, url, record, patient):
    MedicalRecordFactory(patient=patient, in_trash=True)
    [row] = api.get(url).json()["results"]
    assert row["id"] == record.pk
    assert row["values"] == record.values
    assert "template_snapshot" not in row
    assert listed(api.get(RECORDS)) == [record.pk]


def test_records_can_be_found_by_what_they_belong_to_and_when(api, clinic, patient):
    noon = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
    visit = AppointmentFactory(patient=patient)
    first = MedicalRecordFactory(patient=patient, appointment=visit, created_at=noon)
    second = MedicalRecordFactory(patient__clinic=clinic, created_at=noon + dt.timedelta(hours=1))
    gone = MedicalRecordFactory(patient=patient, in_trash=True, created_at=noon + dt.timedelta(hours=2))
    for query, found in (
        ({}, [second, first]),
        ({"patient": patient.pk}, [first]),
        ({"template": second.template_id}, [second]),
        ({"appointment": visit.pk}, [first]),
        ({"status": "deleted"}, [gone]),
        ({"status": "all"}, [gone, second, first]),
        ({"created_after": "2026-05-04T13:00:00Z"}, [second]),
        ({"created_before": "2026-05-04T15:00:00+02:00"}, [first]),
        ({"updated_since": "2026-05-04T12:30:00Z"}, [gone, second]),
        ({"updated_since": "2026-05-04T12:30:00Z", "status": "active"}, [second]),
        ({"patient": 2**31 - 1}, []),
    ):
        assert listed(api.get(RECORDS, query)) == [record.pk for record in found], query


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patient", "x"),
        ("patient", "-1"),
        ("patient", ""),
        ("status", ""),
        ("updated_since", ""),
        ("patient", "2147483648"),
        ("template", "1.5"),
        ("appointment", "9" * 5000),
        ("created_after", "yesterday"),
        ("updated_since", "2026-13-01T00:00:00Z"),
        ("updated_since", "\0"),
        ("status", "Jane Doe"),
    ],
)
def test_an_invalid_filter_is_400_and_isnt_repeated(api, name, value):
    response = api.get(RECORDS, {name: value})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [name]
    assert b"Jane" not in response.content


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_times_at_the_ends_of_the_calendar_are_times(api, record, when):
    assert api.get(RECORDS, {"created_after": when}).status_code == 200


@pytest.mark.parametrize("rows", [1, 100])
def test_lists_take_three_or_four_queries_however_many_rows(api, url, patient, rows, django_assert_num_queries):
    template = MedicalRecordTemplateFactory(clinic=patient.clinic)
    MedicalRecordFactory.create_batch(rows, patient=patient, template=template)
    with django_assert_num_queries(3):  # the token with the memberships, the rows with their number, who looked
        assert len(listed(api.get(RECORDS, {"page_size": 100}))) == rows
    with django_assert_num_queries(4):  # and the patient
        assert len(listed(api.get(url, {"page_size": 100}))) == rows


@pytest.mark.parametrize(("photos", "queries"), [(0, 3), (1, 4), (20, 4)])
def test_one_record_takes_three_queries_and_its_photos_one(api, record, photos, queries, django_assert_num_queries):
    PatientPhotoFactory.create_batch(photos, patient=record.patient, medical_record=record)
    with django_assert_num_queries(queries):  # the token with the memberships, the record, who looked
        assert len(api.get(f"{RECORDS}/{record.pk}").json()["photos"]) == photos


@pytest.mark.parametrize("snapshot", [[], {}, None, "x", {"fields": 5}, {"fields": [1, {"id": []}, {"id": "a"}]}])
def test_what_an_older_system_left_in_a_record_is_shown_as_it_is(api, record, snapshot):
    record.template_snapshot = Value(snapshot, JSONField())
    record.values = {"n": 10**40, "x": [None]}
    record.save()
    shown = api.get(f"{RECORDS}/{record.pk}").json()
    assert (shown["template_snapshot"], shown["values"], shown["missing_required"]) == (snapshot, record.values, [])
    assert api.patch(f"{RECORDS}/{record.pk}", {"values": {"a": 1}, "version": 1}).status_code == 400


def test_another_patients_url_shows_nothing_of_this_one(api, record, clinic):
    other = PatientFactory(clinic=clinic)
    url = f"/api/clinic/patients/{other.pk}/medical-records"
    assert listed(api.get(url)) == []
    assert api.get(url, {"patient_id": record.patient_id}).status_code == 400


def test_updated_at_tells_every_change(api, record):
    before = timezone.now()
    assert api.patch(f"{RECORDS}/{record.pk}", {"version": 1}).json()["updated_at"] > before.isoformat()
    api.delete(f"{RECORDS}/{record.pk}", {"version": 2})
    record.refresh_from_db()
    assert record.updated_at == record.deleted_at


def test_a_record_that_goes_while_a_stale_change_is_refused_is_404(api, record, monkeypatch):
    row = RecordViewSet.row

    def when_it_has_gone(view, pk):
        MedicalRecord.objects.all().delete()
        return row(view, pk)

    monkeypatch.setattr(RecordViewSet, "row", when_it_has_gone)
    assert api.patch(f"{RECORDS}/{record.pk}", {"version": 9}).status_code == 404
