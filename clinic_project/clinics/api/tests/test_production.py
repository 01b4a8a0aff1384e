"""What is on in production: checks, headers, logs, health; each in a process of its own with production's environment."""

import json
import logging
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import DataError, connection
from rest_framework.test import APIClient

from clinic_project.logs import JSONFormatter

pytestmark = pytest.mark.django_db


def manage(*arguments, **environment):
    variables = {
        "DATABASE_URL": "postgresql://clinic:password@database.example/clinic",  # which a check doesn't connect to
        "SECRET_KEY": "k" * 60 + "0123456789",
        "ALLOWED_HOSTS": "clinic.example",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, **variables, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("proxies", ["0", "1"])
def test_check_deploy_finds_nothing(proxies):
    run = manage("check", "--deploy", "--fail-level", "DEBUG", TRUSTED_PROXIES=proxies)
    assert run.returncode == 0, run.stderr
    assert "no issues" in run.stdout + run.stderr


def test_without_a_secret_key_it_says_so():
    run = manage("check", SECRET_KEY="")
    assert run.returncode == 1
    assert "SECRET_KEY is not set" in run.stderr


def test_every_page_has_the_security_headers(client):
    for path in ("/admin/login/", "/api/docs", "/api/auth/me", "/livez", "/nowhere"):
        answer = client.get(path)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert len(answer["X-Request-ID"]) == 36


def test_the_docs_page_has_no_inline_scripts_or_styles_and_nothing_from_elsewhere(client):
    page = client.get("/api/docs").content.decode()
    assert "<style" not in page
    assert "<script>" not in page
    assert "//" not in page
    script = client.get("/api/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/schema" in script.content.decode()


def test_below_api_even_what_no_view_answers_is_a_problem(client):
    for path, status in (("/api/nowhere", 404), ("/api/clinic/medical-records/", 404)):
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert client.get("/api/auth/me", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/nowhere")["Content-Type"].startswith("text/html")


def test_our_own_mistakes_are_500_as_a_problem_without_details(client, monkeypatch):
    def broken(request):
        raise RuntimeError("Jane Doe")

    monkeypatch.setattr("clinic_project.clinics.api.docs.Schema.dispatch", lambda self, request: broken(request))
    client.raise_request_exception = False
    answer = client.get("/api/schema")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert b"Jane" not in answer.content
    assert answer.json()["instance"] == answer["X-Request-ID"]


def test_a_plain_request_id_is_taken_over_and_any_other_replaced(client):
    assert client.get("/livez", headers={"X-Request-ID": "abc-12345"})["X-Request-ID"] == "abc-12345"
    for odd in ("", "x", "a b c d e f g h", "x" * 65, '"; drop table', "\xe9" * 9):
        assert client.get("/livez", headers={"X-Request-ID": odd})["X-Request-ID"] != odd


def test_another_origin_may_use_the_api_where_settings_allow_it(client, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.clinic.example"]
    ask = {"Origin": "https://app.clinic.example", "Access-Control-Request-Method": "PATCH"}
    answer = client.options("/api/clinic/medical-records/1", headers=ask)
    assert answer["Access-Control-Allow-Origin"] == "https://app.clinic.example"
    assert "if-match" in answer["Access-Control-Allow-Headers"]
    assert "ETag" in client.get("/api/auth/me", headers=ask)["Access-Control-Expose-Headers"]
    other = client.get("/api/auth/me", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other


def test_livez_asks_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/livez").json() == {"status": "alive"}


def test_readyz_counts_what_differs_from_the_declared_schema(client):
    assert client.get("/readyz").json() == {"status": "ready", "differences": 0}
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX idx_medical_records_created; ALTER TABLE patient_photos DROP COLUMN description")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["differences"] == 2


def formatted(record):
    return json.loads(JSONFormatter().format(record))


def test_a_log_line_tells_the_request_and_the_place_and_not_what_was_said():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'Jane Doe'::integer")
    except DataError as error:
        trace = (type(error), error, error.__traceback__)
    line = formatted(logging.LogRecord("clinic", logging.ERROR, __file__, 1, "broken", (), trace))
    assert line["exception"]["type"] == "django.db.utils.DataError"
    assert line["exception"]["sqlstate"] == "22P02"
    assert any("test_production" in place for place in line["exception"]["trace"])
    assert "Jane" not in json.dumps(line)


def test_a_request_is_logged_by_its_route_without_ids_or_query(caplog):
    caplog.set_level(logging.INFO, "clinic_project.requests")
    APIClient().get("/api/clinic/medical-records/7", {"search": "Jane"}, headers={"X-Request-ID": "abc-12345"})
    [record] = [record for record in caplog.records if record.name == "clinic_project.requests"]
    line = formatted(record)
    assert line["route"] == "api/clinic/medical-records/<row_id:pk>"
    assert (line["method"], line["status"]) == ("GET", 401)
    assert "Jane" not in json.dumps(line)
