"""Who looked: every response that shows what a patient has leaves one row, with all that it shows, and no other does."""

import json
import logging
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from clinic_project.audit.accesses import logger
from clinic_project.audit.models import Access
from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from clinic_project.clinics.tests.clients import client_of
from clinic_project.logs import JSONFormatter
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.tests.photos import image_files
from medical_records.tests.photos.uploads import add

from .test_document import DOCUMENT, OPERATIONS, PICTURES, content_of, in_trash, url_of
from .test_document import api as examples_api

__all__ = ["examples_api", "in_trash"]

PAGE = (
    (Path(__file__).parents[3] / "clinic_project/README.md").read_text().split("\n## Who looked\n")[1].split("\n## ")[0]
)

RECORDS = "/api/clinic/medical-records"
PHOTOS = "/api/clinic/patient-photos"


def shown() -> list[tuple]:
    """Return of each access what was shown, and how."""
    rows = Access.objects.order_by("pk").values_list("action", "patient_ids", "record_ids", "photo_ids")
    return [(action, *map(sorted, ids)) for action, *ids in rows]


# Each operation


#: What is shown of patients, by what the access log calls it; of every other operation, nothing.
SHOWING = {
    "list": {"listRecords", "listPatientRecords", "listPhotos", "getPatientTimeline"},
    "view": {"getPatient", "getRecord", "getPhoto"},
    "file": {"getPhotoFile"},
    "thumbnail": {"getPhotoThumbnail"},
    "history": {"listRecordHistory", "getPastRecord", "listPhotoHistory", "getPastPhoto"},
    "access-log": {"listPatientAccesses"},
    "export": {"exportPatient", "exportTemplateRecords"},
    "change": {
        *("createRecord", "replaceRecord", "updateRecord", "restoreRecord", "signRecord", "markRecordEnteredInError"),
        *("uploadPhoto", "updatePhoto", "restorePhoto", "attachPhotos"),
    },
}
#: Nothing, or what is no patient's record, photo or history.
SHOWING_NOTHING = {
    *("logIn", "logOut", "logOutEverywhere", "getCurrentUser", "listPatients", "listAppointments"),
    *("listTemplates", "createTemplate", "getTemplate", "replaceTemplate", "updateTemplate", "deleteTemplate"),
    *("copyTemplate", "restoreTemplate", "listTemplateHistory", "getPastTemplate"),
    *("deleteRecord", "deleteRecordPermanently", "deletePhoto"),
}
#: What of the document's components is a patient's.
SCHEMAS = DOCUMENT["components"]["schemas"]
CLINICAL = {"Record", "RecordDetail", "Photo", "PatientDetail", "TimelineEntry", "RecordPhotos", "Access"}


def test_of_every_operation_it_is_known_whether_it_shows_something():
    assert {*SHOWING_NOTHING}.union(*SHOWING.values()) == OPERATIONS.keys()
    assert SHOWING_NOTHING.isdisjoint(set().union(*SHOWING.values()))


def schema_names(described, found=None) -> set[str]:
    """Return the components that a part of the document refers to, and those that these refer to."""
    found = set() if found is None else found
    if isinstance(described, list):
        described = dict(enumerate(described))
    if isinstance(described, dict):
        name = str(described.get("$ref", "")).removeprefix("#/components/schemas/")
        if name in SCHEMAS and name not in found:
            found.add(name)
            schema_names(SCHEMAS[name], found)
        for inner in described.values():
            schema_names(inner, found)
    return found


@pytest.mark.parametrize("operation_id", sorted(SHOWING_NOTHING))
def test_what_leaves_no_row_has_nothing_of_a_patient_in_its_response(operation_id):
    successes = {
        status: response
        for status, response in OPERATIONS[operation_id][2]["responses"].items()
        if status.startswith("2")
    }
    assert schema_names(successes).isdisjoint(CLINICAL)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_leaves_a_row_if_it_shows_something(operation_id, examples_api):
    request = prepared(operation_id)
    before = Access.objects.count()
    response = sent(examples_api, *request)
    assert 200 <= response.status_code < 300, response.content
    left = list(Access.objects.order_by("pk")[before:])
    assert [access.action for access in left] == [action for action, ids in SHOWING.items() if operation_id in ids]
    for access in left:
        assert (access.patient_ids[0], access.via, access.request_id) == (7, "api", response["X-Request-ID"])


def prepared(operation_id) -> tuple:
    """Return method, address, content type and body of a request, with what it needs to be done."""
    method, _, operation = OPERATIONS[operation_id]
    url = url_of(operation_id)
    if operation_id in PICTURES:
        url = url.replace("31", str(add(Patient.objects.get(pk=7)).pk))
    if operation_id == "exportTemplateRecords":
        MedicalRecord.objects.update(template=url.split("/")[-2])
    if operation_id == "restorePhoto":
        PatientPhoto.objects.filter(pk=31).update(is_deleted=True, deleted_at=timezone.now())
    content_type, _, body = content_of(operation_id) if "requestBody" in operation else (None, None, {})
    return method, url, content_type, {"patient_id": 7} if operation_id == "listPhotos" else body


def sent(api, method, url, content_type, body):
    if content_type == "multipart/form-data":
        return api.post(url, {**body, "file": knee()}, format="multipart")
    return getattr(api, method)(url, body)


def knee() -> SimpleUploadedFile:
    return SimpleUploadedFile("knee.png", image_files.plain())


# What is in the row


@pytest.fixture
def record(clinic):
    return MedicalRecordFactory(patient=PatientFactory(clinic=clinic))


@pytest.fixture
def photo(record):
    return PatientPhotoFactory(patient=record.patient, medical_record=record, created_at=record.created_at)


def test_a_row_says_who_looked_in_which_clinic_and_by_which_request(api, member, record):
    response = api.get(f"{RECORDS}/{record.pk}")
    access = Access.objects.get()
    assert (access.user_id, access.user_name) == (member.user_id, member.full_name)
    assert (access.clinic_id, access.via) == (member.clinic_id, "api")
    assert access.request_id == response["X-Request-ID"]
    assert access.at is not None


def test_a_record_is_shown_with_its_photos(api, record, photo):
    PatientPhotoFactory(patient=record.patient)
    api.get(f"{RECORDS}/{record.pk}")
    assert shown() == [("view", [record.patient_id], [record.pk], [photo.pk])]


def test_a_list_is_one_row_that_knows_whose_each_is(api, clinic, record):
    other = MedicalRecordFactory(patient=PatientFactory(clinic=clinic))
    api.get(RECORDS)
    access = Access.objects.get()
    assert dict(zip(access.record_ids, access.patient_ids, strict=True)) == {
        record.pk: record.patient_id,
        other.pk: other.patient_id,
    }


def test_a_list_names_what_is_on_its_page_alone(api, record):
    older = MedicalRecordFactory(patient=record.patient, created_at=record.created_at - timezone.timedelta(days=1))
    page = api.get(f"{RECORDS}?page_size=1").json()
    api.get(page["next"])
    api.get(f"{RECORDS}?page=2&page_size=1")
    assert [ids for _, _, ids, _ in shown()] == [[record.pk], [older.pk], [older.pk]]


def test_what_is_in_the_trash_is_shown_as_well(api, record, photo):
    api.delete(f"{RECORDS}/{record.pk}", {"version": 1})
    for url in (f"{RECORDS}?status=all", f"{RECORDS}?updated_since=2000-01-01T00:00:00Z"):
        api.get(url)
    api.get(f"{RECORDS}/{record.pk}")
    patient = [record.patient_id]
    assert shown() == [*[("list", patient, [record.pk], [])] * 2, ("view", patient, [record.pk], [photo.pk])]


def test_a_timeline_shows_records_and_photos(api, record, photo):
    api.get(f"/api/clinic/patients/{record.patient_id}/timeline")
    assert shown() == [("list", [record.patient_id], [record.pk], [photo.pk])]


# Answers that say it in another way


@pytest.mark.parametrize(
    "where", ["the record", "a record in the trash", "lists", "the photo", "a timeline", "history"]
)
def test_a_304_leaves_the_row_that_the_answer_would(api, record, photo, where):
    if where == "a record in the trash":
        api.delete(f"{RECORDS}/{record.pk}", {"version": 1})
    patient = f"/api/clinic/patients/{record.patient_id}"
    urls = {
        "lists": (RECORDS, f"{patient}/medical-records", f"{PHOTOS}?patient_id={record.patient_id}"),
        "the photo": (f"{PHOTOS}/{photo.pk}", patient),
        "a timeline": (f"{patient}/timeline",),
        "history": (f"{RECORDS}/{record.pk}/history", f"{RECORDS}/{record.pk}/history/1"),
    }
    for url in urls.get(where, (f"{RECORDS}/{record.pk}",)):
        before = len(shown())
        first = api.get(url)
        again = api.get(url, headers={"If-None-Match": first["ETag"]})
        assert (first.status_code, again.status_code) == (200, 304)
        answered, unchanged = shown()[before:]
        assert answered == unchanged


def test_a_file_that_the_browser_has_leaves_a_row_each_time(api, record):
    photo = add(record.patient)
    for kind in ("file", "thumbnail"):
        first = api.get(f"{PHOTOS}/{photo.pk}/{kind}")
        assert api.get(f"{PHOTOS}/{photo.pk}/{kind}", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert shown() == [
        (kind, [record.patient_id], [], [photo.pk]) for kind in ("file", "file", "thumbnail", "thumbnail")
    ]


def test_a_part_of_a_file_leaves_a_row(api, record):
    photo = add(record.patient)
    api.get(f"{PHOTOS}/{photo.pk}/file", headers={"Range": "bytes=0-9"})
    assert len(shown()) == 1


def test_head_leaves_a_row(api, record, photo):
    for url in (RECORDS, f"{RECORDS}/{record.pk}", f"{PHOTOS}/{photo.pk}"):
        assert api.head(url).status_code == 200
    assert len(shown()) == 3


def test_a_replayed_answer_shows_again_what_the_first_did(api, record):
    gallery = PatientPhotoFactory(patient=record.patient)
    url = f"/api/clinic/patients/{record.patient_id}/medical-records"
    body = {"template_id": record.template_id, "values": {}, "photo_ids": [gallery.pk]}
    made = [api.post(url, body, headers={"Idempotency-Key": "one"}).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert shown() == [("change", [record.patient_id], [made[0]], [gallery.pk])] * 2
    upload = {"patient_id": record.patient_id}
    for _ in range(2):
        api.post(PHOTOS, {**upload, "file": knee()}, format="multipart", headers={"Idempotency-Key": "two"})
    first, second = shown()[2:]
    assert first == second


def test_a_stale_change_is_answered_with_the_record_and_leaves_a_row(api, record, photo):
    stale = api.patch(f"{RECORDS}/{record.pk}", {"values": {}, "version": 7})
    assert (stale.status_code, stale.json()["current"]["id"]) == (409, record.pk)
    assert api.patch(f"{RECORDS}/{record.pk}", {}, headers={"If-Match": '"7"'}).status_code == 412
    assert shown() == [("change", [record.patient_id], [record.pk], [photo.pk])] * 2


# Answers that show nothing


def test_what_is_refused_leaves_no_row(api, clinic, record, photo):
    outsider = client_of(MembershipFactory())
    patient = f"/api/clinic/patients/{record.patient_id}"
    photos = (f"{PHOTOS}/{photo.pk}", f"{PHOTOS}/{photo.pk}/file")
    for url in (f"{RECORDS}/{record.pk}", *photos, f"{patient}/timeline", patient):
        for conditional in ({}, {"If-None-Match": "*"}):
            assert outsider.get(url, headers=conditional).status_code == 404
            assert APIClient().get(url, headers=conditional).status_code == 401
        assert api.options(url).status_code == 405
        assert api.get(f"{url}.json").status_code == 404
    assert api.patch(f"{RECORDS}/{record.pk}", {"values": {"x": 1}, "version": 1}).status_code == 400
    assert api.patch(f"{RECORDS}/{record.pk}", {}).status_code == 428
    assert api.post(f"{RECORDS}/{record.pk}/restore", {"version": 1}).json()["type"] == "/problems/not-in-trash"
    assert shown() == []


def test_a_list_without_rows_and_a_page_beyond_the_last_leave_none(api, record):
    assert api.get(f"{RECORDS}?page=9").status_code == 404
    assert api.get(f"{RECORDS}/{record.pk}/history?page=9").status_code == 404
    assert api.get(f"{RECORDS}?template_id={record.template_id + 1}").json()["count"] == 0
    assert shown() == []


def test_a_file_that_isnt_the_one_that_is_meant_leaves_none(api, record):
    photo = add(record.patient)
    assert api.get(f"{PHOTOS}/{photo.pk}/file", headers={"If-Match": '"another"'}).status_code == 412
    assert shown() == []


def test_a_file_that_is_missing_leaves_none(api, photo):
    assert api.get(f"{PHOTOS}/{photo.pk}/file").status_code == 404
    assert shown() == []


def test_patients_in_a_list_and_appointments_leave_none(api, record):
    AppointmentFactory(patient=record.patient)
    for url in ("/api/clinic/patients", "/api/clinic/appointments", "/api/clinic/medical-record-templates"):
        assert api.get(url).json()["count"] == 1
    assert shown() == []


# Other sites


def test_another_site_gets_nothing_with_a_session(member, record, photo):
    session = APIClient()
    session.force_login(member.user)
    patient = f"/api/clinic/patients/{record.patient_id}"
    for url in (RECORDS, f"{RECORDS}/{record.pk}", f"{PHOTOS}/{photo.pk}/file", patient, f"{patient}/timeline"):
        refused = session.get(url, headers={"Sec-Fetch-Site": "cross-site"})
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/cross-site")
        assert session.get(url, headers={"Sec-Fetch-Site": "cross-site", "If-None-Match": "*"}).status_code == 403
    assert shown() == []
    for site in ("same-origin", "same-site", "none"):
        assert session.get(RECORDS, headers={"Sec-Fetch-Site": site}).status_code == 200


def test_another_site_with_a_token_is_a_client_as_any(api, record):
    assert api.get(f"{RECORDS}/{record.pk}", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


# Where it can't be written


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("SET TRANSACTION READ ONLY", "25006"),
        ("DROP TABLE audit_accesses", "42P01"),
        ("ALTER TABLE audit_accesses DROP COLUMN photo_ids", "42703"),
        ("ALTER TABLE audit_accesses ADD theirs int NOT NULL", "23502"),
    ],
)
def test_where_it_cant_be_written_the_log_has_it_and_the_record_is_shown(
    api, member, record, caplog, statement, sqlstate
):
    with connection.cursor() as cursor:
        cursor.execute(statement)
    with caplog.at_level(logging.WARNING, logger.name):
        response = api.get(f"{RECORDS}/{record.pk}")
    assert (response.status_code, response.json()["id"]) == (200, record.pk)
    [line] = [line for line in caplog.records if line.name == logger.name]
    assert {"at": line.fields["at"], **line.fields} == {
        "at": line.fields["at"],
        "user_id": member.user_id,
        "clinic_id": member.clinic_id,
        "patient_ids": [record.patient_id],
        "record_ids": [record.pk],
        "photo_ids": [],
        "action": "view",
        "via": "api",
        "request_id": response["X-Request-ID"],
        "sqlstate": sqlstate,
    }
    written = json.loads(JSONFormatter().format(line))
    assert line.fields.items() <= written.items()
    assert f'"logger":\n  "{written["logger"]}"' in PAGE


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_row_is_committed_before_the_first_byte(api, record):
    photo = add(record.patient)
    response = api.get(f"{PHOTOS}/{photo.pk}/file")
    with elsewhere() as cursor:
        cursor.execute("SELECT action, photo_ids FROM audit_accesses")
        assert cursor.fetchall() == [("file", [photo.pk])]
    assert next(iter(response.streaming_content))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_comes_after_a_row_that_couldnt_be_written_is_done(api, record):
    with elsewhere() as cursor:
        cursor.execute("DROP TABLE audit_accesses")
    assert api.get(f"{RECORDS}/{record.pk}").status_code == 200
    assert api.patch(f"{RECORDS}/{record.pk}", {"version": 1}).json()["version"] == 2
    record.refresh_from_db()
    assert record.version == 2


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_table_that_somebody_has_locked_is_waited_for_a_second(api, record, caplog):
    with elsewhere() as cursor:
        cursor.execute("BEGIN; LOCK TABLE audit_accesses IN ACCESS EXCLUSIVE MODE")
        assert api.get(f"{RECORDS}/{record.pk}").status_code == 200
    assert [line.fields["sqlstate"] for line in caplog.records if line.name == logger.name] == ["55P03"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


@contextmanager
def elsewhere():
    """Give a cursor of another session."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


# The log of a patient, for the clinic's administrators


def log_of(patient) -> str:
    return f"/api/clinic/patients/{patient.pk}/access-log"


def test_an_administrator_sees_who_looked(api, member, record, photo):
    reader = MembershipFactory(clinic=member.clinic, reader=True, full_name="Noor")
    seen = client_of(reader).get(f"{RECORDS}/{record.pk}")
    [entry] = api.get(log_of(record.patient)).json()["results"]
    assert entry.pop("at") == entry_time(Access.objects.earliest("pk"))
    assert entry == {
        "user": {"id": reader.user_id, "name": "Noor"},
        "action": "view",
        "via": "api",
        "records": [record.pk],
        "photos": [photo.pk],
        "request_id": seen["X-Request-ID"],
    }


def entry_time(access: Access) -> str:
    return access.at.isoformat().replace("+00:00", "Z")


def test_looking_at_the_log_is_an_access_that_the_next_one_sees(api, record):
    url = log_of(record.patient)
    assert api.get(url).json()["count"] == 0
    second = api.get(url)
    assert [(entry["action"], entry["records"]) for entry in second.json()["results"]] == [("access-log", [])]
    assert api.get(url, headers={"If-None-Match": second["ETag"]}).json()["count"] == 2
    assert shown() == [("access-log", [record.patient_id], [], [])] * 3


def test_the_log_is_paged_the_newest_first(api, record, photo):
    for url in (f"{RECORDS}/{record.pk}", f"{PHOTOS}/{photo.pk}", RECORDS):
        api.get(url)
    first = api.get(log_of(record.patient), {"page_size": 2}).json()
    second = api.get(first["next"]).json()
    assert [entry["action"] for entry in first["results"]] == ["list", "view"]
    assert [entry["records"] for entry in (*first["results"], *second["results"])] == [[record.pk], [], [record.pk]]
    assert second["next"] is None


def test_the_log_of_a_patient_has_what_is_theirs_alone(api, clinic, record):
    other = MedicalRecordFactory(patient=PatientFactory(clinic=clinic))
    api.get(RECORDS)
    for one in (record, other):
        assert [entry["records"] for entry in api.get(log_of(one.patient)).json()["results"]] == [[one.pk]]


def test_the_log_is_filtered_by_user_and_time(api, member, record):
    colleague = MembershipFactory(clinic=member.clinic)
    for client in (api, client_of(colleague)):
        client.get(f"{RECORDS}/{record.pk}")
    second = Access.objects.latest("pk")
    for query in ({"user_id": colleague.user_id}, {"after": second.at.isoformat()}):
        [entry] = api.get(log_of(record.patient), query).json()["results"][-1:]
        assert entry["user"]["id"] == colleague.user_id, query
    [entry] = api.get(log_of(record.patient), {"before": second.at.isoformat()}).json()["results"]
    assert entry["user"]["id"] == member.user_id


def test_who_isnt_an_administrator_doesnt_see_it(member, record):
    for roles in ([], ["practitioner"]):
        refused = client_of(MembershipFactory(clinic=member.clinic, roles=roles)).get(log_of(record.patient))
        assert (refused.status_code, refused.json()["title"]) == (403, "Forbidden")
    assert client_of(MembershipFactory(admin=True)).get(log_of(record.patient)).status_code == 404
    assert shown() == []


def test_the_page_says_how_to_ask_in_sql(api, member, record):
    response = api.get(f"{RECORDS}/{record.pk}")
    [sql] = re.findall(r"```sql\n(SELECT .*?)\n```", PAGE)
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("7", str(record.patient_id)))
        [(_, *looked)] = cursor.fetchall()
    assert looked == [member.full_name, "view", "api", response["X-Request-ID"]]


def test_another_clinics_accesses_to_a_patient_of_this_id_arent_shown(api, member, record):
    """Rows of another program may tie a patient to another clinic's record."""
    elsewhere = MembershipFactory(admin=True)
    MedicalRecordFactory(patient=record.patient, clinic=elsewhere.clinic)
    assert client_of(elsewhere).get(RECORDS).json()["count"] == 1
    assert api.get(log_of(record.patient)).json()["count"] == 0
