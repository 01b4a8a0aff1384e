"""Log lines: the request, its route and what broke, and nothing of a patient."""

import json
import logging

import pytest
from django.db import DataError, connection
from django.test import Client
from rest_framework.test import APIClient

from clinic_project.logs import JSONFormatter

pytestmark = pytest.mark.django_db


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
    assert any("test_logs" in place for place in line["exception"]["trace"])
    assert "Jane" not in json.dumps(line)


def test_a_request_is_logged_by_its_route_without_ids_or_query(caplog):
    caplog.set_level(logging.INFO, "clinic_project.requests")
    APIClient().get("/api/clinic/medical-records/7", {"search": "Jane"}, headers={"X-Request-ID": "abc-12345"})
    [record] = [record for record in caplog.records if record.name == "clinic_project.requests"]
    line = formatted(record)
    assert line["route"] == "api/clinic/medical-records/<row_id:pk>"
    assert (line["method"], line["status"]) == ("GET", 401)
    assert "Jane" not in json.dumps(line)


def test_what_django_says_of_a_failed_request_names_its_route_too(caplog):
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE api_access_tokens")
    APIClient(headers={"Authorization": "Bearer x"}).get("/api/clinic/medical-records/7301")
    lines = [formatted(record) for record in caplog.records if record.name == "django.request"]
    assert [line["message"] for line in lines] == ["Service Unavailable: api/clinic/medical-records/<row_id:pk>"]


def test_a_refused_form_is_logged_without_the_ids_in_its_path(caplog):
    Client(enforce_csrf_checks=True).post("/admin/clinics/patient/7301/änderung/")
    [line] = [formatted(record) for record in caplog.records if record.name == "django.security.csrf"]
    assert line["message"].startswith("Forbidden (CSRF cookie not set.): admin/")
    assert "7301" not in json.dumps(line)
