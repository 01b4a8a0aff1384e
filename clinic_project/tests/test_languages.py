"""The language of a page is its reader's; what programs read is in English."""

import json
import os
import re
import subprocess
import sys
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import translation

from clinic_project.clinics.factories import PASSWORD, MembershipFactory, PatientFactory, UserFactory
from clinic_project.clinics.tests.admin_site import superuser
from medical_records.factories import MedicalRecordTemplateFactory

__all__ = ["superuser"]

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
HAN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
CHINESE = {"Accept-Language": "zh-TW,zh;q=0.9,en;q=0.8"}


def language_of(response) -> str:
    assert f'<html lang="{response["Content-Language"]}"' in response.content.decode()
    return response["Content-Language"]


# The reader's choice


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-hant"),
        ("zh-HK", "zh-hant"),
        ("zh-Hant-TW", "zh-hant"),
        ("ja,zh-TW;q=0.8", "zh-hant"),
        ("en,zh-TW;q=0.9", "en"),
        # Nearer than English.
        ("zh-CN,zh;q=0.9", "zh-hant"),
        ("ja", "en"),
        ("*", "en"),
    ],
)
def test_a_page_is_in_the_language_that_the_browser_asks_for(client, asked, given):
    response = client.get("/", headers={"Accept-Language": asked})
    assert language_of(response) == given
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in response["Vary"].split(",")}


def test_the_form_in_the_header_changes_it_and_leads_back(client, superuser):
    page = reverse("admin:clinics_patient_changelist") + "?q=a%20b"
    html = client.get(page).content.decode()
    assert '<button type="submit" name="language" value="zh-hant" lang="zh-hant">繁體中文</button>' in html
    assert f'<input type="hidden" name="next" value="{page}">' in html
    response = client.post(reverse("set_language"), {"language": "zh-hant", "next": page})
    assert (response.status_code, response["Location"]) == (302, page)
    kept = response.cookies["django_language"]
    assert (kept.value, kept["max-age"], kept["httponly"], kept["samesite"]) == ("zh-hant", 31536000, True, "Lax")
    assert "診所管理" in client.get(page, headers={"Accept-Language": "en"}).content.decode()
    client.post(reverse("set_language"), {"language": "en", "next": page})
    assert "Clinic administration" in client.get(page, headers=CHINESE).content.decode()


def test_the_form_leads_nowhere_else_and_is_no_other_sites(superuser):
    client = Client(enforce_csrf_checks=True)
    assert client.post(reverse("set_language"), {"language": "zh-hant"}).status_code == 403
    token = client.get("/").cookies["csrftoken"].value
    sent = {"language": "zh-hant", "next": "https://elsewhere.example/", "csrfmiddlewaretoken": token}
    assert client.post(reverse("set_language"), sent)["Location"] == "/"
    client.get(reverse("set_language") + "?language=en")
    assert client.cookies["django_language"].value == "zh-hant"


@pytest.mark.parametrize("page", ["/", "/admin/login/"])
def test_before_the_login_a_page_has_the_form_too(page):
    client = Client(enforce_csrf_checks=True)
    html = client.get(page).content.decode()
    assert html.count('action="/language"') == 1
    token = html.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    response = client.post("/language", {"language": "zh-hant", "next": page, "csrfmiddlewaretoken": token})
    assert language_of(client.get(response["Location"])) == "zh-hant"


def test_a_page_of_the_two_step_login_has_it(client, superuser):
    assert 'action="/language"' in client.get(reverse("admin:two_step_login")).content.decode()


def test_a_page_to_which_another_site_leads_has_it(client, superuser):
    url = reverse("admin:clinics_patient_change", args=[PatientFactory().pk])
    response = client.get(url, headers={**CHINESE, "Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert language_of(response) == "zh-hant"
    html = response.content.decode()
    assert "由其他網站開啟" in html
    assert f'name="next" value="{url}"' in html


def test_of_one_browsers_language_nothing_is_left_for_the_next(client):
    client.get("/", headers=CHINESE)
    assert translation.get_language() == "en"
    assert language_of(client.get("/")) == "en"


def test_who_chose_nothing_that_is_here_gets_english(client):
    client.cookies = SimpleCookie({"django_language": "tlh"})
    assert language_of(client.get("/")) == "en"


# Dates


def test_a_date_is_written_in_one_way_in_each_language(client, superuser):
    url = reverse("admin:clinics_patient_changelist")
    PatientFactory(birthday="1952-03-09")
    assert "9 Mar 1952" in client.get(url).content.decode()
    assert "1952年3月9日" in client.get(url, headers=CHINESE).content.decode()


def test_a_date_is_typed_in_the_same_way_in_each_language(client, superuser):
    patient = PatientFactory(birthday="1952-03-09")
    url = reverse("admin:clinics_patient_change", args=[patient.pk])
    assert 'value="1952-03-09"' in client.get(url, headers=CHINESE).content.decode()
    # Which a month first, or a day, would be.
    sent = {"full_name": "Ada", "birthday": "03/09/1952"}
    assert client.post(url, sent, headers=CHINESE).status_code == 200
    assert client.post(url, sent | {"birthday": "1952/3/9"}, headers=CHINESE).status_code == 302


# What is kept


def test_djangos_log_is_kept_in_english_and_read_in_chinese(client, superuser):
    user = UserFactory()
    client.post(reverse("admin:clinics_user_change", args=[user.pk]), {"email": "ada@clinic.example"}, headers=CHINESE)
    patient = PatientFactory()
    client.post(reverse("admin:clinics_patient_delete", args=[patient.pk]), {"post": "yes"}, headers=CHINESE)
    kept = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert kept[0].isascii()
    assert kept[1] == "Moved to the trash."
    LogEntry.objects.log_actions(superuser.pk, [user], 2, "Made new recovery codes.", single_object=True)
    history = client.get(reverse("admin:clinics_user_history", args=[user.pk]), headers=CHINESE).content.decode()
    assert "產生了新的復原碼。" in history
    # The fields that were changed, in English with a capital letter in the log.
    assert re.search("電子信箱[^<]*已修改", history)
    assert "Email" not in history
    patient = PatientFactory()
    url = reverse("admin:clinics_patient_change", args=[patient.pk])
    assert client.post(url, {"full_name": "王小明"}, headers=CHINESE).status_code == 302
    assert "Full name" in LogEntry.objects.latest("pk").change_message
    assert re.search("姓名[^<]*已修改", client.get(reverse("admin:index"), headers=CHINESE).content.decode())


# What programs read


def test_the_api_is_in_english(client):
    membership = MembershipFactory(admin=True)
    token = Client().post(
        "/api/auth/login", {"email": membership.user.email, "password": PASSWORD}, "application/json", headers=CHINESE
    )
    assert token.status_code == 200
    headers = {**CHINESE, "Authorization": f"Bearer {token.json()['token']}"}
    client.cookies = SimpleCookie({"django_language": "zh-hant"})
    template = MedicalRecordTemplateFactory(clinic=membership.clinic)
    refused = [
        client.post("/api/auth/login", {}, "application/json", headers=CHINESE),
        client.post("/api/auth/login", {"email": "a@b.example", "password": "x"}, "application/json", headers=CHINESE),
        client.get("/api/nothing", headers=headers),
        client.get("/api/clinic/patients", headers=CHINESE),
        client.get("/api/clinic/medical-record-templates?nothing=1", headers=headers),
        client.post(
            "/api/clinic/medical-record-templates",
            {"name": "", "fields": [{"label": " ", "type": "radio"}]},
            "application/json",
            headers=headers,
        ),
        client.post(
            "/api/clinic/medical-record-templates",
            {
                "name": "a",
                "fields": [{"label": " ", "type": "radio"}, {"label": "b", "type": "text", "options": ["c"]}],
            },
            "application/json",
            headers=headers,
        ),
        client.patch(
            f"/api/clinic/medical-record-templates/{template.pk}",
            {"name": "b"},
            "application/json",
            headers={**headers, "If-Match": '"99"'},
        ),
    ]
    for response in refused:
        assert response.status_code >= 400
        assert response["Content-Type"] == "application/problem+json"
        assert not HAN.search(json.dumps(response.json(), ensure_ascii=False))
        assert "Content-Language" not in response
        assert "Accept-Language" not in response.get("Vary", "")


@pytest.mark.parametrize("url", ["/api/schema", "/api/docs", "/livez", "/readyz"])
def test_documents_for_programs_dont_change(client, url):
    client.cookies = SimpleCookie({"django_language": "zh-hant"})
    assert client.get(url, headers=CHINESE).content == Client().get(url).content


def test_the_schema_page_has_what_migrate_says_in_its_words(client, superuser):
    html = client.get(reverse("admin:schema"), headers=CHINESE).content.decode()
    frame, _, findings = html.partition('<div lang="en">')
    assert "<h1>資料庫結構</h1>" in frame
    assert "The schema is as declared" in findings
    assert not HAN.search(findings.partition("</div>\n")[0])


@pytest.mark.slow
@pytest.mark.parametrize("command", [["migrate", "--plan"], ["check"], ["verify_records", "--help"]])
def test_commands_speak_english_on_a_chinese_server(command):
    chinese = dict.fromkeys(("LANG", "LC_ALL", "LANGUAGE", "LANGUAGE_CODE"), "zh_TW.UTF-8")
    run = [sys.executable, "manage.py", *command]
    done = [
        subprocess.run(run, cwd=ROOT, env={**os.environ, **variables}, check=True, capture_output=True, timeout=120)
        for variables in (chinese, {})
    ]
    assert done[0].stdout == done[1].stdout
    assert done[0].stdout
