"""Histories: who changed a template, a record or a photo, when and from what to what; and each as it was at any time."""

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from clinic_project.audit import transactions
from clinic_project.audit.transactions import changes_by
from clinic_project.clinics.factories import ClinicFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import (
    MedicalRecordFactory,
    MedicalRecordTemplateFactory,
    PatientPhotoFactory,
    make_field,
)
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.tests.admin.pages import change_url
from medical_records.tests.unrecorded import unrecorded

TEMPLATES = "/api/clinic/medical-record-templates"
RECORDS = "/api/clinic/medical-records"
PHOTOS = "/api/clinic/patient-photos"


def sql(*statements, **parameters):
    """Run statements as somebody with psql would: nothing says who it is, and no check is left for later."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in ("SET LOCAL audit.context = ''", "SET CONSTRAINTS ALL IMMEDIATE", *statements):
            cursor.execute(statement, parameters or None)


def forget_history():
    """As if all rows had been there before anything was recorded."""
    sql("ALTER TABLE audit_history DISABLE TRIGGER USER", "DELETE FROM audit_history")
    sql(
        "ALTER TABLE audit_history ENABLE ALWAYS TRIGGER audit_history_append_only",
        "ALTER TABLE audit_history ENABLE ALWAYS TRIGGER audit_history_by_destruction_alone",
        "ALTER TABLE audit_history ENABLE TRIGGER audit_history_by_triggers_alone",
    )


def remove_and_put_in_again():
    sql(
        "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM medical_records",
        "DELETE FROM medical_records",
        "INSERT INTO medical_records OVERRIDING SYSTEM VALUE SELECT * FROM kept",
    )


@pytest.fixture
def complaint():
    return make_field("Complaint")


@pytest.fixture
def temperature():
    return make_field("Temperature (°C)", "number", order=1)


@pytest.fixture
def template(clinic, complaint, temperature):
    return MedicalRecordTemplateFactory(clinic=clinic, name="First visit", fields=[complaint, temperature])


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic)


@pytest.fixture
def record(api, patient, template, complaint):
    """The URL of a record that was created by the API."""
    body = {"template_id": template.pk, "values": {complaint["id"]: "Headache"}}
    response = api.post(f"/api/clinic/patients/{patient.pk}/medical-records", body)
    assert response.status_code == 201, response.content
    return response["Location"]


@pytest.fixture
def history(api):
    """Read the history of what has a URL: all of it, the newest first."""

    def read(url):
        response = api.get(f"{url}/history")
        assert response.status_code == 200, response.content
        return response.json()["results"]

    return read


def told(entry):
    """What an entry says was changed."""
    return [(change["label"], change["before"], change["after"]) for change in entry["changes"]]


# Records


def test_a_changed_answer_is_told_by_its_label_with_who_changed_it_and_what_was_there(
    api, history, record, member, complaint
):
    changed = api.patch(record, {"values": {complaint["id"]: "Migraine"}, "version": 1})
    change, creation = history(record)
    assert change == {
        "sequence": 2,
        "version": 2,
        "at": change["at"],
        "until": None,
        "action": "changed",
        "by": {"id": member.user_id, "name": member.full_name},
        "via": "api",
        "request_id": changed["X-Request-ID"],
        "reason": None,
        "is_proven": True,
        "changes": [
            {
                "path": f"values.{complaint['id']}",
                "label": "Complaint",
                "before": "Headache",
                "after": "Migraine",
            }
        ],
    }
    assert (creation["sequence"], creation["action"], creation["version"], creation["changes"]) == (1, "created", 1, [])
    assert member.user.email not in json.dumps([change, creation])


def test_a_record_is_shown_as_it_was(api, record, complaint):
    first = api.get(record).json()
    api.patch(record, {"values": {complaint["id"]: "Migraine"}, "version": 1})
    api.delete(record, {"version": 2})
    past = [api.get(f"{record}/history/{sequence}").json() for sequence in (1, 2, 3)]
    assert [one.pop("history")["action"] for one in past] == ["created", "changed", "deleted"]
    assert past[0] == first
    assert past[1]["values"] == {complaint["id"]: "Migraine"}
    assert past[2] == api.get(record).json()


def test_to_the_trash_and_out_of_it(api, history, record):
    api.delete(record, {"version": 1})
    api.post(f"{record}/restore", {"version": 2})
    assert [(entry["action"], entry["version"], entry["changes"]) for entry in history(record)] == [
        ("restored", 3, []),
        ("deleted", 2, []),
        ("created", 1, []),
    ]


def test_what_is_removed_for_good_has_no_detail_and_no_history(api, record, no_retention):
    api.delete(record, {"version": 1})
    assert api.delete(f"{record}/permanently", {"version": 2}).status_code == 204
    for path in ("", "/history", "/history/1"):
        assert api.get(record + path).status_code == 404
    with connection.cursor() as cursor:
        cursor.execute("SELECT action FROM audit_history WHERE table_name = 'medical_records'")
        assert cursor.fetchall() == []


def test_a_row_that_was_removed_and_put_in_again_has_both_histories(history, record):
    remove_and_put_in_again()
    assert [(entry["sequence"], entry["action"], entry["via"]) for entry in history(record)] == [
        (3, "created", "sql"),
        (2, "removed", "sql"),
        (1, "created", "api"),
    ]


def test_there_is_no_object_after_its_removal(api, record):
    remove_and_put_in_again()
    assert [api.get(f"{record}/history/{sequence}").status_code for sequence in (1, 2, 3)] == [200, 404, 200]


def test_what_did_this_record_say_on_the_third_of_may_and_who_had_changed_it(api, history, clinic, record, complaint):
    grace = MembershipFactory(clinic=clinic, full_name="Grace Hopper", roles=["practitioner"])
    client_of(grace).patch(record, {"values": {complaint["id"]: "Migraine"}, "version": 1})
    api.patch(record, {"values": {complaint["id"]: "Sinusitis"}, "version": 2})
    sql("ALTER TABLE audit_history DISABLE TRIGGER USER")
    for sequence, day in enumerate(["2026-04-28", "2026-05-02", "2026-05-09"]):
        sql(
            "UPDATE audit_history SET recorded_at = %(day)s WHERE id = (SELECT id FROM audit_history"
            " WHERE table_name = 'medical_records' ORDER BY id OFFSET %(sequence)s LIMIT 1)",
            day=f"{day}T09:00:00Z",
            sequence=sequence,
        )
    third_of_may = parse_datetime("2026-05-03T23:59:59Z")
    entry = next(entry for entry in history(record) if parse_datetime(entry["at"]) <= third_of_may)
    assert (entry["by"], entry["at"]) == ({"id": grace.user_id, "name": "Grace Hopper"}, "2026-05-02T09:00:00Z")
    said = api.get(f"{record}/history/{entry['sequence']}").json()
    assert said["values"] == {complaint["id"]: "Migraine"}
    assert said["history"] == entry
    assert entry["is_proven"]


def test_what_it_said_while_nothing_recorded_it_is_told_as_unknown(api, history, record):
    with unrecorded("medical_records"):
        sql("UPDATE medical_records SET values = '{}'")
    some_day = timezone.now()
    api.delete(record, {"version": 1})
    entry, before = [entry for entry in history(record) if parse_datetime(entry["at"]) <= some_day]
    assert (entry["action"], parse_datetime(entry["until"]) > some_day) == ("found-changed", True)
    assert not before["is_proven"]


def test_a_reason_is_shown_where_one_was_given(history, record):
    description = json.dumps({"via": "admin", "by": 7, "name": "Ada", "reason": "A slip of the pen"})
    sql(
        "SET LOCAL audit.context = %(said)s",
        "UPDATE medical_records SET template_name = 'Other'",
        said=description,
    )
    entry = history(record)[0]
    assert (entry["reason"], entry["via"], entry["by"]) == ("A slip of the pen", "admin", {"id": 7, "name": "Ada"})


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        "[1]",
        '{"via": ["api"], "by": "x@y.example", "name": 5, "reason": {}, "request_id": 1}',
        '{"by": true}',
    ],
)
def test_whatever_else_a_program_says_of_itself_is_nothing(history, record, said):
    sql(
        "SET LOCAL audit.context = %(said)s",
        "UPDATE medical_records SET template_name = 'x'",
        said=said,
    )
    entry = history(record)[0]
    assert (entry["via"], entry["by"], entry["reason"], entry["request_id"]) == ("sql", None, None, None)


def test_a_command_is_named_and_has_no_id(history, record):
    with changes_by(via="command", command="some_command"), transactions.atomic():
        MedicalRecord.objects.update(template_name="x")
    entry = history(record)[0]
    assert (entry["via"], entry["by"]) == ("command", {"id": None, "name": "some_command"})


def test_what_migrate_fills_in_is_its_own(history, record):
    sql("SET LOCAL application_name = 'manage.py migrate'", "UPDATE medical_records SET template_name = 'x'")
    assert history(record)[0]["via"] == "migrate"


def test_columns_have_their_labels_and_those_of_other_systems_their_names(history, record):
    sql("ALTER TABLE medical_records ADD theirs text")
    sql("UPDATE medical_records SET theirs = 'x', template_name = 'Other'")
    assert told(history(record)[0]) == [("theirs", None, "x"), ("Template name", "First visit", "Other")]


def test_a_label_is_that_of_the_snapshot_as_it_was(api, history, record, template, complaint):
    api.patch(f"{TEMPLATES}/{template.pk}", {"fields": [{**complaint, "label": "Reason"}], "version": 1})
    api.patch(record, {"values": {complaint["id"]: "Migraine"}, "version": 1})
    assert told(history(record)[0]) == [("Complaint", "Headache", "Migraine")]


def test_answers_come_in_the_order_of_the_form(api, history, record, complaint, temperature):
    api.patch(record, {"values": {temperature["id"]: 38.5}, "version": 1})
    assert told(history(record)[0]) == [("Complaint", "Headache", None), ("Temperature (°C)", None, 38.5)]


def test_ids_of_fields_are_compared_as_uuids(history, record, complaint):
    values = json.dumps({complaint["id"].upper(): "Headache"})
    sql("UPDATE medical_records SET values = %(values)s", values=values)
    assert sorted(told(history(record)[0]), key=str) == [
        ("Complaint", "Headache", None),
        ("Complaint", None, "Headache"),
    ]


@pytest.mark.parametrize("odd", ["[1, 2]", '"text"', "null", "{}", '{"fields": {"a": 1}}'])
def test_values_of_other_systems_that_arent_answers_are_told_as_a_whole(api, history, record, complaint, odd):
    was = {complaint["id"]: "Headache"}
    sql("UPDATE medical_records SET values = %(odd)s, template_snapshot = %(odd)s", odd=odd)
    entry = history(record)[0]
    changes = {change["path"]: (change["before"], change["after"]) for change in entry["changes"]}
    assert changes["template_snapshot"][1] == json.loads(odd)
    if isinstance(json.loads(odd), dict):
        assert changes[f"values.{complaint['id']}"] == ("Headache", None)
    else:
        assert changes["values"] == (was, json.loads(odd))
    past = api.get(f"{record}/history/{entry['sequence']}").json()
    assert past["values"] == past["template_snapshot"] == json.loads(odd)
    past.pop("history")
    assert past == api.get(record).json()


def test_numbers_are_shown_to_the_last_digit(api, history, record, complaint):
    odd = f'{{"{complaint["id"]}": [1e400, 1.10, 123456789012345678901234567890, 0.1000000000000000055]}}'
    sql("UPDATE medical_records SET values = %(odd)s", odd=odd)
    assert b"[1E+400" not in api.get(record).content
    for path in ("history", "history/2"):
        shown = api.get(f"{record}/{path}").content
        assert b"1.10,123456789012345678901234567890,0.1000000000000000055]" in shown
    [change] = history(record)[0]["changes"]
    assert change["before"] == "Headache"


def test_true_is_not_1(history, record, complaint):
    for value in ("1", "true"):
        sql("UPDATE medical_records SET values = %(values)s", values=f'{{"{complaint["id"]}": {value}}}')
    assert told(history(record)[0]) == [("Complaint", 1, True)]
    assert history(record)[0]["changes"][0]["after"] is True


# Photos of a record


@pytest.fixture
def photos(patient):
    return [PatientPhotoFactory(patient=patient, description=f"photo {number}").pk for number in range(2)]


def shown_photos(api, record, sequence):
    return [photo["id"] for photo in api.get(f"{record}/history/{sequence}").json()["photos"]]


@pytest.mark.django_db(transaction=True)  # each request is one
def test_photos_that_come_to_a_record_and_leave_it_are_a_change_of_the_record(api, history, record, photos):
    first, second = photos
    assert api.patch(record, {"photo_ids": [first], "version": 1}).status_code == 200
    attached = api.post(
        f"{PHOTOS}/attach", {"record_id": int(record.split("/")[-1]), "photo_ids": [second], "version": 2}
    )
    assert attached.status_code == 200
    api.patch(record, {"photo_ids": [second], "version": 3})
    api.delete(f"{PHOTOS}/{second}")
    api.post(f"{PHOTOS}/{second}/restore")
    assert [told(entry) for entry in history(record)[:-1]] == [
        [("Photos", [], [second])],
        [("Photos", [second], [])],
        [("Photos", [first, second], [second])],
        [("Photos", [first], [first, second])],
        [("Photos", [], [first])],
    ]
    assert [shown_photos(api, record, sequence) for sequence in range(1, 7)] == [
        [],
        [first],
        [first, second],
        [second],
        [],
        [second],
    ]


@pytest.mark.django_db(transaction=True)  # each request is one
def test_the_photos_of_a_past_record_are_as_they_were(api, record, photos):
    api.patch(record, {"photo_ids": photos[:1], "version": 1})
    before = api.get(record).json()
    api.patch(f"{PHOTOS}/{photos[0]}", {"description": "Another one"})
    api.delete(record, {"version": 2})
    in_trash = api.get(record).json()
    assert in_trash["photos"][0]["description"] == "Another one"
    for sequence, expected in ((2, before), (3, in_trash)):
        past = api.get(f"{record}/history/{sequence}").json()
        assert past["photos"] == expected["photos"]


def test_a_record_is_created_with_its_photos(api, patient, template, photos):
    body = {"template_id": template.pk, "values": {}, "photo_ids": photos}
    record = api.post(f"/api/clinic/patients/{patient.pk}/medical-records", body)["Location"]
    assert shown_photos(api, record, 1) == photos


def test_photos_that_were_there_before_the_history_are_shown(api, patient, photos):
    record = MedicalRecordFactory(patient=patient)
    PatientPhoto.objects.update(medical_record=record)
    forget_history()
    api.patch(f"{RECORDS}/{record.pk}", {"photo_ids": photos[:1], "version": 1})
    assert [shown_photos(api, f"{RECORDS}/{record.pk}", sequence) for sequence in (0, 1)] == [photos, photos[:1]]


# Photos


def test_a_photo_says_which_record_it_was_on(api, history, record, photos):
    api.patch(record, {"photo_ids": photos[:1], "version": 1})
    api.patch(f"{PHOTOS}/{photos[0]}", {"description": "Left knee"})
    described, linked, created = history(f"{PHOTOS}/{photos[0]}")
    assert told(described) == [("Description", "photo 0", "Left knee")]
    assert told(linked) == [("Medical record", None, int(record.split("/")[-1]))]
    assert [entry["version"] for entry in (described, linked, created)] == [None, None, None]
    past = api.get(f"{PHOTOS}/{photos[0]}/history/2").json()
    assert (past["description"], past["medical_record_id"]) == ("photo 0", int(record.split("/")[-1]))
    assert past["file"] == f"{PHOTOS}/{photos[0]}/file"


# Templates


def test_a_templates_fields_are_told_one_by_one(api, history, template, complaint, temperature):
    severity = make_field("Severity", "dropdown", order=1, options=["mild", "severe"])
    body = {"name": "Visit", "fields": [{**complaint, "label": "Reason", "required": True}, severity], "version": 1}
    assert api.patch(f"{TEMPLATES}/{template.pk}", body).status_code == 200
    changes = {change["path"]: change for change in history(f"{TEMPLATES}/{template.pk}")[0]["changes"]}
    added, removed = f"fields.{severity['id']}", f"fields.{temperature['id']}"
    assert changes.keys() == {
        "name",
        f"fields.{complaint['id']}.label",
        f"fields.{complaint['id']}.required",
        added,
        removed,
    }
    assert changes[f"fields.{complaint['id']}.label"]["label"] == "Reason: label"
    assert changes[f"fields.{complaint['id']}.label"]["before"] == "Complaint"
    assert (changes[added]["label"], changes[added]["before"], changes[added]["after"]) == ("Severity", None, severity)
    assert (changes[removed]["label"], changes[removed]["after"]) == ("Temperature (°C)", None)
    assert api.get(f"{TEMPLATES}/{template.pk}/history/1").json()["fields"] == [complaint, temperature]


def test_fields_that_change_places_are_told(api, history, template, complaint, temperature):
    api.patch(f"{TEMPLATES}/{template.pk}", {"fields": [temperature, complaint], "version": 1})
    [change] = history(f"{TEMPLATES}/{template.pk}")[0]["changes"]
    assert (change["path"], change["before"]) == ("fields", [complaint["id"], temperature["id"]])


@pytest.mark.parametrize("odd", ["{}", '[{"label": "no id"}]', '[{"id": "a"}, {"id": "a"}]', "[[]]", "7"])
def test_fields_of_other_systems_are_told_as_a_whole(api, history, template, odd):
    before = template.fields
    sql("UPDATE medical_record_templates SET fields = %(odd)s", odd=odd)
    [change] = history(f"{TEMPLATES}/{template.pk}")[0]["changes"]
    assert (change["path"], change["before"], change["after"]) == ("fields", before, json.loads(odd))
    assert api.get(f"{TEMPLATES}/{template.pk}/history/2").json()["fields"] == json.loads(odd)


def test_a_template_in_the_trash(api, history, template):
    api.delete(f"{TEMPLATES}/{template.pk}", {"version": 1})
    api.post(f"{TEMPLATES}/{template.pk}/restore", {"version": 2})
    assert [entry["action"] for entry in history(f"{TEMPLATES}/{template.pk}")] == ["restored", "deleted", "created"]


def test_a_column_that_was_missing_for_a_while_is_null_in_what_was_then(api, history, template):
    url = f"{TEMPLATES}/{template.pk}"
    sql("ALTER TABLE medical_record_templates DROP description")
    sql("UPDATE medical_record_templates SET name = 'Other'")
    sql("ALTER TABLE medical_record_templates ADD description text")
    assert told(history(url)[0]) == [("Name", "First visit", "Other")]
    assert (api.get(f"{url}/history/2").json()["description"], history(url)[0]["is_proven"]) == (None, True)


def test_what_is_changed_in_the_admin_is_told_as_that(client, history, clinic, template):
    grace = MembershipFactory(clinic=clinic, admin=True, user__staff=True, full_name="Grace Hopper")
    client.force_login(grace.user)
    client.post(change_url(template), {"name": "Visit", "description": "", "version": 1})
    entry = history(f"{TEMPLATES}/{template.pk}")[0]
    assert (entry["via"], entry["by"]) == ("admin", {"id": grace.user_id, "name": "Grace Hopper"})
    assert ("Name", "First visit", "Visit") in told(entry)


# What wasn't recorded


def test_what_changed_while_nothing_recorded_it_is_found_between_two_times(api, history, record, complaint):
    api.patch(record, {"values": {complaint["id"]: "Migraine"}, "version": 1})
    with unrecorded("medical_records"):
        sql("UPDATE medical_records SET values = '{}'")
    api.delete(record, {"version": 2})
    deleted, found, changed, created = history(record)
    assert [entry["action"] for entry in (deleted, found, changed, created)] == [
        "deleted",
        "found-changed",
        "changed",
        "created",
    ]
    assert (found["at"], found["until"]) == (changed["at"], deleted["at"])
    assert (found["by"], found["via"], found["request_id"], found["changes"]) == (None, None, None, [])
    assert [entry["is_proven"] for entry in (deleted, found, changed, created)] == [True, True, False, True]
    assert [entry["sequence"] for entry in (deleted, found, changed, created)] == [4, 3, 2, 1]
    assert api.get(f"{record}/history/3").json()["values"] == {}
    assert not api.get(f"{record}/history/2").json()["history"]["is_proven"]
    assert api.get(f"{record}/history/1").json()["values"] == {complaint["id"]: "Headache"}


def test_it_is_found_before_anybody_changes_the_row_again(history, record):
    with unrecorded("medical_records"):
        sql("UPDATE medical_records SET template_name = 'x'")
    found, created = history(record)
    assert (found["action"], found["at"], created["is_proven"]) == ("found-changed", created["at"], False)
    assert parse_datetime(found["until"]) > parse_datetime(found["at"])


def test_what_is_older_than_its_history_has_a_state_before_its_first_change(api, history, record, complaint):
    before = api.get(record).json()
    forget_history()
    assert history(record) == []
    assert api.get(f"{record}/history/0").status_code == 404
    api.patch(record, {"values": {complaint["id"]: "Migraine"}, "version": 1})
    [change] = history(record)
    assert (change["sequence"], told(change)) == (1, [("Complaint", "Headache", "Migraine")])
    past = api.get(f"{record}/history/0").json()
    assert past.pop("history") is None
    assert past == before


def test_what_was_created_while_it_was_recorded_has_none(api, record):
    assert api.get(f"{record}/history/0").status_code == 404


# Who may read, and how


def test_every_member_may_read_it_and_no_other_clinic(api, clinic, record, template, photos):
    reader = client_of(MembershipFactory(clinic=clinic))
    stranger = client_of(MembershipFactory(admin=True, clinic=ClinicFactory()))
    anybody = APIClient()
    for url in (record, f"{TEMPLATES}/{template.pk}", f"{PHOTOS}/{photos[0]}"):
        for path in ("history", "history/1"):
            assert reader.get(f"{url}/{path}").status_code == 200
            assert stranger.get(f"{url}/{path}").status_code == 404
            assert stranger.get(f"{url}/{path}", headers={"X-Clinic-ID": str(clinic.pk)}).status_code == 403
            assert anybody.get(f"{url}/{path}").status_code == 401
            assert api.post(f"{url}/{path}").status_code == 405


def test_a_row_of_another_clinic_that_had_the_same_id_is_none_of_this_ones(api, history, clinic, template):
    theirs = MedicalRecordTemplateFactory(name="Theirs")
    removed = theirs.pk
    theirs.delete()
    MedicalRecordTemplateFactory(pk=removed, clinic=clinic, name="Ours")
    [created] = history(f"{TEMPLATES}/{removed}")
    assert (created["sequence"], created["action"]) == (1, "created")


def test_nor_is_one_whose_removal_nothing_recorded(api, history, clinic, template):
    other = MedicalRecordTemplateFactory(name="Theirs")
    forget_history()
    for text in ("secret", "another"):
        sql("UPDATE medical_record_templates SET description = %(text)s WHERE id = %(id)s", text=text, id=other.pk)
    with unrecorded("medical_record_templates"):
        sql("DELETE FROM medical_record_templates WHERE id = %(id)s", id=other.pk)
    MedicalRecordTemplateFactory(pk=other.pk, clinic=clinic, name="Ours")
    assert [entry["action"] for entry in history(f"{TEMPLATES}/{other.pk}")] == ["created"]
    assert api.get(f"{TEMPLATES}/{other.pk}/history/0").status_code == 404


def test_nor_is_one_after_which_ours_was_put_in_unrecorded(api, history, clinic, template):
    other = MedicalRecordTemplateFactory(name="Theirs")
    removed = other.pk
    other.delete()
    with unrecorded("medical_record_templates"):
        MedicalRecordTemplateFactory(pk=removed, clinic=clinic, name="Ours")
    assert history(f"{TEMPLATES}/{removed}") == []
    assert api.get(f"{TEMPLATES}/{removed}/history/1").status_code == 404


def test_what_moved_between_clinics_keeps_its_history(history, clinic):
    """Two clinics that become one."""
    moved = MedicalRecordTemplateFactory(name="Theirs")
    sql("UPDATE medical_record_templates SET clinic_id = %(clinic)s WHERE id = %(id)s", clinic=clinic.pk, id=moved.pk)
    changed, created = history(f"{TEMPLATES}/{moved.pk}")
    assert (told(changed), created["action"]) == ([("Clinic", moved.clinic_id, clinic.pk)], "created")


@pytest.mark.parametrize("sequence", ["2", "-1", "x", "1.0", "%00", "9" * 5000])
def test_a_sequence_that_isnt_there_is_404(api, record, sequence):
    assert api.get(f"{record}/history/{sequence}").status_code == 404


def test_it_is_paged_like_every_list_and_new_entries_move_nothing(api, history, record, complaint):
    for version in range(1, 7):
        api.patch(record, {"values": {complaint["id"]: f"{version}"}, "version": version})
    entries = history(record)
    pages, link = [], f"{record}/history?page_size=3"
    while link:
        pages.append(api.get(link).json())
        link = pages[-1]["next"]
        api.patch(record, {"values": {}, "version": 6 + len(pages)})
    assert [entry for page in pages for entry in page["results"]] == entries
    assert [page["count"] for page in pages] == [7, 8, 9]
    assert api.get(pages[2]["previous"]).json()["results"] == pages[1]["results"]
    assert len(api.get(f"{record}/history?page=2&page_size=9").json()["results"]) == 1
    assert api.get(f"{record}/history?page=9").status_code == 404


def test_unknown_parameters_are_400(api, record):
    response = api.get(f"{record}/history", {"since": "2026"})
    assert response.json()["errors"]["since"] == ["Not known here. Known: cursor, page, page_size."]
    assert api.get(f"{record}/history", {"status": "all"}).status_code == 400
    assert api.get(f"{record}/history", {"cursor": "x"}).status_code == 400
    assert api.get(f"{record}/history/1", {"page": 1}).status_code == 400


def test_what_is_known_already_is_304(api, record, complaint):
    for path in ("history", "history/1"):
        etag = api.get(f"{record}/{path}")["ETag"]
        assert api.get(f"{record}/{path}", headers={"If-None-Match": etag}).status_code == 304
    etag = api.get(f"{record}/history")["ETag"]
    api.patch(record, {"values": {}, "version": 1})
    assert api.get(f"{record}/history", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("path", ["history", "history/2"])
def test_many_changes_and_one_are_read_with_as_many_queries(api, record, photos, path):
    api.patch(record, {"photo_ids": photos[:1], "version": 1})
    with CaptureQueriesContext(connection) as one:
        assert api.get(f"{record}/{path}").status_code == 200
    for version in range(2, 9):
        api.patch(record, {"values": {}, "photo_ids": photos, "version": version})
    with CaptureQueriesContext(connection) as many:
        assert api.get(f"{record}/{path}").status_code == 200
    assert len(many) == len(one)
