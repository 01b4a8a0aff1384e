"""Whether the process runs, and whether it can serve."""

import pytest
from django.db import connection, connections

from clinic_project.api.models import AccessToken
from medical_records.models import MedicalRecord

pytestmark = pytest.mark.django_db

MIGRATE, PERSON = "run manage.py migrate", "a person must decide: manage.py reconcile --plan says what"


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def problems(client) -> dict[str, str]:
    """What /readyz names, with the remedy."""
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    return {problem["object"]: problem["remedy"] for problem in response.json()["problems"]}


def test_livez_asks_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/livez").json() == {"status": "alive"}


def test_a_schema_as_declared_is_ready(client):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "degraded": False, "differences": 0}


@pytest.mark.parametrize(
    "statement",
    [
        "DROP INDEX idx_medical_records_created",
        "ALTER TABLE patient_photos ALTER description TYPE varchar(9000)",
        "ALTER TABLE patient_photos ALTER is_pending DROP NOT NULL",
        "ALTER TABLE medical_records ALTER id SET GENERATED ALWAYS",
        "ALTER TABLE users DROP CONSTRAINT users_email_key",
        "ALTER TABLE calendar_events ALTER event_type DROP NOT NULL",
    ],
)
def test_what_makes_no_request_fail_only_degrades(client, statement):
    run(statement)
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "degraded": True, "differences": 1}


# What makes requests fail


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TABLE patient_photos", {"patient_photos": MIGRATE}),
        ("DROP TABLE audit_accesses", {"audit_accesses": MIGRATE}),
        ("DROP TABLE patient_photos; CREATE VIEW patient_photos AS SELECT 1", {"patient_photos": PERSON}),
        ("ALTER TABLE patient_photos DROP COLUMN description", {"patient_photos.description": MIGRATE}),
        ("ALTER TABLE medical_records DROP COLUMN template_name", {"medical_records.template_name": MIGRATE}),
        ("ALTER TABLE medical_records ALTER id DROP IDENTITY", {"medical_records.id": MIGRATE}),
        ("ALTER TABLE medical_records ALTER version DROP DEFAULT", {"medical_records.version": MIGRATE}),
        ("ALTER TABLE medical_records ALTER deleted_at SET NOT NULL", {"medical_records.deleted_at": MIGRATE}),
        ("ALTER TABLE medical_records ADD theirs int NOT NULL", {"medical_records.theirs": PERSON}),
        (
            "ALTER TABLE medical_records DROP version, ADD version int GENERATED ALWAYS AS (1) STORED",
            {"medical_records.version": PERSON},
        ),
    ],
)
def test_what_makes_requests_fail_is_named_with_its_remedy(client, statement, expected):
    run(statement)
    assert expected.items() <= problems(client).items()


def test_a_column_without_a_value_for_the_rows_is_a_person_s(client):
    run(
        "INSERT INTO clinics (name) VALUES ('Harbour Street')",
        "INSERT INTO medical_record_templates (clinic_id, name, fields) SELECT id, 'New', '[]' FROM clinics LIMIT 1",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "ALTER TABLE medical_record_templates DROP COLUMN name",
    )
    assert problems(client) == {"medical_record_templates.name": PERSON}


def test_an_undeclared_column_is_in_the_way_only_where_the_api_inserts(client):
    run("ALTER TABLE patients ADD theirs int NOT NULL")
    assert client.get("/readyz").status_code == 200
    for model in (AccessToken, MedicalRecord):
        run(f"ALTER TABLE {model._meta.db_table} ADD theirs int NOT NULL")
    assert problems(client) == {"api_access_tokens.theirs": PERSON, "medical_records.theirs": PERSON}


@pytest.mark.parametrize("default", ["DEFAULT 1", "GENERATED ALWAYS AS (1) STORED", "GENERATED ALWAYS AS IDENTITY"])
def test_an_undeclared_column_with_a_value_is_not_in_the_way(client, default):
    run(f"ALTER TABLE medical_records ADD theirs int NOT NULL {default}")
    assert client.get("/readyz").json() == {"status": "ready", "degraded": False, "differences": 0}


# The database itself


def test_a_server_that_became_read_only(client):
    """The process lives through a failover."""
    assert client.get("/readyz").status_code == 200
    run("SET TRANSACTION READ ONLY")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "read-only" in response.json()["problems"][0]["found"]


def test_a_database_that_is_away(client, monkeypatch):
    connections["default"].ensure_connection()

    def away(alias: str) -> None:
        other = connection.copy()
        other.settings_dict = {**connection.settings_dict, "HOST": "/nowhere", "OPTIONS": {}}
        other.ensure_connection()

    monkeypatch.setattr("clinic_project.health.inspect_database", away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["problems"][0]["found"] == "the database can't be reached"


def test_a_search_path_without_a_schema(client):
    run("SET LOCAL search_path = nowhere")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "found none first on the search path" in response.json()["problems"][0]["found"]


def test_a_privilege_that_only_the_comparison_needs_only_degrades(client):
    run(
        "CREATE ROLE reader",
        f'REVOKE TEMPORARY ON DATABASE "{connection.settings_dict["NAME"]}" FROM PUBLIC',
        "GRANT USAGE, CREATE ON SCHEMA public TO reader",
        "SET LOCAL ROLE reader",
    )
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "degraded": True, "differences": None}


@pytest.mark.django_db(transaction=True)
def test_a_table_that_another_session_has_locked_only_degrades(client, settings):
    settings.RECONCILIATION = {"lock_timeout": 0.1}
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE patients IN ACCESS EXCLUSIVE MODE")
        response = client.get("/readyz")
    finally:
        other.close()
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "degraded": True, "differences": None}
