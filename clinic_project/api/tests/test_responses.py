"""What every response of the API has: problems, request ids, allowed origins; and the documentation page."""

import pytest

pytestmark = pytest.mark.django_db


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
