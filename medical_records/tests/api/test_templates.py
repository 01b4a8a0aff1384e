"""Making and changing templates: who may, what a form may look like, and which version is changed."""

import json
import uuid

import pytest
from rest_framework.test import APIClient

from clinic_project.api.tests.bodies import unread_gibibyte
from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecordTemplate

URL = "/api/clinic/medical-record-templates"


def new(**changes):
    return {
        "name": "Intake",
        "fields": [{"label": "Complaint", "type": "text", "required": True, "order": 0}],
        **changes,
    }


@pytest.fixture
def template(clinic):
    return MedicalRecordTemplateFactory(clinic=clinic, name="Intake")


def test_a_new_template_comes_back_whole_with_ids_for_its_fields(api, member):
    response = api.post(URL, new(description="First visit"))
    assert response.status_code == 201
    assert response["ETag"] == '"1"'
    shown = response.json()
    assert (shown["name"], shown["description"], shown["version"]) == ("Intake", "First visit", 1)
    assert shown["created_by_user_id"] == member.user_id
    [field] = shown["fields"]
    assert uuid.UUID(field["id"])
    assert response["Location"] == f"{URL}/{shown['id']}"
    assert api.get(response["Location"]).json() == shown


def test_ids_of_fields_are_kept_as_they_are_sent(api):
    sent = str(uuid.uuid4()).upper()
    response = api.post(URL, new(fields=[{"id": sent, "label": "Side", "type": "radio", "options": ["left", "right"]}]))
    [field] = response.json()["fields"]
    assert field == {
        "id": sent,
        "label": "Side",
        "type": "radio",
        "options": ["left", "right"],
        "required": False,
        "order": 0,
    }


SAME = str(uuid.uuid4())


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (None, "fields"),
        ({}, "fields"),
        (["text"], "fields.0"),
        ([{"type": "text"}], "fields.0.label"),
        ([{"label": " ", "type": "text"}], "fields.0.label"),
        ([{"label": "x" * 256, "type": "text"}], "fields.0.label"),
        ([{"label": "a\0b", "type": "text"}], "fields.0.label"),
        ([{"label": "a\ud800b", "type": "text"}], "fields.0.label"),
        ([{"label": 5, "type": "text"}], "fields.0.label"),
        ([{"label": "x", "type": "colour"}], "fields.0.type"),
        ([{"label": "x", "type": ["text"]}], "fields.0.type"),
        ([{"label": "x", "type": "text", "id": "1"}], "fields.0.id"),
        ([{"label": "x", "type": "text", "id": 1}], "fields.0.id"),
        (
            [{"label": "x", "type": "text", "id": SAME}, {"label": "y", "type": "text", "id": SAME.upper()}],
            "fields.0.id",
        ),
        ([{"label": "x", "type": "text", "required": "yes"}], "fields.0.required"),
        ([{"label": "x", "type": "text", "order": 1.5}], "fields.0.order"),
        ([{"label": "x", "type": "text", "order": 10**30}], "fields.0.order"),
        ([{"label": "x", "type": "text", "options": ["a"]}], "fields.0.options"),
        ([{"label": "x", "type": "dropdown"}], "fields.0.options"),
        ([{"label": "x", "type": "radio", "options": []}], "fields.0.options"),
        ([{"label": "x", "type": "checkbox", "options": ["a", "a"]}], "fields.0.options"),
        ([{"label": "x", "type": "checkbox", "options": ["a", " "]}], "fields.0.options.1"),
        ([{"label": "x", "type": "checkbox", "options": [1]}], "fields.0.options.0"),
        ([{"label": "x", "type": "text"}] * 201, "fields"),
    ],
)
def test_fields_against_the_rules_are_400_by_their_path(api, fields, path):
    response = api.post(URL, json.dumps(new(fields=fields)), content_type="application/json")
    assert response.status_code == 400, response.content
    assert path in response.json()["errors"]
    assert MedicalRecordTemplate.objects.count() == 0


@pytest.mark.parametrize("name", [None, "", "  ", 5, ["a"], "x" * 256, "a\0"])
def test_a_name_is_a_text_of_255_characters_at_most(api, name):
    assert api.post(URL, new(name=name)).status_code == 400


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", "1", '"a"', '{"name": NaN}', "[" * 100_000, "\xff", "{" + '"a":{' * 99]
)
def test_what_is_no_object_in_json_is_400(api, body):
    response = api.post(URL, body.encode("latin-1"), content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_body_of_more_than_a_mebibyte_is_413_and_another_content_type_415(api):
    assert api.post(URL, new(description="x" * 2**20)).status_code == 413
    assert api.post(URL, b"name=x", content_type="application/x-www-form-urlencoded").status_code == 415


@pytest.mark.parametrize(
    ("content_type", "status"), [("application/json", 413), ("multipart/form-data; boundary=x", 415)]
)
def test_a_gibibyte_is_refused_before_it_is_read(api, client, member, content_type, status):
    session = APIClient(enforce_csrf_checks=True)
    session.force_login(member.user)
    session.get("/admin/login/")  # sets the cookie without which the check of its token reads nothing
    token = {"X-CSRFToken": session.cookies["csrftoken"].value}
    for sender, expected in ((api, status), (session, status), (client, 401)):
        response = sender.post(URL, b"", headers=token, **unread_gibibyte(content_type))
        assert (response.status_code, response["Content-Type"]) == (expected, "application/problem+json")


def test_a_body_without_a_content_length_is_411_and_401_without_credentials(api, client):
    for sender, status in ((api, 411), (client, 401)):
        response = sender.post(URL, headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")
        assert response.status_code == status


def test_put_replaces_and_patch_changes_what_is_given(api, template):
    response = api.put(f"{URL}/{template.pk}", new(name="Other", version=1))
    assert (response.status_code, response["ETag"]) == (200, '"2"')
    response = api.patch(f"{URL}/{template.pk}", {"description": "Now described"}, headers={"If-Match": '"2"'})
    shown = response.json()
    assert (shown["name"], shown["description"], shown["version"]) == ("Other", "Now described", 3)
    assert api.put(f"{URL}/{template.pk}", new(version=3)).json()["description"] is None


@pytest.mark.parametrize(
    ("header", "body", "status"),
    [
        (None, None, 428),
        ("*", None, 428),
        ("", None, 428),
        (None, 9, 409),
        ('"9"', None, 412),
        ('"x"', None, 412),
        ("1", None, 412),
        ('"' + "9" * 5000 + '"', None, 412),
        (None, "1", 400),
        (None, 0, 400),
        (None, True, 400),
        (None, 2**31, 400),
        ('"1"', 9, 400),
        (None, 1, 200),
        (None, 1.0, 200),
        ('"1"', None, 200),
        ('"1"', 1, 200),
        ('W/"1"', None, 200),
        ('"7", "1"', None, 200),
    ],
)
def test_a_change_names_the_version_that_it_saw(api, template, header, body, status):
    response = api.patch(
        f"{URL}/{template.pk}",
        {"name": "Changed"} | ({"version": body} if body is not None else {}),
        headers={"If-Match": header} if header is not None else {},
    )
    assert response.status_code == status, response.content
    template.refresh_from_db()
    assert template.name == ("Changed" if status == 200 else "Intake")


def test_a_stale_change_is_told_what_is_there_now_and_who_made_it(api, template, member):
    api.patch(f"{URL}/{template.pk}", {"name": "Theirs", "version": 1})
    for response in (
        api.patch(f"{URL}/{template.pk}", {"name": "Mine", "version": 1}),
        api.patch(f"{URL}/{template.pk}", {"name": "Mine"}, headers={"If-Match": '"1"'}),
    ):
        problem = response.json()
        assert problem["status"] == response.status_code
        assert response["ETag"] == '"2"'
        assert problem["current"]["name"] == "Theirs"
        assert problem["changed_by"] == {"id": member.user_id, "full_name": member.full_name}
        assert problem["changed_at"] == problem["current"]["updated_at"]


def test_a_template_goes_to_the_trash_and_comes_back(api, template):
    url = f"{URL}/{template.pk}"
    assert api.delete(url).status_code == 428
    assert api.delete(url, {"version": 1}).status_code == 204
    assert api.get(URL).json()["count"] == 0
    in_trash = api.get(url).json()
    assert in_trash["is_deleted"]
    assert in_trash["deleted_at"] == in_trash["updated_at"]
    # Nothing in the trash is changed, or thrown away once more.
    assert api.patch(url, {"name": "x", "version": 2}).status_code == 409
    assert api.delete(url, {"version": 2}).json()["type"] == "/problems/in-trash"
    restored = api.post(f"{url}/restore", {"version": 2})
    assert (restored.status_code, restored.json()["is_deleted"], restored.json()["deleted_at"]) == (200, False, None)
    assert api.post(f"{url}/restore", {"version": 3}).json()["type"] == "/problems/not-in-trash"


@pytest.mark.parametrize("roles", [[], ["practitioner"], "admin", {"admin": True}, [["admin"]]])
def test_templates_are_written_by_administrators_and_read_by_all(clinic, template, roles):
    api = client_of(MembershipFactory(clinic=clinic, roles=roles))
    assert api.get(URL).status_code == 200
    assert api.get(f"{URL}/{template.pk}").status_code == 200
    for response in (
        api.post(URL, new()),
        api.put(f"{URL}/{template.pk}", new(version=1)),
        api.patch(f"{URL}/{template.pk}", {"version": 1}),
        api.delete(f"{URL}/{template.pk}", {"version": 1}),
        api.post(f"{URL}/{template.pk}/restore", {"version": 1}),
        api.post(f"{URL}/{template.pk}/copy", {"name": "Copy"}),
    ):
        assert response.status_code == 403, response.content


@pytest.mark.parametrize("pk", ["0", "-1", "abc", "1.0", "2147483648", "9" * 5000, "%00", "%F0%9F%98%80"])
def test_an_id_that_no_row_can_have_is_404_and_401_without_credentials(api, client, pk):
    assert api.get(f"{URL}/{pk}").status_code == 404
    assert client.get(f"{URL}/{pk}").status_code == 401


def test_the_method_options_is_not_allowed(api, client, template):
    assert client.options(URL).status_code == 401
    response = api.options(f"{URL}/{template.pk}")
    assert response.status_code == 405
    assert response["Allow"] == "GET, PUT, PATCH, DELETE, HEAD"


def test_a_changed_template_leaves_its_records_alone(api, clinic):
    record = MedicalRecordFactory(patient__clinic=clinic)
    before = api.get(f"/api/clinic/medical-records/{record.pk}").json()
    api.put(f"{URL}/{record.template_id}", new(name="All new", version=1))
    api.delete(f"{URL}/{record.template_id}", {"version": 2})
    assert api.get(f"/api/clinic/medical-records/{record.pk}").json() == before


def test_what_an_older_system_left_in_fields_is_shown_as_it_is(api, clinic):
    odd = [{"label": 1, "huge": 10**40}, "text", None]
    template = MedicalRecordTemplateFactory(clinic=clinic, fields=odd)
    assert api.get(f"{URL}/{template.pk}").json()["fields"] == odd


def test_one_template_takes_two_queries(api, template, django_assert_num_queries):
    with django_assert_num_queries(2):  # the token with the memberships, the template
        api.get(f"{URL}/{template.pk}")


def test_a_template_may_have_every_type_of_field(api):
    choices = {"dropdown", "radio", "checkbox"}
    types = ["text", "textarea", "number", "date", *sorted(choices)]
    fields = [
        make_field(t, t, order=i, **({"options": ["a", "b"]} if t in choices else {})) for i, t in enumerate(types)
    ]
    assert api.post(URL, new(fields=fields)).json()["fields"] == fields


def test_a_copy_has_the_same_fields_under_ids_of_their_own(api, template, member):
    response = api.post(f"{URL}/{template.pk}/copy", {"name": "Intake of a child"})
    assert response.status_code == 201
    shown = response.json()
    assert response["Location"] == f"{URL}/{shown['id']}"
    assert (shown["name"], shown["version"]) == ("Intake of a child", 1)
    assert shown["created_by_user_id"] == member.user_id
    ids = {field["id"] for field in template.fields}
    assert ids.isdisjoint(field["id"] for field in shown["fields"])
    without_ids = [
        [{name: value for name, value in field.items() if name != "id"} for field in fields]
        for fields in (template.fields, shown["fields"])
    ]
    assert without_ids[0] == without_ids[1]
    template.refresh_from_db()
    assert (template.name, template.version) == ("Intake", 1)


def test_a_copy_is_made_once_for_a_key(api, template):
    first, second = (
        api.post(f"{URL}/{template.pk}/copy", {"name": "Copy"}, headers={"Idempotency-Key": "one"}) for _ in range(2)
    )
    assert first.json() == second.json()
    assert MedicalRecordTemplate.objects.filter(name="Copy").count() == 1


@pytest.mark.parametrize("body", [{}, {"name": " "}, {"name": 5}, {"name": "x" * 256}])
def test_a_copy_has_a_name(api, template, body):
    response = api.post(f"{URL}/{template.pk}/copy", body)
    assert response.status_code == 400
    assert "name" in response.json()["errors"]


def test_what_is_in_the_trash_is_not_copied(api, clinic):
    template = MedicalRecordTemplateFactory(clinic=clinic, in_trash=True)
    response = api.post(f"{URL}/{template.pk}/copy", {"name": "Copy"})
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/in-trash"


def test_what_an_older_system_left_in_fields_is_copied_as_it_is(api, clinic):
    template = MedicalRecordTemplateFactory(clinic=clinic, fields={"old": True})
    assert api.post(f"{URL}/{template.pk}/copy", {"name": "Copy"}).json()["fields"] == {"old": True}
