"""`If-None-Match`: 304 while nothing has changed that an answer shows, and never after."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.purge import Purge

RECORDS = "/api/clinic/medical-records"
PHOTOS = "/api/clinic/patient-photos"


@pytest.fixture
def record(clinic):
    patient = PatientFactory(clinic=clinic)
    return MedicalRecordFactory(patient=patient, appointment=AppointmentFactory(patient=patient))


@pytest.fixture
def photo(record):
    return PatientPhotoFactory(patient=record.patient, medical_record=record, created_at=record.created_at)


@pytest.fixture
def urls(record, photo):
    """What is read conditionally."""
    patient = f"/api/clinic/patients/{record.patient_id}"
    return {
        "templates": "/api/clinic/medical-record-templates",
        "template": f"/api/clinic/medical-record-templates/{record.template_id}",
        "records": RECORDS,
        "record": f"{RECORDS}/{record.pk}",
        "records of a patient": f"{patient}/medical-records",
        "photos": f"{PHOTOS}?patient_id={record.patient_id}",
        "photo": f"{PHOTOS}/{photo.pk}",
        "patients": "/api/clinic/patients",
        "patient": patient,
        "timeline": f"{patient}/timeline",
        "appointments": "/api/clinic/appointments",
    }


def again(api, url, etag):
    return api.get(url, headers={"If-None-Match": etag})


def test_what_hasnt_changed_is_304_without_a_body(api, urls):
    for name, url in urls.items():
        first = api.get(url)
        for etag in (first["ETag"], f"W/{first['ETag']}", f'"other", {first["ETag"]}', "*"):
            response = again(api, url, etag)
            assert (response.status_code, response.content) == (304, b""), name
            assert response["ETag"] == first["ETag"]
        for etag in ('"other"', "", "nonsense", first["ETag"].strip('"')):
            assert again(api, url, etag).json() == first.json(), name


def test_answers_are_kept_by_the_client_alone_which_asks_each_time(api, urls):
    for url in urls.values():
        first = api.get(url)
        for response in (first, again(api, url, first["ETag"])):
            assert response["Cache-Control"] == "private, no-cache"
            vary = {name.strip() for name in response["Vary"].split(",")}
            assert {"Authorization", "Cookie", "X-Clinic-ID"} <= vary


def test_a_304_reads_less_than_the_answer(api, urls, django_assert_max_num_queries):
    for name, url in urls.items():
        with CaptureQueriesContext(connection) as whole:
            etag = api.get(url)["ETag"]
        with django_assert_max_num_queries(min(len(whole), 4)) as queries:
            assert again(api, url, etag).status_code == 304
        read = " ".join(query["sql"] for query in queries)
        assert '"fields"' not in read, name
        assert '"values"' not in read, name


CHANGES = {
    "UPDATE medical_record_templates SET name = 'Other'": {"templates", "template"},
    "UPDATE medical_records SET values = '{}'": {"records", "record", "records of a patient", "timeline"},
    "UPDATE patient_photos SET description = 'x'": {"photos", "photo", "timeline"},
    "UPDATE patients SET phone_number = '1'": {"patients", "patient"},
    "UPDATE calendar_events SET start_time = '11:00'": {"appointments"},
    "UPDATE appointments SET status = 'cancelled'": {"appointments"},
}


@pytest.mark.parametrize(("statement", "changed"), CHANGES.items())
def test_whoever_changes_what_is_shown_changes_its_etag_and_no_other(api, urls, statement, changed):
    etags = {name: api.get(url)["ETag"] for name, url in urls.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement)
    found = {name for name, url in urls.items() if again(api, url, etags[name]).status_code == 200}
    assert found == changed


@pytest.mark.parametrize(("name", "table"), [("template", "medical_record_templates"), ("record", "medical_records")])
def test_what_was_changed_and_kept_its_version_is_sent_whole_until_it_has_another(api, urls, name, table):
    """By another program, or by us: where a user is removed, whom it names."""
    first = api.get(urls[name])
    with connection.cursor() as cursor:
        for sets in (
            "version = 1",
            "created_by_user_id = NULL",
            "version = 2",
            "created_at = now()",
            "created_at = now()",
        ):
            cursor.execute(f"UPDATE {table} SET {sets}")
    changed = again(api, urls[name], '"2"')
    assert (changed.status_code, changed["ETag"]) == (200, '"2"')
    assert changed.json()["created_at"] != first.json()["created_at"]
    assert again(api, urls[name], api.patch(urls[name], {"version": 2})["ETag"]).status_code == 304


def test_a_row_more_or_less_changes_a_list(api, urls, record):
    etag = api.get(urls["records"])["ETag"]
    other = MedicalRecordFactory(patient__clinic=record.clinic)
    more = again(api, urls["records"], etag)
    assert more.json()["count"] == 2
    api.delete(f"{RECORDS}/{other.pk}", {"version": 1})
    assert again(api, urls["records"], more["ETag"]).json()["count"] == 1


def test_a_row_beyond_the_page_changes_its_count_and_its_links(api, urls, record):
    url = f"{RECORDS}?page_size=1"
    etag = api.get(url)["ETag"]
    MedicalRecordFactory(patient=record.patient, created_at=record.created_at - timezone.timedelta(days=1))
    changed = again(api, url, etag).json()
    assert (changed["count"], changed["next"] is None) == (2, False)


def test_a_change_of_a_record_or_a_template_raises_its_etag(api, urls):
    for name in ("record", "template"):
        etag = api.get(urls[name])["ETag"]
        changed = api.patch(urls[name], {"version": 1})
        assert changed["ETag"] == '"2"'
        assert again(api, urls[name], etag).json() == changed.json()
        assert again(api, urls[name], changed["ETag"]).status_code == 304


def test_a_record_is_sent_while_a_photo_has_changed_that_it_shows_with_the_same_version(api, urls, record, photo):
    etag = api.get(urls["record"])["ETag"]
    assert again(api, urls["record"], etag).status_code == 304
    api.patch(urls["photo"], {"description": "before"})
    response = again(api, urls["record"], etag)
    assert (response.status_code, response["ETag"]) == (200, '"1"')
    assert response.json()["photos"][0]["description"] == "before"
    # Saved again, it has a version that tells all.
    saved = api.patch(urls["record"], {"photo_ids": [photo.pk], "version": 1})
    assert again(api, urls["record"], saved["ETag"]).status_code == 304


def test_a_record_is_sent_while_a_photo_is_pending_for_it(api, urls, record):
    PatientPhotoFactory(patient=record.patient, medical_record=record, pending=True)
    response = again(api, urls["record"], '"1"')
    assert [photo["is_pending"] for photo in response.json()["photos"]] == [False, True]


def test_a_record_is_sent_where_it_was_saved_while_a_photo_was_on_its_way(api, urls, record):
    """The photo has the time at which its upload began, which is before the record's."""
    before = record.created_at - timedelta(minutes=1)
    PatientPhotoFactory(patient=record.patient, medical_record=record, pending=True, created_at=before)
    assert len(again(api, urls["record"], '"1"').json()["photos"]) == 2


def test_a_record_is_sent_again_where_the_purge_has_removed_what_was_pending_for_it(api, urls, record):
    before = record.created_at - timedelta(days=31)
    PatientPhotoFactory(patient=record.patient, medical_record=record, pending=True, created_at=before)
    etag = api.get(urls["record"])["ETag"]
    for step in Purge(days=30).steps():
        list(step.run())
    response = again(api, urls["record"], etag)
    assert [photo["is_pending"] for photo in response.json()["photos"]] == [False]
    assert again(api, urls["record"], response["ETag"]).status_code == 304


def test_a_record_with_its_photos_is_304_after_each_way_to_save_it(api, urls, record, photo):
    gallery = PatientPhotoFactory(patient=record.patient)
    attached = api.post(f"{PHOTOS}/attach", {"record_id": record.pk, "photo_ids": [gallery.pk], "version": 1})
    assert again(api, urls["record"], attached["ETag"]).status_code == 304
    api.delete(urls["record"], {"version": 2})
    assert again(api, urls["record"], '"3"').status_code == 304
    restored = api.post(f"{urls['record']}/restore", {"version": 3})
    assert again(api, urls["record"], restored["ETag"]).status_code == 304


def test_whether_it_is_known_is_asked_after_whether_it_may_be_seen(api, urls):
    outsider = client_of(MembershipFactory())
    for name in ("template", "record", "photo", "patient", "timeline"):
        assert again(outsider, urls[name], "*").status_code == 404
    assert again(outsider, urls["records"], api.get(urls["records"])["ETag"]).json()["count"] == 0


def test_a_change_is_answered_with_the_etag_of_the_next_read(api, urls, photo):
    changed = api.patch(urls["photo"], {"description": "x"})
    assert again(api, urls["photo"], changed["ETag"]).status_code == 304


def test_a_list_is_sent_again_where_another_key_signs_its_cursors(api, urls, settings):
    etag = api.get(urls["records"])["ETag"]
    settings.SECRET_KEY = "another " * 8
    assert again(api, urls["records"], etag).status_code == 200
