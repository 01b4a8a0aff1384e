"""What every response of the API has: problems, request ids, allowed origins; and the documentation page."""

import contextlib
import logging
from io import BytesIO

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory
from rest_framework.test import APIClient

from clinic_project.api.body_limits import MAX_JSON
from clinic_project.api.parsers import JSONParser
from clinic_project.api.problems import Problem
from clinic_project.wsgi import application

pytestmark = pytest.mark.django_db

PHOTOS = "/api/clinic/patient-photos"
TEMPLATES = "/api/clinic/medical-record-templates"


def test_the_docs_page_has_no_inline_scripts_or_styles_and_nothing_from_elsewhere(client):
    page = client.get("/api/docs").content.decode()
    assert "<style" not in page
    assert "<script>" not in page
    assert "//" not in page
    script = client.get("/api/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/schema" in script.content.decode()


@pytest.fixture(params=[True, False], ids=["in development", "in production"])
def _debug(request, settings):
    settings.DEBUG = request.param


def is_problem(response, status):
    problem = response.json()
    return (
        (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
        and response["Content-Length"] == str(len(response.content))
        and (problem["status"], problem["instance"]) == (status, response["X-Request-ID"])
    )


@pytest.mark.usefixtures("_debug")
def test_below_api_even_what_no_view_answers_is_a_problem(client):
    for path in ("/api", "/api/nowhere", "/api/clinic/medical-records/"):
        assert is_problem(client.get(path), 404)
    assert is_problem(client.get("/api/auth/me", headers={"Host": "evil.example"}), 400)
    for path in ("/nowhere", "/apiary"):
        assert client.get(path)["Content-Type"].startswith("text/html")


@pytest.mark.usefixtures("_debug")
def test_our_own_mistakes_are_500_as_a_problem_without_details(client, monkeypatch, caplog):
    def broken(request):
        raise RuntimeError("Jane Doe")

    monkeypatch.setattr("clinic_project.api.views.SchemaView.dispatch", lambda self, request: broken(request))
    client.raise_request_exception = False
    response = client.get("/api/schema")
    assert is_problem(response, 500)
    assert b"Jane" not in response.content
    assert [record.exc_info[0] for record in caplog.records if record.name == "django.request"] == [RuntimeError]


def test_a_plain_request_id_is_taken_over_and_any_other_replaced(client):
    assert client.get("/livez", headers={"X-Request-ID": "abc-12345"})["X-Request-ID"] == "abc-12345"
    for odd in ("", "x", "a b c d e f g h", "x" * 65, '"; drop table', "\xe9" * 9):
        assert client.get("/livez", headers={"X-Request-ID": odd})["X-Request-ID"] != odd


def test_another_origin_may_use_the_api_where_settings_allow_it(client, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.clinic.example"]
    ask = {"Origin": "https://app.clinic.example", "Access-Control-Request-Method": "PATCH"}
    response = client.options("/api/clinic/medical-records/1", headers=ask)
    assert response["Access-Control-Allow-Origin"] == "https://app.clinic.example"
    assert "if-match" in response["Access-Control-Allow-Headers"]
    assert "ETag" in client.get("/api/auth/me", headers=ask)["Access-Control-Expose-Headers"]
    other = client.get("/api/auth/me", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other


class CutShort:
    """A body whose connection ends before it does."""

    def read(self, *args):
        raise ConnectionResetError

    readline = read


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_a_body_that_is_cut_short_is_the_clients_and_no_error_of_ours(api, member, caplog, content_type):
    session = APIClient()
    session.force_login(member.user)
    url = PHOTOS if "multipart" in content_type else TEMPLATES
    for client in (api, session):
        extra = {"wsgi.input": CutShort(), "CONTENT_LENGTH": "1000"}
        response = client.generic("POST", url, b"", content_type=content_type, **extra)
        assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert [record.levelname for record in caplog.records if record.levelno >= logging.ERROR] == []


CHARSETS = ("utf-8", "latin-1", "utf-16", "idna", "punycode", "undefined", "rot13", "zlib", "mbcs", "nonsense")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_any_charset_is_an_answer_without_an_error_of_ours(api, member, content_type):
    session = APIClient()
    session.force_login(member.user)
    part = b'--x\r\nContent-Disposition: form-data; name="patient_id"\r\n\r\n\xff1\r\n--x--\r\n'
    for charset in CHARSETS:
        for client in (api, session):
            url = PHOTOS if "multipart" in content_type else TEMPLATES
            body = part if "multipart" in content_type else b"{}"
            response = client.generic("POST", url, body, content_type=f"{content_type}; charset={charset}")
            assert response.status_code == 400, charset
        url = f"{TEMPLATES}?search=%ff%C3%A4"
        assert api.generic("GET", url, b"", CONTENT_TYPE=f"text/plain; charset={charset}").status_code == 200


@pytest.mark.usefixtures("_keep_the_connection")
@pytest.mark.parametrize("parameter", ["charset*=nonsense''%41", "boundary*=idna''%ff", "boundary*=q''x"])
@pytest.mark.parametrize(("url", "content_type"), [(PHOTOS, "multipart/form-data"), (TEMPLATES, "application/json")])
def test_a_content_type_that_cant_be_read_is_none(api, parameter, url, content_type):
    """Sent to the server's own entrance: the test client doesn't come that way."""
    credentials = {"HTTP_AUTHORIZATION": api.defaults["HTTP_AUTHORIZATION"], "SERVER_NAME": "testserver"}
    environ = RequestFactory().post(url, b"{}", content_type="text/plain", **credentials).environ
    answered = []
    environ["CONTENT_TYPE"] = f"{content_type}; {parameter}"
    with contextlib.closing(application(environ, lambda status, headers: answered.append(status))):
        assert answered == ["415 Unsupported Media Type"]


def test_json_without_a_length_is_limited_too():
    """As it comes by HTTP/2, to a server of ASGI."""

    def parsed(body):
        request = ASGIRequest({"type": "http", "method": "POST", "path": "/", "headers": []}, BytesIO(body))
        return JSONParser().parse(request, parser_context={"request": request})

    assert parsed(b"[]".ljust(MAX_JSON)) == []
    with pytest.raises(Problem) as refused:
        parsed(b"[]".ljust(MAX_JSON + 1))
    assert refused.value.status_code == 413
