"""The page at `/`: what is here, and in development how to log in."""

import re
import sys

import pytest
from django.db import connection

from clinic_project.clinics.factories import PASSWORD, UserFactory
from clinic_project.clinics.tests.browser import needs_chromium
from medical_records.demo.people import STAFF, load_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def _development(settings):
    settings.DEBUG = True


def page(client) -> str:
    response = client.get("/")
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    return response.content.decode()


def test_its_links_lead_somewhere_and_nothing_comes_from_elsewhere(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        html = page(client)
    assert not re.search(r"<style|<script>|//(?!www.w3.org)", html)
    links = re.findall(r'<a href="(/[^"]*)"', html)
    assert links == ["/admin/", "/api/docs", "/api/schema", "/readyz", "/livez"]
    assert [client.get(link, follow=True).status_code for link in links] == [200] * 5


def test_in_production_it_names_no_login_and_no_version(client):
    load_staff(PASSWORD)
    html = page(client)
    assert "Development" not in html
    assert not re.search(
        r"@|password|\d\.\d+\.\d|Django|PostgreSQL", re.sub(r"<svg.*</svg>", "", html, flags=re.DOTALL)
    )


@pytest.mark.usefixtures("_development")
def test_in_development_it_names_the_demos_logins(client):
    load_staff(PASSWORD)
    UserFactory(email="ada@clinic.example")
    html = page(client)
    assert re.findall(r"<code>(\S+@\S+)</code>", html) == [person.email for person in STAFF]
    assert f"The password is <code>{PASSWORD}</code>" in html


@pytest.mark.usefixtures("_development")
@pytest.mark.parametrize("installed", [True, False])
def test_without_the_demo_it_says_how_to_load_it(client, monkeypatch, installed):
    if not installed:
        for name in [name for name in sys.modules if name.endswith((".factories", "demo.people"))]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "factory", None)
    assert "<code>python manage.py load_demo</code>" in page(client)


@pytest.mark.usefixtures("_development")
@pytest.mark.django_db(transaction=True)
def test_without_tables_it_says_how_to_create_them(client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users RENAME TO hidden")
    try:
        assert "<code>python manage.py migrate</code>" in page(client)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden RENAME TO users")


@needs_chromium
@pytest.mark.django_db(transaction=True)
def test_it_is_no_wider_than_the_screen(staff, settings):
    load_staff(PASSWORD)
    for settings.DEBUG in (False, True):
        staff.driver.get(staff.address)
        assert staff.sees_the_whole_width()
        staff.shoot(f"home-{'development' if settings.DEBUG else 'production'}")
