"""The list of templates: who may see it, of which clinic, and what they are told otherwise."""

import unicodedata

import pytest
from django.db import connection
from rest_framework.test import APIClient

from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordTemplateFactory as TemplateFactory

URL = "/api/clinic/medical-record-templates"


def names(response):
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


def test_a_member_sees_the_templates_of_their_clinic_only(api, clinic):
    TemplateFactory(clinic=clinic, name="Intake")
    TemplateFactory(name="Another clinic's")
    response = api.get(URL)
    assert names(response) == ["Intake"]
    assert response.json()["count"] == 1
    assert response["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie", "X-Clinic-ID"} <= {name.strip() for name in response["Vary"].split(",")}


def test_a_template_is_shown_with_its_fields_as_they_are_stored(api, clinic):
    template = TemplateFactory(clinic=clinic)
    [row] = api.get(URL).json()["results"]
    assert row["fields"] == template.fields
    assert row["version"] == 1
    assert row["created_at"].endswith("Z")


@pytest.mark.django_db
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Bearer a b", "Basic dTpw", "Bearer \xff\xfe"])
def test_without_good_credentials_it_is_401(header):
    client = APIClient(headers={"Authorization": header} if header else {})
    response = client.get(URL, headers={"X-Clinic-ID": "nonsense", "Accept": "text/html"})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 401
    assert response.json()["instance"] == response["X-Request-ID"]


@pytest.mark.django_db
def test_while_the_medical_tables_are_missing_it_is_401_without_credentials_and_503_with_them(api):
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE patient_photos, medical_records, medical_record_templates")
    assert APIClient().get(URL).status_code == 401
    response = api.get(URL)
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/schema-behind"
    assert "migrate" in response.json()["detail"]


@pytest.mark.django_db
def test_a_missing_column_is_503_as_well(api):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE medical_record_templates DROP COLUMN version")
    assert api.get(URL).status_code == 503


def test_a_session_serves_as_well(member):
    client = APIClient()
    client.force_login(member.user)
    assert names(client.get(URL)) == []


def test_a_member_of_two_clinics_has_to_name_one(member, api, clinic):
    other = MembershipFactory(user=member.user).clinic
    TemplateFactory(clinic=other, name="There")
    response = api.get(URL)
    assert response.status_code == 400
    assert [c["id"] for c in response.json()["clinics"]] == [clinic.pk, other.pk]
    assert names(api.get(URL, headers={"X-Clinic-ID": str(other.pk)})) == ["There"]


def test_naming_a_clinic_that_one_is_no_member_of_is_403(api):
    foreign = MembershipFactory()
    assert api.get(URL, headers={"X-Clinic-ID": str(foreign.clinic_id)}).status_code == 403
    assert api.get(URL, headers={"X-Clinic-ID": "9999999999"}).status_code == 403


@pytest.mark.parametrize("header", ["", "abc", "-1", "1.5", "9" * 5000, "\uff11"])
def test_a_clinic_is_named_by_its_id(api, header):
    assert api.get(URL, headers={"X-Clinic-ID": header.encode().decode("latin-1")}).status_code == 400


@pytest.mark.django_db
def test_inactive_memberships_clinics_and_users_dont_count():
    for off in ({"is_active": False}, {"clinic__is_active": False}):
        assert client_of(MembershipFactory(**off)).get(URL).status_code == 403
    assert client_of(MembershipFactory(user__is_active=False)).get(URL).status_code == 401


def test_the_list_can_be_searched_and_shows_the_trash_when_asked(api, clinic):
    TemplateFactory(clinic=clinic, name="Intake 100%")
    TemplateFactory(clinic=clinic, name="Follow-up")
    TemplateFactory(clinic=clinic, name="Old intake", is_deleted=True)
    assert names(api.get(URL)) == ["Follow-up", "Intake 100%"]
    assert names(api.get(URL, {"search": "INTAKE"})) == ["Intake 100%"]
    assert names(api.get(URL, {"search": "%"})) == ["Intake 100%"]
    assert names(api.get(URL, {"status": "deleted"})) == ["Old intake"]
    assert len(names(api.get(URL, {"status": "all"}))) == 3


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_an_accent_is_found_however_it_is_written(api, clinic, kept, typed):
    """A Mac writes é as two characters."""
    TemplateFactory(clinic=clinic, name=unicodedata.normalize(kept, "Café visit"))
    assert len(names(api.get(URL, {"search": unicodedata.normalize(typed, "CAFÉ")}))) == 1
    assert len(names(api.get(URL, {"search": "cafe v"}))) == 0


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"status": "gone"}, "status"),
        ({"search": "a\0b"}, "search"),
        ({"search": "a" * 300}, "search"),
        ({"page": "0"}, "page"),
        ({"page": "-1"}, "page"),
        ({"page_size": "many"}, "page_size"),
    ],
)
def test_an_invalid_filter_is_400_by_its_name(api, query, path):
    response = api.get(URL, query)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [path]


def test_the_list_comes_in_pages_that_link_to_each_other(api, clinic):
    for name in "abcde":
        TemplateFactory(clinic=clinic, name=name)
    first = api.get(URL, {"page_size": 2, "search": ""}).json()
    assert first["count"] == 5
    assert first["previous"] is None
    second = api.get(first["next"]).json()
    assert [row["name"] for row in second["results"]] == ["c", "d"]
    third = api.get(second["next"]).json()
    assert third["next"] is None
    assert api.get(third["previous"]).json() == second
    assert api.get(URL, {"page": 4, "page_size": 2}).status_code == 404
    too_deep = api.get(URL, {"page": "9" * 18})
    assert (too_deep.status_code, too_deep.json()["type"]) == (400, "/problems/page-too-deep")


def test_a_page_has_at_most_200_rows(api, clinic):
    TemplateFactory.create_batch(201, clinic=clinic)
    assert len(names(api.get(URL))) == 50
    assert len(names(api.get(URL, {"page_size": 100000}))) == 200


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_two_queries_however_many_rows(api, clinic, rows, django_assert_num_queries):
    TemplateFactory.create_batch(rows, clinic=clinic)
    with django_assert_num_queries(2):  # the token with the memberships, the rows with their number
        assert len(names(api.get(URL, {"page_size": 100}))) == rows
