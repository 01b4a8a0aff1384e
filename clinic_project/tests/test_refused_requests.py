"""What a browser is told whose request isn't served: what was found, how much is allowed, and what to do."""

from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from clinic_project.api.tests.bodies import unread_gibibyte
from clinic_project.clinics.factories import MembershipFactory, PatientFactory

pytestmark = pytest.mark.django_db

CHINESE = {"Accept-Language": "zh-TW"}


@pytest.fixture
def patient(client):
    membership = MembershipFactory(user__staff=True)
    client.force_login(membership.user)
    return PatientFactory(clinic=membership.clinic)


def said(response, status: int) -> str:
    assert response.status_code == status
    html = response.content.decode()
    assert f'href="{reverse("admin:index")}"' in html
    return " ".join(strip_tags(html.partition('<div id="content"')[2]).split())


def test_too_many_files_say_how_many_are_allowed(client, patient, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    address = reverse("admin:clinics_patient_photos", args=[patient.pk])
    photos = [SimpleUploadedFile(f"{number}.jpg", b"x") for number in range(3)]
    refused = client.post(address, {"photos": photos})
    assert "More than 2 files were sent at once. Nothing was saved. Go back, and send them in several steps." in said(
        refused, 400
    )
    assert refused.wsgi_request.read(1) == b"", "what is left of the body is read"
    chinese = client.post(address, {"photos": [SimpleUploadedFile("x", b"x")] * 3}, headers=CHINESE)
    assert "一次傳送的檔案超過 2 個" in said(chinese, 400)


def test_too_many_inputs_and_too_much_text_say_so(client, patient, settings):
    address = reverse("admin:clinics_patient_change", args=[patient.pk])
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
    inputs = {f"input-{number}": "" for number in range(1_001)}
    assert "The form has more than 1,000 inputs. Nothing was saved." in said(client.post(address, inputs), 400)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024
    refused = client.post(address, f"notes={'x' * 1025}", content_type="application/x-www-form-urlencoded")
    assert "of text was sent at once. Nothing was saved." in said(refused, 413)
    assert refused.wsgi_request.read(1) == b""


def test_a_body_that_no_page_takes_is_refused_by_its_length(client):
    """Before it is read, as the check of the CSRF token would, of anybody."""
    address, sent = reverse("admin:login"), unread_gibibyte("multipart/form-data; boundary=x")
    page = said(client.post(address, b"", **sent), 413)
    assert "More than 3.5 MB was sent at once. Nothing was saved." in page
    assert "一次傳送的內容超過 3.5" in said(client.post(address, b"", headers=CHINESE, **sent), 413)


def test_a_body_that_is_a_little_too_large_is_read_so_that_the_browser_shows_the_page(client):
    refused = client.post(reverse("admin:login"), {"file": SimpleUploadedFile("x", b"x" * 4_000_000)})
    assert "Go back, and send it in several steps." in said(refused, 413)
    assert refused.wsgi_request.read(1) == b""


def test_the_api_looks_itself_below_the_prefix_of_a_proxy_as_well(client):
    address, sent = reverse("medical_records:photo-list"), unread_gibibyte("multipart/form-data; boundary=x")
    refused = client.post(address, b"", SCRIPT_NAME="/records", **sent)
    assert (refused.wsgi_request.path, refused.status_code) == (f"/records{address}", 401)
    assert refused["Content-Type"] == "application/problem+json"
    unknown = client.get("/api/nowhere", SCRIPT_NAME="/records")
    assert (unknown.status_code, unknown["Content-Type"]) == (404, "application/problem+json")


def test_photos_may_be_larger_than_a_form(client, patient):
    address = reverse("admin:clinics_patient_photos", args=[patient.pk])
    assert client.post(address, {"photos": SimpleUploadedFile("x.jpg", b"x" * 4_000_000)}).status_code == 302
    sent = unread_gibibyte("multipart/form-data; boundary=x")
    assert "More than 60.0 MB was sent at once." in said(client.post(address, b"", **sent), 413)


def test_a_malformed_body_cant_be_read(client, patient):
    address = reverse("admin:clinics_patient_change", args=[patient.pk])
    refused = client.post(address, b"x", content_type="multipart/form-data")
    assert "It was cut short, or is malformed. Nothing was saved." in said(refused, 400)


def test_a_form_without_its_token_is_out_of_date(patient):
    strict = Client(enforce_csrf_checks=True)
    refused = strict.post(reverse("admin:login"), {"username": "x"})
    assert "The form is out of date" in said(refused, 403)
    refused = strict.post(reverse("admin:login"), headers={"origin": "https://clinic.example"})
    assert "CSRF_TRUSTED_ORIGINS or TRUSTED_PROXIES isn't right" in unescape(said(refused, 403))


def test_what_isnt_there_or_not_allowed_is_told_in_the_readers_language(client, patient):
    client.force_login(MembershipFactory(clinic=patient.clinic, user__staff=True, roles=[]).user)
    not_allowed = reverse("admin:clinics_patient_who_looked", args=[patient.pk])
    assert "You may not open this page, or do this." in said(client.get(not_allowed), 403)
    assert "您不能開啟這個頁面" in said(client.get(not_allowed, headers=CHINESE), 403)
    assert "There is no such page" in said(client.get("/admin/nothing/here/"), 404)
    assert "沒有這個頁面" in said(client.get("/nothing", headers=CHINESE), 404)


def test_a_wrong_host_is_the_operators_matter(client):
    refused = client.get("/", headers={"host": "elsewhere.example"})
    assert (refused.status_code, b"Bad Request" in refused.content) == (400, True)
